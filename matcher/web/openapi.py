"""The description of the HTTP gateway in OpenAPI 3.1, made from the same table that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, ServiceDescriptor
from google.rpc import status_pb2

from matcher.web.bindings import Binding, Table
from matcher.web.json_shape import is_well_known
from matcher.web.reference.comments import described, summary
from matcher.web.reference.limits import limited

_WELL_KNOWN: Final[dict[str, dict[str, Any]]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Names of fields, separated by commas."},
    "google.protobuf.Empty": {"type": "object", "additionalProperties": False},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
}
_SCALARS: Final[dict[int, dict[str, Any]]] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: {"type": ["string", "integer"], "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": ["string", "integer"], "format": "uint64"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}


class _Schemas:
    """The schemas of the messages and enums that were asked for, each made once."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}

    def of(self, descriptor: Descriptor) -> dict[str, Any]:
        """Return a reference to a message's schema, or the schema of a well-known message."""
        if descriptor.full_name in _WELL_KNOWN:
            return _WELL_KNOWN[descriptor.full_name]
        name = _name(descriptor)
        if name not in self.made:
            made = self.made[name] = {"type": "object", **described(descriptor)}
            made["properties"] = {field.json_name: self.commented(field) for field in descriptor.fields}
            made["additionalProperties"] = False
            required = [field.json_name for field in descriptor.fields if _is(field, field_behavior_pb2.REQUIRED)]
            if required and not descriptor.name.endswith("Request"):  # a part of a batch has its own answer
                made["required"] = required
        return {"$ref": f"#/components/schemas/{name}"}

    def commented(self, field: FieldDescriptor) -> dict[str, Any]:
        """Return the schema of a field's value with the field's comment."""
        return self.of_field(field) | described(field)

    def of_field(self, field: FieldDescriptor) -> dict[str, Any]:
        """Return the schema of a field's value."""
        inner: Descriptor | None = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            values = {"type": "object", "additionalProperties": self.of_field(inner.fields_by_name["value"])}
            return limited(field, values)
        if inner is not None:
            one = self.of(inner)
        elif field.enum_type is not None:
            one = self._of_enum(field.enum_type)
        else:
            one = _SCALARS[field.cpp_type]
        schema = limited(field, {"type": "array", "items": one} if field.is_repeated else dict(one))
        return schema | {"readOnly": True} if _is(field, field_behavior_pb2.OUTPUT_ONLY) else schema

    def _of_enum(self, enum: EnumDescriptor) -> dict[str, Any]:
        if _name(enum) not in self.made:
            sentences = [str(described(enum).get("description", ""))]
            sentences += [f"- {one.name}: {described(enum, one.name).get('description', '')}" for one in enum.values]
            self.made[_name(enum)] = {
                "type": "string",
                "enum": [value.name for value in enum.values],
                "description": "\n".join(sentences).strip(),
            }
        return {"$ref": f"#/components/schemas/{_name(enum)}"}


def document(table: Table) -> dict[str, Any]:
    """Return the description: a path for each binding, and the schemas of all messages."""
    schemas, named = _Schemas(), set[str]()
    paths: dict[str, dict[str, Any]] = {}
    for binding in table.bindings:
        path, parameters = _path_of(binding)
        operation = _operation(binding, parameters, schemas)
        if operation["operationId"] in named:  # a second way to the same method
            operation["operationId"] += f"_{binding.verb.lower()}"
        named.add(operation["operationId"])
        paths.setdefault(path, {})[binding.verb.lower()] = operation
    schemas.of(status_pb2.Status.DESCRIPTOR)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Affinity Matcher",
            "version": metadata.version("affinity-matcher"),
            "description": "The gRPC API over HTTP and JSON. Every method also takes POST /package.Service/Method.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.made,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "failed": {
                    "description": "Why the call failed: a google.rpc.Status with its details.",
                    "content": {"application/json": {"schema": schemas.of(status_pb2.Status.DESCRIPTOR)}},
                }
            },
        },
        "security": [{"bearer": []}, {}],
        "tags": [{"name": service.name, **described(service)} for service in _services(table)],
    }


def _services(table: Table) -> list[ServiceDescriptor]:
    """Return the services in the order of their first method."""
    found = {
        method.descriptor.containing_service.name: method.descriptor.containing_service
        for method in table.methods.values()
    }
    return list(found.values())


def _operation(binding: Binding, parameters: list[dict[str, Any]], schemas: _Schemas) -> dict[str, Any]:
    method = binding.method
    given = {variable.field for variable in binding.template.variables}
    request: Descriptor = method.descriptor.input_type
    kind = "text/event-stream" if method.streams else "application/json"
    operation: dict[str, Any] = {
        "operationId": f"{method.descriptor.containing_service.name}_{method.name}",
        "tags": [method.descriptor.containing_service.name],
        "summary": summary(method.descriptor) or method.name,
        **described(method.descriptor),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The answers, each as the data of an event." if method.streams else "The answer.",
                "content": {kind: {"schema": schemas.of(method.descriptor.output_type)}},
            },
            "default": {"$ref": "#/components/responses/failed"},
        },
    }
    if method.descriptor.GetOptions().deprecated:
        operation["deprecated"] = True
    if binding.body == "*":
        body: dict[str, Any] = {
            "type": "object",
            "properties": {
                field.json_name: schemas.commented(field) for field in request.fields if field.name not in given
            },
            "additionalProperties": False,
        }
        if required := [
            field.json_name
            for field in request.fields
            if field.name not in given and _is(field, field_behavior_pb2.REQUIRED)
        ]:
            body["required"] = required
    elif binding.body:
        body = schemas.of_field(request.fields_by_name[binding.body])
    if binding.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if binding.body != "*":
        parameters.extend(_query_of(request, given | {binding.body}, schemas))
    return operation


def _path_of(binding: Binding) -> tuple[str, list[dict[str, Any]]]:
    """Return a template as OpenAPI writes it, with a parameter for each "*", named for the collection before it."""
    parameters: list[dict[str, Any]] = []
    segments: list[str] = []
    for segment in binding.template.segments:
        if segment is not None:
            segments.append(segment)
            continue
        name = segments[-1].removesuffix("s")
        segments.append(f"{{{name}}}")
        parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}})
    verb = f":{binding.template.verb}" if binding.template.verb else ""
    return "/" + "/".join(segments) + verb, parameters


def _query_of(request: Descriptor, given: set[str], schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for field in request.fields:
        inner: Descriptor | None = field.message_type
        if field.name in given or any(name.startswith(f"{field.name}.") for name in given):
            continue
        if inner is None or is_well_known(inner):
            yield {
                "name": field.json_name,
                "in": "query",
                "required": _is(field, field_behavior_pb2.REQUIRED),
                "schema": schemas.of_field(field),
                **described(field),
            }


def _is(field: FieldDescriptor, behavior: int) -> bool:
    return behavior in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _name(descriptor: Descriptor | EnumDescriptor) -> str:
    return str(descriptor.full_name).removeprefix("matcher.v1.").removeprefix("google.rpc.")
