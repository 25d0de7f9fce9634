"""Generator of matcher/v1 from the protos; `make proto` runs it: `python proto/generate.py FOLDER`.

The limits that the protos annotate with buf.validate are documentation, not code: the generated modules are made from
protos without them, so that the service needs no module of buf.validate. OpenAPI describes the limits, in
matcher/web/reference/field_limits.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.api import annotations_pb2, field_behavior_pb2  # noqa: F401  # their options are known, and so kept
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_tools import protoc

PROTOS: Final = Path(__file__).parent
RULES: Final = "buf/validate/validate.proto"
LIMITS: Final = Path("matcher/web/reference/field_limits.json")
_KINDS: Final = ("python", "grpc_python", "mypy", "mypy_grpc")
_BOUNDS: Final = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_SAID: Final = {
    "int32": _BOUNDS,
    "double": _BOUNDS | {"not_in": "not"},
    "bool": {"const": "const"},
    "string": {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "in": "enum", "not_in": "not"},
    "repeated": {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"},
    "map": {"max_pairs": "maxProperties"},
}
"""By the kind of a field: its rules, and the words of JSON Schema for them."""
_WITHIN: Final = {"items": "items", "keys": "propertyNames"}
_UNSAID_IN_ECMA: Final = r"\p{"
"""Classes of Unicode, which the patterns of JSON Schema need a flag for; the length is described nevertheless."""


def main(folder: Path) -> None:
    """Write the modules of all protos, and what OpenAPI says of their limits, below a folder."""
    names = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / "matcher").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as made:
        annotated, bare = Path(made, "annotated.binpb"), Path(made, "bare.binpb")
        includes = [f"-I{PROTOS}", f"-I{PROTOS / 'third_party'}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
        _run([*includes, "--include_imports", "--include_source_info", f"--descriptor_set_out={annotated}", *names])
        files = descriptor_pb2.FileDescriptorSet.FromString(annotated.read_bytes())
        limits = json.dumps(limits_of(files), indent=1, sort_keys=True, ensure_ascii=False)
        bare.write_bytes(_without_rules(files).SerializeToString())
        quiet = {kind: "quiet:" if kind.startswith("mypy") else "" for kind in _KINDS}
        outputs = [f"--{kind}_out={quiet[kind]}{folder}" for kind in _KINDS]
        _run([f"--descriptor_set_in={bare}", *outputs, *names])
    out = folder / LIMITS
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(limits + "\n", "utf-8")


def limits_of(files: descriptor_pb2.FileDescriptorSet) -> dict[str, dict[str, Any]]:
    """Return what JSON Schema says of each annotated field, by its full name."""
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    read = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    rules = pool.FindExtensionByName("buf.validate.field")
    found: dict[str, dict[str, Any]] = {}
    for file in files.file:
        for name, message in _messages(f"{file.package}.", file.message_type):
            for field in message.field:
                options: Any = read.FromString(field.options.SerializeToString())
                if options.HasExtension(rules) and (schema := _schema(options.Extensions[rules])):
                    found[f"{name}.{field.name}"] = schema
    return found


def _messages(prefix: str, messages: Any) -> Iterator[tuple[str, descriptor_pb2.DescriptorProto]]:
    for message in messages:
        yield prefix + message.name, message
        yield from _messages(f"{prefix}{message.name}.", message.nested_type)


def _schema(rules: Any) -> dict[str, Any]:
    """Return the schema of one field's rules; what JSON Schema cannot say of them is left out."""
    kind = rules.WhichOneof("type")
    said: dict[str, Any] = {}
    for field, value in getattr(rules, kind).ListFields() if kind in _SAID else ():
        name = _SAID[kind].get(field.name)
        if field.name in _WITHIN:
            said[_WITHIN[field.name]] = _schema(value)
        elif name == "pattern":
            said |= {} if _UNSAID_IN_ECMA in value else {name: f"^$|{value}" if rules.ignore else value}
        elif name == "not":
            said[name] = {"enum": list(value)}
        elif name is not None:
            said[name] = list(value) if name == "enum" else value
    return {name: value for name, value in said.items() if value != {}}


def _without_rules(files: descriptor_pb2.FileDescriptorSet) -> descriptor_pb2.FileDescriptorSet:
    """Return the same files without buf.validate, whose options this process does not know by themselves."""
    bare = descriptor_pb2.FileDescriptorSet()
    for file in files.file:
        if not file.name.startswith("buf/"):
            bare.file.add().CopyFrom(file)
            _strip(bare.file[-1])
            dependencies = [name for name in file.dependency if name != RULES]
            del bare.file[-1].dependency[:]
            bare.file[-1].dependency.extend(dependencies)
    return bare


def _strip(message: Message) -> None:
    """Drop the options that this process does not know, and what protoc writes into a set but not into a module."""
    message.DiscardUnknownFields()
    for field, value in message.ListFields():
        if field.name == "json_name" or (field.name == "options" and not value.ByteSize()):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                _strip(inner)


def _run(arguments: list[str]) -> None:
    if protoc.main(["protoc", *arguments]):
        sys.exit("protoc failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
