"""Requests made at random from the descriptors: mostly of the right form, with hostile values among them."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from tests.auth.guarded import message_class

DEEPEST: Final = 4
NAMES: Final = (
    "sites/default",
    "sites/default/agents/a1",
    "sites/default/agents/maya",
    "sites/default/pools/default",
    "sites/default/contacts/c-1",
    "sites/default/reservations/r",
    "sites/default/decisions/d",
    "sites/default/customers/u",
    "sites/default/keys/k",
    "sites/-",
    "sites/gone/agents/a1",
    "a1",
    "c-1",
    "default",
    "crm",
    "anna@example.com",
)
HOSTILE: Final = (
    *("", " ", "\x00", "\n", "\r\n", "sites/", "sites//agents/", "/", "..", "*", "%00", "\ufeff", "\u202e", "\ud7ff"),
    *(
        "\U0010ffff",
        "e\u0301" * 40,
        "\ufdfa" * 30,
        "👩\u200d👩",
        "\U0001d7d9",
        "٣",
        "ﬀ",
        "İ",
        "ß",
        "-",
        "0",
        "-1",
        "1e999",
        "nan",
    ),
    *("{}", "[]", "null", "'", '"', "\\", "${x}", "a" * 129, "a" * 513, "a|b|c", ";chat=1/1;", "2026-02-30", "zz-ZZ"),
    *("My shoes have a hole.", "<p>bees</p>", "> quoted", "en", "German, English", "chat", "text/html", "text/plain"),
    *("YWdlbnRzL2Ex", "Y29udGFjdHMv", "ZXZlbnRzLw==", "YWdlbnRzLw", "cmVzZXJ2YXRpb25zLzF8YQ=="),
)
NUMBERS: Final = (0, 1, 2, 5, 50, 100, 1_000, -1, 2**31 - 1, -(2**31))
LARGE: Final = (*NUMBERS, 2**53, 2**63 - 1, -(2**63), 253_402_300_800)
REALS: Final = (0.0, 0.5, 1.0, -0.0, -1.0, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
_FEW: Final[tuple[tuple[set[int], tuple[float, ...]], ...]] = (
    ({FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}, REALS),
    ({FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32}, NUMBERS),
    ({FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED32}, (0, 1, 2**32 - 1)),
)
"""The numbers of each kind of field; other kinds take the large ones."""


def made(descriptor: Any, random: Random, depth: int = 0) -> Any:
    """Return a message of a type, with some of its fields set."""
    message = message_class(descriptor)()
    share = random.choice((0.2, 0.6, 0.95))
    for field in descriptor.fields:
        if random.random() < share:
            _fill(message, field, random, depth)
    return message


def _fill(message: Any, field: FieldDescriptor, random: Random, depth: int) -> None:
    kind = field.message_type
    if kind is not None and depth >= DEEPEST:
        return
    if kind is not None and kind.GetOptions().map_entry:
        for _ in range(random.randint(0, 3)):
            entry = made(kind, random, depth + 1)
            getattr(message, field.name)[entry.key] = entry.value
    elif field.is_repeated:
        count = random.choice((0, 1, 1, 2, 3, 20))
        values = getattr(message, field.name)
        for _ in range(count):
            values.append(made(kind, random, depth + 1) if kind is not None else scalar(field, random))
    elif kind is not None:
        getattr(message, field.name).CopyFrom(made(kind, random, depth + 1))
    else:
        setattr(message, field.name, scalar(field, random))


def scalar(field: FieldDescriptor, random: Random) -> Any:
    """Return a value of a field that holds one."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        return text(random)
    if kind == FieldDescriptor.TYPE_BYTES:
        return random.randbytes(random.randint(0, 20))
    if kind == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.enum_type is not None:
        return random.choice((*field.enum_type.values_by_number, 99, -1))
    return random.choice(next((few for kinds, few in _FEW if kind in kinds), LARGE))


def text(random: Random) -> str:
    """Return a name, a hostile text, or some of them joined."""
    kind = random.random()
    if kind < 0.45:
        return random.choice(NAMES)
    if kind < 0.85:
        return random.choice(HOSTILE)
    if kind < 0.95:
        return "".join(random.choice((*NAMES, *HOSTILE)) for _ in range(random.randint(2, 4)))
    return "".join(chr(random.choice((random.randint(1, 127), random.randint(128, 0xD7FF)))) for _ in range(9))


def mutated(body: bytes, random: Random) -> bytes:
    """Return bytes with some of them changed, removed, doubled or cut off."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        what = random.randrange(5)
        if what == 0 or not changed:
            changed[at:at] = random.randbytes(random.randint(1, 6))
        elif what == 1:
            changed[at : at + 1] = bytes((random.choice((0, 0x7F, 0x80, 0xFF, random.randrange(256))),))
        elif what == 2:
            del changed[at : at + random.randint(1, 8)]
        elif what == 3:
            changed[at:at] = changed[max(0, at - 12) : at]
        else:
            del changed[at:]
    return bytes(changed)
