"""The facts of a day: its contacts, holds and waits, as far as the clients' records say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState

ENDED: Final = frozenset({ContactState.CLOSED, ContactState.CANCELED, ContactState.EXPIRED})
NOBODYS: Final = frozenset({ContactState.QUEUED, ContactState.RETURNED})
"""The states of a contact without an agent."""
AWAY: Final = frozenset({AgentStatus.OFFLINE, AgentStatus.AWAY})
LEFT: Final = frozenset({Cause.AGENT_LEFT, Cause.AGENT_REMOVED, Cause.NO_FIRST_RESPONSE})


def began(calls: Iterable[h.Call]) -> float:
    """Return the start of the first call that may have been done."""
    return min((call.began for call in calls if call.ending is not Ending.REFUSED), default=math.inf)


def ended(calls: Iterable[h.Call]) -> float:
    """Return the time by which one of the calls was certainly done."""
    return min((call.ended for call in calls if call.ending is Ending.OK), default=math.inf)


@dataclass(slots=True)
class Hold:
    """A reservation as the clients first got it, with their calls on it."""

    first: h.Held
    direct: bool
    """Whether it was the answer of a call, and not an offer from the queue."""
    assigned: bool = False
    """Whether a supervisor assigned it, perhaps above the agent's capacity and before contacts that waited longer."""
    done: dict[Verb, list[h.Answered]] = field(default_factory=lambda: defaultdict(list))
    transfers: list[h.Transferred] = field(default_factory=list)
    certain_until: float = math.inf
    possible_until: float = math.inf
    counts_until: float = math.inf
    """As `certain_until`, but an idle conversation may use no capacity earlier."""

    @property
    def accepted(self) -> h.Answered | None:
        """The call that certainly accepted the reservation."""
        return next((call for call in self.done[Verb.ACCEPT] if call.ending is Ending.OK), None)

    @property
    def deadline(self) -> float:
        """The last known deadline; the first answer to the customer may move it."""
        accepted = self.accepted
        last = accepted.held.expires if accepted is not None and accepted.held is not None else self.first.expires
        return max([last, *(call.held.expires for call in self.done[Verb.TOUCH] if call.held is not None)])

    def latest_deadline(self, pool: h.PoolTerms) -> float:
        """Return the last possible deadline: an answer to the customer may have been noted that no client knows of."""
        if not any(call.ending is Ending.UNKNOWN for call in self.done[Verb.TOUCH]):
            return self.deadline
        return max(self.deadline, max(call.ended for call in self.done[Verb.TOUCH]) + pool.accepted)

    @property
    def talked_from(self) -> float | None:
        """The time from which the conversation certainly lasted; None without a certain acceptance."""
        if self.first.state is ReservationState.ACCEPTED:
            return self.first.created
        accepted = self.accepted
        return None if accepted is None else accepted.ended


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in which a contact certainly waited, and its requirements in that time."""

    began: float
    ended: float
    wish: h.Wish


@dataclass(slots=True)
class Contact:
    """A contact with its requests, its steps, its holds and its waits."""

    id: str
    routes: list[h.Routed] = field(default_factory=list)
    transfers: list[h.Transferred] = field(default_factory=list)
    steps: list[h.Stepped] = field(default_factory=list)
    assignments: list[h.Assigned] = field(default_factory=list)
    gave_up: list[h.GaveUp] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    found: h.FoundContact | None = None
    control: bool | None = None
    """Whether its agents are chosen by load; None: it has no arm, or that was not read."""
    arrived_first: float = -math.inf
    arrived_last: float = math.inf
    returning: bool = False
    waits: list[Wait] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether a client got the answer that an agent is reserved or the contact waits."""
        return any(route.ending is Ending.OK and route.outcome is not Outcome.UNMATCHED for route in self.routes)

    @property
    def may_wait(self) -> float:
        """The seconds that the contact may wait; 0: none."""
        return self.routes[0].wait if self.routes else 0.0


@dataclass(slots=True)
class Day:
    """Everything that the history says of a day."""

    pools: dict[str, h.PoolTerms] = field(default_factory=dict)
    desks: dict[str, h.Desk] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    by_agent: dict[str, list[Hold]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, list[h.Routed]] = field(default_factory=lambda: defaultdict(list))
    declared: dict[str, list[h.Declared]] = field(default_factory=lambda: defaultdict(list))
    dismissed: dict[str, list[h.Dismissed]] = field(default_factory=lambda: defaultdict(list))
    weighed: dict[str, float] = field(default_factory=dict)
    probes: list[h.Probed] = field(default_factory=list)
    found_desks: list[h.FoundDesk] = field(default_factory=list)
    outages: list[h.Outage] = field(default_factory=list)
