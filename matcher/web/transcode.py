"""The request of a call, made of what HTTP gives: the path, the parameters and the body, which must agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from matcher.web.bindings import Binding, Method
from matcher.web.faults import Violation, fields_invalid, malformed
from matcher.web.json_shape import field_of, fill, is_well_known

MOST_PARAMETERS: Final = 100
MOST_PARTS: Final = 200_000
"""Objects and lists of a body; Python needs 64 bytes or more for each, and 32 MiB could hold eleven million."""
MOST_VALUES: Final = 4_000_000
"""Values of a body, counted by the commas."""
TRUTHS: Final[Mapping[str, bool]] = {"true": True, "false": False}


def request_of(binding: Binding, path: Mapping[str, str], query: str, body: bytes) -> Message:
    """Return the request that an HTTP request of a binding means. Raises Fault.

    path: the fields that the path gives. query: the parameters, still encoded. body: JSON, or nothing.
    """
    request = binding.method.request()
    document = document_of(binding.method, body) if binding.body else {}
    if binding.body == "*":
        fill(request, document)
    elif binding.body:
        fill(getattr(request, binding.body), document, f"{binding.body}.")
        getattr(request, binding.body).SetInParent()
    given = parameters_of(binding, path, query)
    if given:
        asked = binding.method.request()
        fill(asked, given)
        request.MergeFrom(asked)
    for field, value in path.items():
        _set(request, field, value)
    return request


def whole_request(method: Method, body: bytes) -> Message:
    """Return the request of which the body is all there is. Raises Fault."""
    request = method.request()
    fill(request, document_of(method, body))
    return request


def answer_text(answer: Message) -> str:
    """Return an answer as JSON on one line, in ASCII."""
    return MessageToJson(answer, indent=None)


def document_of(method: Method, body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; nothing at all is an empty object. Raises Fault."""
    if not body.strip():
        return {}
    if body.count(b"{") + body.count(b"[") > MOST_PARTS or body.count(b",") > MOST_VALUES:
        raise malformed(method.path, f"the body has more than {MOST_PARTS} objects and lists, or {MOST_VALUES} values")
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise malformed(method.path, "the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise malformed(method.path, f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _NotTaken) else "it is too deep, or a number of it too long"
        raise malformed(method.path, f"the body is not taken: {why}") from None
    if not isinstance(document, dict):
        raise malformed(method.path, "the body is not a JSON object")
    return document


def parameters_of(binding: Binding, path: Iterable[str], query: str) -> dict[str, Any]:
    """Return the parameters of a query as a JSON document of the request. Raises Fault, which names the wrong ones."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        raise fields_invalid(
            [
                Violation(
                    "query", f"is not of the form name=value&name=value in UTF-8, at most {MOST_PARAMETERS} of them"
                )
            ]
        ) from None
    taken = set(path) | ({binding.body} if binding.body else set())
    document: dict[str, Any] = {}
    for name, value in pairs:
        why = (
            "belongs in the body"
            if binding.body == "*"
            else _put(document, binding.method, name.split("."), value, taken)
        )
        if why:
            raise fields_invalid([Violation(name[:128], why)])
    return document


def _put(document: dict[str, Any], method: Method, names: Sequence[str], value: str, taken: set[str]) -> str:
    """Put a parameter into the document; return why that cannot be, or ""."""
    descriptor: Descriptor | None = method.descriptor.input_type
    at, path = document, []
    for number, name in enumerate(names):
        field = field_of(descriptor, name) if descriptor is not None else None
        if field is None:
            return "is no parameter of this method"
        path.append(field.name)
        if ".".join(path) in taken:
            return "is given by the path or the body"
        inner: Descriptor | None = field.message_type
        last = number == len(names) - 1
        if inner is None or is_well_known(inner):
            return _put_value(at, field, value) if last else "is no parameter of this method"
        if last or field.is_repeated:
            return "holds more than a parameter can"
        at = at.setdefault(field.name, {})
        descriptor = inner
    return "is no parameter of this method"


def _put_value(at: dict[str, Any], field: FieldDescriptor, value: str) -> str:
    read: str | bool = value
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if value not in TRUTHS:
            return "is not true or false"
        read = TRUTHS[value]
    if field.is_repeated:
        at.setdefault(field.name, []).append(read)
    elif field.name in at:
        return "is given twice"
    else:
        at[field.name] = read
    return ""


def _set(request: Message, field: str, value: str) -> None:
    """Set a field to what the path gives. Raises Fault where the body gives another value."""
    *outer, name = field.split(".")
    message = request
    for part in outer:
        message = getattr(message, part)
    if getattr(message, name) not in ("", value):
        raise fields_invalid([Violation(field, "is another one in the body than in the path")])
    setattr(message, name, value)


class _NotTaken(ValueError):
    """JSON that other readers would read otherwise."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _NotTaken("a name is given twice in one object")
    return document


def _no_number(name: str) -> float:
    raise _NotTaken(f"{name} is no number of JSON")
