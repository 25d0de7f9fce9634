"""Comments of the protos, which descriptors do not have: the generated stubs have them as docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, TypeGuard

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

PACKAGE: Final = "matcher.v1"

Commented = Descriptor | EnumDescriptor | FieldDescriptor | MethodDescriptor | ServiceDescriptor


def described(one: Commented, member: str = "") -> dict[str, Any]:
    """Return the comment above a part of the protos as OpenAPI has it; member: a value of an enum. {}: no comment."""
    text = _comments().get(f"{one.full_name}.{member}" if member else one.full_name, "")
    return {"description": text} if text else {}


def summary(one: Commented) -> str:
    """Return the first sentence of a comment, without its full stop; "" for none."""
    text = str(described(one).get("description", ""))
    first = text.partition(". ")[0].partition(": ")[0]
    return first.rstrip(".")


@cache
def _comments() -> Mapping[str, str]:
    """Return every comment by the full name of what it describes; to read all stubs takes a tenth of a second."""
    stubs = [file for file in resources.files(PACKAGE).iterdir() if file.name.endswith(".pyi")]
    return {name: text for stub in stubs for name, text in _of(ast.parse(stub.read_text("utf-8")).body, PACKAGE)}


def _of(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for one, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(one, ast.ClassDef):
            name = f"{prefix}.{_proto_name(one.name)}"
            yield from _docstring(name, one)
            yield from _of(one.body, name)
        elif isinstance(one, ast.FunctionDef):
            yield from _docstring(f"{prefix}.{one.name}", one)
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and _is_text(following):
            yield f"{prefix}.{one.target.id}", " ".join(ast.literal_eval(following.value).split())


def _is_text(one: ast.stmt | None) -> TypeGuard[ast.Expr]:
    return isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)


def _docstring(name: str, one: ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, str]]:
    if text := ast.get_docstring(one):
        yield name, " ".join(text.split())


def _proto_name(name: str) -> str:
    """Return the name in the proto of a class in a stub: an enum's values stand in a wrapper, methods in a "Stub"."""
    if name.endswith("EnumTypeWrapper"):
        return name.removeprefix("_").removesuffix("EnumTypeWrapper")
    return name.removesuffix("Stub")
