"""The history of an attack: what clients asked, were answered and were told, and which faults there were.

It is the checker's only input. Times are seconds since 1970 by the clock of the clients' process, except `at`,
`created` and `expires`, which are the store's. Names are ids without the site; `site` stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from benchmarks.record_file import read_records

OK = "ok"
REFUSED = "refused"
UNKNOWN = "unknown"
"""The three endings of a call; after UNKNOWN the call may have been done, or may still be done."""

LIVE = frozenset({"PENDING", "ACCEPTED", "WRAPPING"})
"""The states of a reservation that hold capacity."""


class Terms(msgspec.Struct, frozen=True, tag="terms"):
    """A pool as it was created; durations in seconds."""

    site: str
    pool: str
    offer: float
    accepted: float
    wait_weight: float


class Staff(msgspec.Struct, frozen=True, tag="staff"):
    """An agent as created; channels: the cost of each; beats: whether the agent's desk sends heartbeats."""

    site: str
    agent: str
    total: int
    channels: Mapping[str, int]
    beats: bool = False


class Held(msgspec.Struct, frozen=True):
    """A reservation as an answer contained it."""

    reservation: str
    agent: str
    contact: str
    pool: str
    channel: str
    cost: int
    state: str
    fence: int
    created: float
    expires: float
    over_capacity: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """One attempt of a call.

    reason: the error's reason or code. named: the sites that the answer names. wait: seconds that the contact may
    wait, 0: it may not; of a heartbeat how long it counts. relaxes: seconds after which its requirements lapse. over:
    the caller asked for an assignment above the capacity. Other fields are of the request or the answer.
    """

    site: str
    verb: str
    replica: int
    began: float
    ended: float
    ending: str = OK
    reason: str = ""
    request: str = ""
    contact: str = ""
    reservation: str = ""
    agent: str = ""
    pool: str = ""
    channel: str = ""
    status: str = ""
    wait: float = 0.0
    relaxes: float = 0.0
    auto_accept: bool = False
    over: bool = False
    outcome: str = ""
    held: Held | None = None
    replayed: bool = False
    named: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """A step of a contact, as the watch `watch` heard it."""

    site: str
    watch: str
    contact: str
    sequence: int
    state: str
    cause: str
    reservation: str
    agent: str
    pool: str
    at: float
    heard: float


class Watching(msgspec.Struct, frozen=True, kw_only=True, tag="watching"):
    """A time in which a watch was open; resumed: it went on after the last answer of the one before."""

    site: str
    watch: str
    replica: int
    began: float
    ended: float
    reason: str
    resumed: bool


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """A fault; target: what it hit. forgets: the store lost what it had acknowledged."""

    what: str
    target: str
    began: float
    ended: float
    forgets: bool = False
    clock: bool = False


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag="probe"):
    """A route that the judge itself sent to a replica, past the proxies; able: it was decided."""

    replica: int
    began: float
    ended: float
    able: bool
    reason: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True, tag="health"):
    """What a replica said of itself; site "": of the whole service. serving None: it gave no answer."""

    replica: int
    site: str
    began: float
    ended: float
    serving: bool | None


class FoundContact(msgspec.Struct, frozen=True, kw_only=True, tag="found contact"):
    """A contact as it was read at the end; state "": the service does not know it; None: it could not be read."""

    site: str
    contact: str
    at: float
    state: str | None
    cause: str = ""


class FoundReservation(msgspec.Struct, frozen=True, kw_only=True, tag="found reservation"):
    """A reservation as it was read at the end, likewise."""

    site: str
    reservation: str
    at: float
    state: str | None


class FoundAgent(msgspec.Struct, frozen=True, kw_only=True, tag="found agent"):
    """An agent at the end, when all conversations are over: what is held, and what could be filled."""

    site: str
    agent: str
    load: int
    holds: int
    filled: int
    """The contacts that were assigned until the agent was full; -1: this was not tried."""


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag="listed"):
    """The live reservations that a list of a site named, which was asked for at `began`."""

    site: str
    began: float
    reservations: tuple[str, ...]


class FoundAgents(msgspec.Struct, frozen=True, kw_only=True, tag="found agents"):
    """The ids of the agents that a list of a site gave."""

    site: str
    agents: tuple[str, ...]


class FoundLife(msgspec.Struct, frozen=True, kw_only=True, tag="found life"):
    """What a site that was created again has: the agents that were imported, those that it lists, and its contacts."""

    site: str
    at: float
    imported: tuple[str, ...]
    agents: tuple[str, ...]
    contacts: tuple[str, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag="entry"):
    """A step of a contact as the ledger has it when all is over; state and kind without the prefix of the API."""

    site: str
    contact: str
    sequence: int
    state: str
    kind: str
    reservation: str
    agent: str


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """Steps that the ledger says it lacks."""

    site: str
    entries: int


Record: TypeAlias = (
    Terms
    | Staff
    | Call
    | Step
    | Watching
    | Fault
    | Probe
    | Health
    | FoundContact
    | FoundReservation
    | FoundAgent
    | Listed
    | FoundAgents
    | FoundLife
    | Entry
    | Gap
)


class History:
    """The records of one attack, in the order in which they were made."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        """Add a record."""
        self.records.append(record)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a history's file, which `write_records` wrote."""
    return read_records(path, msgspec.json.Decoder(Record))
