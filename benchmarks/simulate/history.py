"""What the clients of a day saw, call by call: the only thing the checker reads.

Times are seconds since 1970. The clients are one process; the store is on the same machine, so that the times it
states in its answers can be compared with theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import msgspec

from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState


class Ending(StrEnum):
    """How a call ended."""

    OK = "ok"
    REFUSED = "refused"
    """The service said that it does not do it."""
    UNKNOWN = "unknown"
    """No answer: it may have been done."""


class Outcome(StrEnum):
    """What a route or a transfer was answered."""

    HELD = "held"
    QUEUED = "queued"
    UNMATCHED = "unmatched"


class Verb(StrEnum):
    """What a desk does with a reservation."""

    ACCEPT = "accept"
    DECLINE = "decline"
    COMPLETE = "complete"
    CANCEL = "cancel"
    TOUCH = "touch"
    READ = "read"


class PoolTerms(msgspec.Struct, frozen=True, tag="pool"):
    """A pool as the admin made it; durations in seconds, idle 0: never."""

    id: str
    offer: float
    accepted: float
    wait: float
    wait_weight: float
    head_start: float = 0.0
    wrap_up: float = 0.0
    idle: float = 0.0
    relationship_wait: float = 0.0


class Desk(msgspec.Struct, frozen=True, tag="desk"):
    """An agent as the admin made them; channels: cost and most of each, most 0: as many as the total allows."""

    agent: str
    pools: tuple[str, ...]
    total: int
    channels: Mapping[str, tuple[int, int]]
    skills: Mapping[str, int] = {}
    languages: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A reservation as an answer showed it."""

    reservation: str
    agent: str
    contact: str
    pool: str
    channel: str
    cost: int
    state: ReservationState
    fence: int
    created: float
    expires: float


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a call: when it was made, when its answer or its failure was there, and which."""

    began: float
    ended: float
    ending: Ending = Ending.OK
    reason: str = ""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact requires; the second of a skill's pair is how long it is required, 0: always.

    kept: how long it may be kept for an agent it prefers.
    """

    pool: str
    channel: str
    skills: Mapping[str, tuple[int, float]] = {}
    language: str = ""
    excluded: tuple[str, ...] = ()
    only: str = ""
    kept: float = 0.0


class Routed(Call, frozen=True, kw_only=True, tag="routed"):
    """A RouteMessage. wait: how long it may, 0: not. contact: as answered, or as asked where there is no answer."""

    request: str
    wish: Wish
    contact: str = ""
    customer: str = ""
    wait: float = 0.0
    auto_accept: bool = False
    outcome: Outcome | None = None
    held: Held | None = None
    affinity: float | None = None
    replayed: bool = False


class Transferred(Call, frozen=True, kw_only=True, tag="transferred"):
    """A TransferContact, of the reservation `old`."""

    request: str
    contact: str
    old: str
    wish: Wish
    wait: float = 0.0
    outcome: Outcome | None = None
    held: Held | None = None
    affinity: float | None = None
    replayed: bool = False


class Answered(Call, frozen=True, kw_only=True, tag="answered"):
    """What a desk did with a reservation; again: it may come to this agent again after a decline."""

    verb: Verb
    reservation: str
    held: Held | None = None
    again: bool = False


class Weighed(Call, frozen=True, kw_only=True, tag="weighed"):
    """A decision's record as a desk read it: the affinity of the agent it held, where it was by affinity."""

    reservation: str
    affinity: float | None = None


class Declared(Call, frozen=True, kw_only=True, tag="declared"):
    """An agent's status as declared."""

    agent: str
    status: AgentStatus


class GaveUp(Call, frozen=True, kw_only=True, tag="gave up"):
    """A customer's contact is canceled."""

    contact: str


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag="stepped"):
    """A step of a contact as a stream told it: at which time of the store, and when it was heard."""

    contact: str
    sequence: int
    state: ContactState
    cause: Cause
    reservation: str
    agent: str
    pool: str
    at: float
    heard: float


class FoundContact(Call, frozen=True, kw_only=True, tag="found contact"):
    """A contact as it was read when the day was over; state None: nobody knows it."""

    contact: str
    state: ContactState | None
    cause: Cause | None = None


class FoundDesk(Call, frozen=True, kw_only=True, tag="found desk"):
    """An agent as read when everything was over."""

    agent: str
    load: int
    holds: int


class Probed(msgspec.Struct, frozen=True, kw_only=True, tag="probed"):
    """How many contacts of a channel an agent took at once when the day was over."""

    agent: str
    channel: str
    taken: int


class Outage(msgspec.Struct, frozen=True, kw_only=True, tag="outage"):
    """Something was killed, and was back: `what` is "replica" or "store"."""

    what: str
    began: float
    ended: float


Record: TypeAlias = (
    PoolTerms
    | Desk
    | Routed
    | Transferred
    | Answered
    | Weighed
    | Declared
    | GaveUp
    | Stepped
    | FoundContact
    | FoundDesk
    | Probed
    | Outage
)


def write(path: Path, records: Iterable[Record]) -> None:
    """Write a history, a line a record."""
    encode = msgspec.json.Encoder().encode
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            file.write(encode(record) + b"\n")


def read(path: Path) -> Iterator[Record]:
    """Read a history."""
    decoder = msgspec.json.Decoder(Record)
    with path.open("rb") as file:
        for line in file:
            yield decoder.decode(line)
