"""A pool's policy as a form: values as text, a form back as values, and what two editors changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from matcher.v1.roster_pb2 import Pool
from matcher.web.console.policy_fields import FIELDS, Field, Kind

UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds of each unit, the longest first."""
_WORDS: Final = {"day": "d", "days": "d", "hours": "h", "hour": "h", "m": "min", "sec": "s", "": "s"}
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)")
_SPAN: Final = re.compile(r"(?:\d{1,12}(?:\.\d{1,6})?\s*[a-z]*\s*)+")
ON: Final = "1"
LONGEST: Final = 10**13
"""Milliseconds, 300 years: the service says what a field may have at most."""


class NotWritten(Exception):
    """A text that the form cannot read as a value; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field with its value before, what the visitor wants, and what it is now, by another editor."""

    field: Field
    before: str
    mine: str
    theirs: str

    @property
    def is_mine(self) -> bool:
        """Whether the visitor changed it."""
        return self.mine != self.before

    @property
    def is_theirs(self) -> bool:
        """Whether somebody else changed it meanwhile."""
        return self.theirs != self.before

    @property
    def clashes(self) -> bool:
        """Whether both changed it, each otherwise."""
        return self.is_mine and self.is_theirs and self.mine != self.theirs


def values_of(pool: Pool) -> dict[str, str]:
    """Return the policy of a pool as the form shows it: "" where a field is not set."""
    return {field.path: _text(pool, field) for field in FIELDS}


def written(values: Mapping[str, str], paths: frozenset[str]) -> tuple[Pool, dict[str, str]]:
    """Return a pool with the values of some fields, and what is wrong with those that cannot be read."""
    pool, wrong = Pool(), {}
    for field in FIELDS:
        if field.path in paths and values.get(field.path, ""):
            try:
                _put(pool, field, values[field.path])
            except NotWritten as why:
                wrong[field.path] = str(why)
    return pool, wrong


def changes_of(before: Mapping[str, str], mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[Change, ...]:
    """Return the fields that somebody changed, in the order of the form."""
    changes = (
        Change(field, before.get(field.path, ""), mine.get(field.path, ""), theirs.get(field.path, ""))
        for field in FIELDS
    )
    return tuple(change for change in changes if change.is_mine or change.is_theirs)


def span_text(milliseconds: int) -> str:
    """Return a time span as the form writes it: "1 h 30 min", "0 s"."""
    parts = []
    for unit, size in UNITS.items():
        number, milliseconds = divmod(milliseconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"


def milliseconds_of(text: str) -> int:
    """Return a time span in milliseconds. Raises NotWritten."""
    lowered = text.strip().lower()
    if not _SPAN.fullmatch(lowered):
        raise NotWritten("is no time: write 90 s, 15 min, 1 h 30 min or 7 d")
    total = 0.0
    for number, unit in _PART.findall(lowered):
        size = UNITS.get(_WORDS.get(unit, unit))
        if size is None:
            raise NotWritten(f'has no unit "{unit}": write s, min, h or d')
        total += float(number) * size
    if total > LONGEST:
        raise NotWritten("is longer than any time that a pool may have")
    return round(total)


def _text(pool: Pool, field: Field) -> str:
    holder, name = _place(pool, field)
    value = getattr(holder, name)
    match field.kind:
        case Kind.SPAN:
            return span_text(value.ToMilliseconds()) if holder.HasField(name) else ""
        case Kind.SWITCH:
            return ON if value else ""
        case Kind.LINES:
            return "\n".join(value)
        case Kind.TEXT:
            return str(value)
        case _:
            given = holder.HasField(name) if holder.DESCRIPTOR.fields_by_name[name].has_presence else bool(value)
            return (str(value) if isinstance(value, int) else f"{value:.12g}") if given else ""


def _put(pool: Pool, field: Field, text: str) -> None:
    holder, name = _place(pool, field)
    match field.kind:
        case Kind.SPAN:
            span = Duration()
            span.FromMilliseconds(milliseconds_of(text))
            getattr(holder, name).CopyFrom(span)
        case Kind.LINES:
            getattr(holder, name).extend(line.strip() for line in text.splitlines() if line.strip())
        case Kind.SWITCH:
            setattr(holder, name, text == ON)
        case Kind.TEXT:
            setattr(holder, name, text)
        case _:
            setattr(holder, name, _number(field, text))


def _number(field: Field, text: str) -> float | int:
    try:
        return float(text.replace(",", ".")) if field.kind is Kind.NUMBER else _int32(text)
    except ValueError:
        words = "a number such as 0.4" if field.kind is Kind.NUMBER else "a whole number"
        raise NotWritten(f"must be {words}") from None


def _int32(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**31:
        raise ValueError
    return number


def _place(pool: Pool, field: Field) -> tuple[Any, str]:
    """Return the message that has a field, and its name there."""
    outer, _, inner = field.path.partition(".")
    return (getattr(pool, outer), inner) if inner else (pool, outer)
