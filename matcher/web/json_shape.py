"""The shape of a JSON document beside the message that it should become: names that exist, objects where they belong.

json_format itself takes `[]` for an empty message and two spellings of one field, and names a field without its path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from matcher.web.faults import Fault, Violation, fields_invalid

DEEPEST: Final = 20
"""Objects within objects; the requests of the service have five."""
MOST_VIOLATIONS: Final = 20
_FIELD: Final = re.compile(r"Failed to parse (\w+) field: ")


def fill(message: Message, document: dict[str, Any], prefix: str = "") -> None:
    """Set the fields of a message to the values of a JSON document. Raises Fault, which names the wrong fields.

    prefix: the path of the message within the request, with its "." at the end, or "".
    """
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    wrong = []
    for violation in _violations(document, descriptor, prefix, 0):
        wrong.append(violation)
        if len(wrong) == MOST_VIOLATIONS:
            break
    if wrong:
        raise fields_invalid(wrong)
    try:
        ParseDict(document, message)
    except (ParseError, ValueError) as error:
        raise _fault_of(str(error), descriptor, prefix) from None


def field_of(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """Return a field by its name in the proto or in JSON; None for none."""
    field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
    return field if field is not None and name in (field.name, field.json_name) else None


def is_well_known(descriptor: Descriptor) -> bool:
    """Return whether a message is written in JSON otherwise than as its fields: a time, a duration, a mask."""
    return str(descriptor.full_name).startswith("google.protobuf.")


def _violations(document: Mapping[str, Any], descriptor: Descriptor, prefix: str, depth: int) -> Iterator[Violation]:
    if depth > DEEPEST:
        yield Violation(prefix.rstrip("."), f"is nested deeper than {DEEPEST}")
        return
    seen: set[str] = set()
    for name, value in document.items():
        field = field_of(descriptor, name)
        if field is None:
            yield Violation(f"{prefix}{name[:64]}", "is no field of this request")
            continue
        path = f"{prefix}{field.name}"
        if field.name in seen:
            yield Violation(path, "is given twice, as written in the proto and as in JSON")
        seen.add(field.name)
        yield from _of_value(field, value, path, depth)


def _of_value(field: FieldDescriptor, value: object, path: str, depth: int) -> Iterator[Violation]:
    inner: Descriptor | None = field.message_type
    if value is None:
        return
    if inner is None or is_well_known(inner):
        if any(
            isinstance(text, str) and _is_lax(field, text) for text in (value if isinstance(value, list) else [value])
        ):
            yield Violation(path, _expected_of(field))
        return
    if inner.GetOptions().map_entry:
        if not isinstance(value, dict):
            yield Violation(path, "is not an object")
            return
        for name, item in value.items():
            yield from _of_value(inner.fields_by_name["value"], item, f"{path}[{name[:64]}]", depth)
    elif not field.is_repeated:
        yield from _of_object(value, inner, path, depth)
    elif not isinstance(value, list):
        yield Violation(path, "is not a list")
    else:
        for number, item in enumerate(value):
            yield from _of_object(item, inner, f"{path}[{number}]", depth)


def _is_lax(field: FieldDescriptor, text: str) -> bool:
    """Return whether json_format would read a number, a duration or a time that JSON's own readers do not.

    It reads texts by Python's int and float, which take the digits of every script, "1_000" and " 1".
    """
    if field.enum_type is not None:
        return not text.isascii()
    timed = field.message_type is not None and field.message_type.name in _TIMES
    if not timed and field.cpp_type not in _NUMBERS | _FRACTIONS:
        return False
    return not text.isascii() or "_" in text or text != text.strip()


def _of_object(value: object, descriptor: Descriptor, path: str, depth: int) -> Iterator[Violation]:
    if isinstance(value, dict):
        yield from _violations(value, descriptor, f"{path}.", depth + 1)
    else:
        yield Violation(path, "is not an object")


def _fault_of(text: str, descriptor: Descriptor, prefix: str) -> Fault:
    """Return the fault of what json_format says: the field's path, and the sentence without the value."""
    names, at = [], 0
    inner: Descriptor | None = descriptor
    while found := _FIELD.match(text, at):
        field = field_of(inner, found[1]) if inner is not None else None
        names.append(field.name if field is not None else found[1])
        inner = field.message_type if field is not None else None
        at = found.end()
    if not names:
        return fields_invalid([Violation(prefix.rstrip(".") or "*", "cannot be read")])
    return fields_invalid([Violation(prefix + ".".join(names), _expected(descriptor, names))])


_TIMES: Final = {"Duration": 'a duration, such as "90s"', "Timestamp": 'a time, such as "2026-01-31T12:00:00Z"'}
_FRACTIONS: Final = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
_NUMBERS: Final = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


def _expected(descriptor: Descriptor, names: list[str]) -> str:
    field: FieldDescriptor | None = None
    inner: Descriptor | None = descriptor
    for name in names:
        field = inner.fields_by_name.get(name) if inner is not None else None
        inner = field.message_type if field is not None else None
    return "cannot be read" if field is None else _expected_of(field)


def _expected_of(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        one = _TIMES.get(field.message_type.name, "a text of names, separated by commas")
    elif field.enum_type is not None:
        values = [value.name for value in field.enum_type.values if value.number]
        one = f"one of {', '.join(values[:24])}"
    elif field.cpp_type in _NUMBERS:
        one = "a whole number"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        one = "true or false"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        one = "a text"
    else:
        one = "a number"
    return f"is not a list of {one}" if field.is_repeated else f"is not {one}"
