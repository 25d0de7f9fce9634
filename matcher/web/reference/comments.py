"""Comments of the protos, which the descriptors of a running program do not have; `make proto` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

FILE: Final = Path(__file__).parent / "comments.json"

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
    comments: dict[str, str] = json.loads(FILE.read_text("utf-8"))
    return comments
