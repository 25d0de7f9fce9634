"""The limits that the protos annotate, judged by protovalidate: the oracle of the service's own validation.

The modules of the service do not hold the annotations, so the protos are compiled into a pool of their own here.
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc_tools import protoc

PROTO: Final = Path(__file__).parents[2] / "proto"


@cache
def _oracle() -> tuple[Any, descriptor_pool.DescriptorPool]:
    """Return protovalidate's validator and the pool of the annotated protos."""
    folder = Path(tempfile.mkdtemp(prefix="annotations-"))
    annotated = folder / "annotated.binpb"
    includes = [f"-I{PROTO}", f"-I{PROTO / 'third_party'}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    names = [path.relative_to(PROTO).as_posix() for path in sorted((PROTO / "matcher").rglob("*.proto"))]
    made = ["--include_imports", f"--descriptor_set_out={annotated}", f"--python_out={folder}"]
    assert protoc.main(["protoc", *includes, *made[:2], *names]) == 0
    assert protoc.main(["protoc", *includes, made[2], "buf/validate/validate.proto"]) == 0
    sys.path.insert(0, str(folder))  # protovalidate imports buf.validate, which no package of PyPI has
    import protovalidate

    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(annotated.read_bytes()).file:
        pool.Add(file)
    return protovalidate.Validator(), pool  # type: ignore[no-untyped-call]


def refused(request: Message) -> set[str]:
    """Return the paths of the fields of a request that the annotations refuse."""
    validator, pool = _oracle()
    shape = pool.FindMessageTypeByName(request.DESCRIPTOR.full_name)
    annotated = message_factory.GetMessageClass(shape).FromString(request.SerializeToString())
    return {_path(violation.proto.field) for violation in validator.collect_violations(annotated)}


def rules_of(field: FieldDescriptor) -> Any:
    """Return the annotated rules of a field of the service's own descriptors; None where it has none."""
    _, pool = _oracle()
    from buf.validate import validate_pb2

    options = pool.FindFieldByName(field.full_name).GetOptions()
    return options.Extensions[validate_pb2.field] if options.HasExtension(validate_pb2.field) else None


def _path(path: Any) -> str:
    """Return a path as the service writes it: message.required_skills[1].skill."""
    parts = []
    for element in path.elements:
        subscript = element.WhichOneof("subscript")
        index = "" if subscript is None else f"[{getattr(element, subscript)}]"
        parts.append(f"{element.field_name}{index}")
    return ".".join(parts)
