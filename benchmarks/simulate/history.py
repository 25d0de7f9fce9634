"""The history of a day: the records of the clients' calls, which are the checker's only input.

Times are seconds since 1970. The clients are one process, and the store is on the same machine, so that its times can
be compared with theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import msgspec

from benchmarks.record_file import read_records
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState


class Ending(StrEnum):
    """The way a call ended."""

    OK = "ok"
    REFUSED = "refused"
    """The service refused the call."""
    UNKNOWN = "unknown"
    """There was no answer; the call may have been done."""


class Outcome(StrEnum):
    """The outcome of a route or a transfer."""

    HELD = "held"
    QUEUED = "queued"
    UNMATCHED = "unmatched"


class Verb(StrEnum):
    """A call of a desk on a reservation."""

    ACCEPT = "accept"
    DECLINE = "decline"
    COMPLETE = "complete"
    END_WRAP_UP = "end wrap-up"
    CANCEL = "cancel"
    TOUCH = "touch"
    READ = "read"


class PoolTerms(msgspec.Struct, frozen=True, tag="pool"):
    """A pool as it was created; durations in seconds, idle 0: never."""

    id: str
    offer: float
    accepted: float
    wait: float
    wait_weight: float
    head_start: float = 0.0
    wrap_up: float = 0.0
    idle: float = 0.0
    relationship_wait: float = 0.0
    first_response: float = 0.0
    """0: no first answer is demanded."""
    control_share: float = 0.0

    def lasts(self, *, answered: bool) -> float:
        """Return how long a conversation lasts by itself, before or after its first answer."""
        return self.accepted if answered or not self.first_response else min(self.first_response, self.accepted)


class Desk(msgspec.Struct, frozen=True, tag="desk"):
    """An agent as it was created; channels: cost and maximum of each, maximum 0: limited by the total only."""

    agent: str
    pools: tuple[str, ...]
    total: int
    channels: Mapping[str, tuple[int, int]]
    skills: Mapping[str, int] = {}
    languages: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A reservation as an answer contained it."""

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
    """An attempt of a call: the times of its start and of its answer or failure, and its ending."""

    began: float
    ended: float
    ending: Ending = Ending.OK
    reason: str = ""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of a contact; skills: level and seconds for which it is required, 0: always.

    kept: seconds for which the contact may wait for its preferred agent.
    """

    pool: str
    channel: str
    skills: Mapping[str, tuple[int, float]] = {}
    language: str = ""
    excluded: tuple[str, ...] = ()
    only: str = ""
    kept: float = 0.0


class Routed(Call, frozen=True, kw_only=True, tag="routed"):
    """A RouteMessage; wait: seconds the contact may wait, 0: none; contact: from the answer, or else the request."""

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
    """A TransferContact of the contact of the reservation `old`."""

    request: str
    contact: str
    old: str
    wish: Wish
    wait: float = 0.0
    outcome: Outcome | None = None
    held: Held | None = None
    affinity: float | None = None
    replayed: bool = False


class Assigned(Call, frozen=True, kw_only=True, tag="assigned"):
    """An AssignContact, which may exceed the agent's capacity."""

    request: str
    contact: str
    agent: str
    held: Held | None = None


class Answered(Call, frozen=True, kw_only=True, tag="answered"):
    """A call of a desk on a reservation; again: whether a declined contact may be offered to this agent again."""

    verb: Verb
    reservation: str
    held: Held | None = None
    again: bool = False


class Weighed(Call, frozen=True, kw_only=True, tag="weighed"):
    """A decision that a desk read, with the affinity of the reserved agent, if the decision was by affinity."""

    reservation: str
    affinity: float | None = None


class Dismissed(Call, frozen=True, kw_only=True, tag="dismissed"):
    """A DeleteAgent by force; the same agent is hired again a moment later."""

    agent: str


class Declared(Call, frozen=True, kw_only=True, tag="declared"):
    """A call that sets an agent's status."""

    agent: str
    status: AgentStatus


class GaveUp(Call, frozen=True, kw_only=True, tag="gave up"):
    """A customer's cancellation of a contact."""

    contact: str


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag="stepped"):
    """A step of a contact from a stream, with the store's time (`at`) and the time of its arrival (`heard`)."""

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
    """A contact as it was read at the end of the day; state None: the service does not know it."""

    contact: str
    state: ContactState | None
    cause: Cause | None = None


class FoundArm(Call, frozen=True, kw_only=True, tag="found arm"):
    """Whether a contact is control, as it was read at the end of the day; None: it has no arm, or is forgotten."""

    contact: str
    control: bool | None


class FoundDesk(Call, frozen=True, kw_only=True, tag="found desk"):
    """An agent as it was read at the end of the day."""

    agent: str
    load: int
    holds: int


class Probed(msgspec.Struct, frozen=True, kw_only=True, tag="probed"):
    """The number of contacts of a channel that could be reserved on an agent at the end of the day."""

    agent: str
    channel: str
    taken: int


class Outage(msgspec.Struct, frozen=True, kw_only=True, tag="outage"):
    """The time in which a process was down; what: "replica" or "store"."""

    what: str
    began: float
    ended: float


Record: TypeAlias = (
    PoolTerms
    | Desk
    | Routed
    | Transferred
    | Assigned
    | Answered
    | Weighed
    | Declared
    | Dismissed
    | GaveUp
    | Stepped
    | FoundArm
    | FoundContact
    | FoundDesk
    | Probed
    | Outage
)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a history's file, which `write_records` wrote."""
    return read_records(path, msgspec.json.Decoder(Record))
