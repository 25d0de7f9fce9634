"""Values at the annotated limits of a field, and just beyond them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

Limits = Mapping[str, Any]


def values_of(field: FieldDescriptor, rules: Any, now: Any) -> Iterator[Any]:
    """Yield values at the limits of a field, and just beyond them; None: the field is not set. now: its value."""
    if rules.required:
        yield None
    kind = rules.WhichOneof("type")
    limits = {rule.name: value for rule, value in getattr(rules, kind).ListFields()} if kind else {}
    if kind == "enum":
        known: EnumDescriptor | None = field.enum_type
        yield from {*(known.values_by_number if known is not None else ()), 99}
    elif kind == "repeated":
        yield from (_entries(field, rules, now, count) for count in _counts(limits))
    elif kind is not None:
        yield from _VALUES[kind](limits, now)


def _texts(limits: Limits, now: str) -> Iterator[str]:
    if "in" in limits:
        yield from (*limits["in"], "text/markdown")
        return
    yield from ("", now + " \u0007", *limits.get("not_in", ()))
    if "max_len" in limits:  # a long text of two bytes each would be too large before it is too long
        for count in _around(limits["max_len"]):
            yield ("é" if count < 2_000 else "e") * count
    if "{0,62}" in limits.get("pattern", "") and now:
        short = now[: now.rfind("/") + 1]
        yield from (f"{short}{last}" for last in ("a" * 63, "a" * 200, "A b", "-a", ""))


def _numbers(limits: Limits, step: float) -> Iterator[float]:
    for name, beyond in (("gte", -step), ("gt", 0), ("lte", step), ("lt", 0)):
        if name in limits:
            yield limits[name] + beyond
            yield limits[name] + (step if name == "gt" else -step if name == "lt" else 0)
    yield from limits.get("not_in", ())


def _doubles(limits: Limits, _: float) -> Iterator[float]:
    yield from (*_numbers(limits, 1 / 1024), float("nan"))


def _durations(limits: Limits, _: Duration) -> Iterator[Duration]:
    least, most = limits["gte"], limits["lte"]
    yield from (Duration(seconds=least.seconds - 1), least, most, Duration(seconds=most.seconds + 1))


def _maps(limits: Limits, _: Mapping[str, float]) -> Iterator[dict[str, float]]:
    for count in _around(limits["max_pairs"]):
        yield {f"m{number}": 1.0 for number in range(count)}
    yield from ({"A b": 1.0}, {"m": float("inf")})


_VALUES: Final[dict[str, Callable[[Limits, Any], Iterator[Any]]]] = {
    "string": _texts,
    "int32": lambda limits, _: _numbers(limits, 1),
    "int64": lambda limits, _: _numbers(limits, 1),
    "double": _doubles,
    "bool": lambda *_: iter((True, False)),
    "duration": _durations,
    "timestamp": lambda limits, _: iter((Timestamp(), limits["gte"], limits["lte"])),
    "map": _maps,
}


def _counts(limits: Limits) -> set[int]:
    least = limits.get("min_items", 1)
    return {least - 1, least, *_around(limits["max_items"])}


def _around(most: int) -> tuple[int, int]:
    return most, most + 1


def _entries(field: FieldDescriptor, rules: Any, now: Any, count: int) -> list[Any]:
    if field.message_type is not None:
        return [now[0]] * count if len(now) else []
    if field.enum_type is not None:
        return [1] * count
    pattern = rules.repeated.items.string.pattern
    collection = next((kind for kind in ("/agents/", "/pools/") if kind in pattern), "")
    start = f"sites/default{collection}a" if collection else "sites/a" if "sites/" in pattern else "en-x-a"
    return [f"{start}{number}" for number in range(count)]
