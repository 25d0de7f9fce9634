"""The rows of a roster file in any format: converts a record of plain values to an agent, or lists its violations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from matcher.client import Violation
from matcher.files.misread_text import misreading
from matcher.v1 import roster_pb2 as pb

Value = TypeVar("Value")

FIELDS = ("id", "display_name", "interests", "skills", "languages", "capacity", "pools", "manager", "status")
"""The fields of a record; all but `id` may be missing. A new agent needs `interests`."""
WHOLE_FIELDS = frozenset({"display_name", "interests", "skills", "languages", "pools", "manager"})
STATUSES = ("ONLINE", "DRAINING", "OFFLINE", "AWAY")

NOT_UTF8 = "is not UTF-8"
INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True, slots=True)
class GoodRow:
    """An agent of a roster file.

    line: from 1, of an array the number of the entry. fields: what the row changes of an agent who exists. misread: the
    texts that look as if they were decoded wrongly.
    """

    line: int
    agent_id: str
    agent: pb.Agent
    fields: frozenset[str]
    misread: tuple[Violation, ...] = ()

    @property
    def row(self) -> pb.ImportRow:
        """The row as a message of the API."""
        # A mask without a path means every field.
        mask = FieldMask(paths=sorted(self.fields) or ["name"])
        return pb.ImportRow(row=self.line, agent_id=self.agent_id, agent=self.agent, update_mask=mask)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line of a roster file that is not an agent, with all its violations."""

    line: int
    agent_id: str
    violations: tuple[Violation, ...]
    read: GoodRow | None = None
    """The fields that could be read, which the service validates as well."""

    @classmethod
    def of(cls, line: int, field: str, description: str) -> BadRow:
        """Return a bad row with one violation."""
        return cls(line, "", (Violation(field, description),))


Row = GoodRow | BadRow


class _WrongField(Exception):
    def __init__(self, field: str, description: str) -> None:
        super().__init__(field)
        self.violation = Violation(field, description)


def read_record(
    line: int,
    record: Mapping[str, object],
    site: str,
    status: pb.AgentStatus.ValueType,
    violations: Sequence[Violation] = (),
    *,
    with_status: bool = False,
) -> Row:
    """Return the record as an agent of the site, or a BadRow with all values of a wrong type.

    The service validates everything else. status: the agent's status if the record has none. violations:
    those that the caller found in the record. with_status: whether an agent who exists gets the record's status.
    """
    wrong: list[Violation] = list(violations)

    def value_or(read: Callable[[], Value], default: Value) -> Value:
        try:
            return read()
        except _WrongField as error:
            wrong.append(error.violation)
            return default

    agent_id = value_or(lambda: _text(record, "id"), "")
    if "id" not in record:
        wrong.append(Violation("id", "is missing"))
    pools = value_or(lambda: _texts(record, "pools"), list[str]())
    agent = pb.Agent(
        display_name=value_or(lambda: _text(record, "display_name"), ""),
        interests=value_or(lambda: _texts(record, "interests", split_lines=True), list[str]()),
        skills=value_or(lambda: _skills(record), list[pb.Skill]()),
        languages=value_or(lambda: _texts(record, "languages"), list[str]()),
        capacity=value_or(lambda: _capacity(record), None),
        pools=[_pool(pool, site) for pool in pools],
        manager=value_or(lambda: _text(record, "manager"), ""),
        status=value_or(lambda: _status(record, status), status),
    )
    named = {"status"} if with_status and "status" in record else set()
    fields = frozenset(WHOLE_FIELDS & record.keys() | _capacity_fields(record) | named)
    row = GoodRow(line, agent_id, agent, fields, _misread(agent))
    return BadRow(line, agent_id, tuple(wrong), row) if wrong else row


def _pool(pool: str, site: str) -> str:
    return pool if pool.startswith("sites/") else f"sites/{site}/pools/{pool}"


def _text(record: Mapping[str, object], field: str) -> str:
    value = record.get(field)
    return "" if value is None else _checked_text(value, field)


def _checked_text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise _WrongField(field, f"is {_kind(value)}, not a text")
    if halves := [character for character in value if "\ud800" <= character <= "\udfff"]:
        escaped = all("\udc80" <= half <= "\udcff" for half in halves)
        why = NOT_UTF8 if escaped else f"has half of a character (\\u{ord(halves[0]):04x}): write the whole one"
        raise _WrongField(field, why)
    return value


def _texts(record: Mapping[str, object], field: str, *, split_lines: bool = False) -> list[str]:
    value = record.get(field)
    if value is None:
        return []
    if split_lines and isinstance(value, str):
        return [line for line in _checked_text(value, field).split("\n") if line.strip()]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _WrongField(field, f"is {_kind(value)}, not a list")
    return [_checked_text(item, f"{field}[{position}]") for position, item in enumerate(value)]


def _number(value: object, field: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _WrongField(field, f"is {_kind(value)}, not a whole number")
    if value not in INT32:
        raise _WrongField(field, "is out of range")
    return value


def _skills(record: Mapping[str, object]) -> list[pb.Skill]:
    value = record.get("skills")
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise _WrongField("skills", f"is {_kind(value)}, not an object of skills and levels")
    return [
        pb.Skill(skill=_checked_text(skill, "skills"), level=_number(level, f"skills.{skill}"))
        for skill, level in value.items()
    ]


def _capacity(record: Mapping[str, object]) -> pb.Capacity | None:
    value = record.get("capacity")
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping):
        raise _WrongField("capacity", f"is {_kind(value)}, not an object with total and channels")
    unknown = value.keys() - {"total", "channels"}
    if unknown:
        raise _WrongField("capacity", f"has {min(unknown)!r}, which is neither total nor channels")
    channels = value.get("channels", [])
    if not isinstance(channels, Sequence) or isinstance(channels, str):
        raise _WrongField("capacity.channels", f"is {_kind(channels)}, not a list")
    return pb.Capacity(
        total=_number(value.get("total", 0), "capacity.total"),
        channels=[_channel(channel, f"capacity.channels[{position}]") for position, channel in enumerate(channels)],
    )


def _capacity_fields(record: Mapping[str, object]) -> set[str]:
    """Return the fields of the capacity that a record names: the parts that it gives, or all."""
    value = record.get("capacity")
    if "capacity" not in record:
        return set()
    given = {"total", "channels"} & value.keys() if isinstance(value, Mapping) else set()
    return {f"capacity.{part}" for part in given} if len(given) == 1 else {"capacity"}


def _misread(agent: pb.Agent) -> tuple[Violation, ...]:
    texts = [("display_name", agent.display_name)]
    texts += [(f"interests[{place}]", interest) for place, interest in enumerate(agent.interests)]
    return tuple(Violation(field, wrong) for field, text in texts if (wrong := misreading(text)))


def _channel(value: object, field: str) -> pb.ChannelCapacity:
    if not isinstance(value, Mapping):
        raise _WrongField(field, f"is {_kind(value)}, not an object with channel, cost and max")
    return pb.ChannelCapacity(
        channel=_checked_text(value.get("channel", ""), f"{field}.channel"),
        cost=_number(value.get("cost", 0), f"{field}.cost"),
        max=_number(value.get("max", 0), f"{field}.max"),
    )


def _status(record: Mapping[str, object], default: pb.AgentStatus.ValueType) -> pb.AgentStatus.ValueType:
    status = _text(record, "status").strip().upper()
    if not status:
        return default
    if status not in STATUSES:
        raise _WrongField("status", f"is none of {', '.join(STATUSES)}")
    return pb.AgentStatus.Value(status)


def _kind(value: object) -> str:
    kinds = {str: "a text", bool: "a truth value", int: "a number", float: "a number", list: "a list"}
    return "nothing" if value is None else kinds.get(type(value), "an object")
