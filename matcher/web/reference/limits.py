"""Limits of the fields of requests, which descriptors do not have: `make proto` writes them from the protos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

FILE: Final = "field_limits.json"


def limited(field: FieldDescriptor, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field's value with the field's limits; a schema of its own for what has none."""
    said = _limits().get(field.full_name, {})
    if "items" in said and "$ref" not in schema["items"]:
        said = said | {"items": schema["items"] | said["items"]}
    return schema | said


@cache
def _limits() -> Mapping[str, dict[str, Any]]:
    """Return the limits as JSON Schema by the full names of the fields."""
    limits: Mapping[str, dict[str, Any]] = json.loads(resources.files(__package__).joinpath(FILE).read_text("utf-8"))
    return limits
