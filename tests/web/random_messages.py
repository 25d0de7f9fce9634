"""Messages of the API with random fields: odd texts, enums, times, masks, lists and maps."""

from __future__ import annotations

import random
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

TEXTS: Final = (
    "",
    "a",
    "Ünïcode é 🎨",
    'quote " and \\ and /',
    "line\nbreak\ttab",
    "<script>&amp;",
    "100%",
    "a,b",
    " x ",
)
FACTS: Final = {
    "google.protobuf.Timestamp": {"seconds": (0, 1, 1_769_860_800, 253_402_300_799), "nanos": (0, 1, 120_000_000)},
    "google.protobuf.Duration": {"seconds": (0, 1, 90, 315_576_000), "nanos": (0, 1_000, 500_000_000)},
}
NUMBERS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (0, 1, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, 0.1, -1.5, 1e300, 1 / 3),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, 0.5, -1.5, 0.75),
    FieldDescriptor.CPPTYPE_BOOL: (True, False),
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
}


def fill(message: M, rng: random.Random, share: float = 0.5, depth: int = 0) -> M:
    """Fill a share of the fields of a message, at most four messages deep; return the message."""
    descriptor: Descriptor = message.DESCRIPTOR  # type: ignore[assignment] # upb's own type has the same attributes
    if descriptor.full_name == "google.protobuf.FieldMask":
        _list(message, "paths").extend(rng.sample(("display_name", "interests", "capacity.total"), rng.randint(1, 3)))
        return message
    if descriptor.full_name in FACTS:
        for name, values in FACTS[descriptor.full_name].items():
            setattr(message, name, rng.choice(values))
        return message
    for field in descriptor.fields:
        if rng.random() < share and not (field.message_type is not None and depth >= 4):
            _fill_field(message, field, rng, share, depth)
    return message


def _fill_field(message: Message, field: FieldDescriptor, rng: random.Random, share: float, depth: int) -> None:
    inner: Descriptor | None = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        _fill_map(_list(message, field.name), inner, rng)
    elif inner is not None and inner.full_name == "google.protobuf.Any":
        return
    elif inner is not None and field.is_repeated:
        for _ in range(rng.randint(1, 2)):
            fill(_list(message, field.name).add(), rng, share, depth + 1)
    elif inner is not None:
        getattr(message, field.name).SetInParent()
        fill(getattr(message, field.name), rng, share, depth + 1)
    elif field.is_repeated:
        _list(message, field.name).extend(value_of(field, rng) for _ in range(rng.randint(1, 3)))
    else:
        setattr(message, field.name, value_of(field, rng))


def _fill_map(entries: Any, entry: Descriptor, rng: random.Random) -> None:
    key = value_of(entry.fields_by_name["key"], rng)
    value = entry.fields_by_name["value"]
    if value.message_type is None:
        entries[key] = value_of(value, rng)
    else:
        entries[key].SetInParent()


def value_of(field: FieldDescriptor, rng: random.Random) -> Any:
    """Return a value of a field that is no message."""
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    return rng.choice(NUMBERS[field.cpp_type])


def _list(message: Message, name: str) -> Any:
    return getattr(message, name)
