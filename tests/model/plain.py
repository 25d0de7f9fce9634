"""The service as plain Python would have it: a few dictionaries, no clock, no store, no copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from matcher.lifecycle import AgentStatus
from matcher.lifecycle import ContactState as Contact
from matcher.lifecycle import ReservationState as State
from matcher.model import Profile

FOREVER: Final = "forever"
LATER: Final = "later"
LIVE: Final = frozenset({State.PENDING, State.ACCEPTED, State.WRAPPING})
LAPSES: Final = {State.PENDING: State.EXPIRED, State.ACCEPTED: State.EXPIRED, State.WRAPPING: State.COMPLETED}

# What a verb makes of a state it fits; a repeat leaves the state as it is.
MAKES: Final = {
    "accept": {State.PENDING: State.ACCEPTED, State.ACCEPTED: State.ACCEPTED},
    "decline": {State.PENDING: State.DECLINED, State.DECLINED: State.DECLINED},
    "renew": {State.ACCEPTED: State.ACCEPTED},
    "complete": {
        State.ACCEPTED: State.WRAPPING,
        State.WRAPPING: State.COMPLETED,
        State.COMPLETED: State.COMPLETED,
    },
    "cancel": {
        State.PENDING: State.CANCELED,
        State.ACCEPTED: State.CANCELED,
        State.CANCELED: State.CANCELED,
    },
}


@dataclass
class PlainAgent:
    """An agent who exists."""

    profile: Profile
    status: AgentStatus


@dataclass
class PlainReservation:
    """A reservation, whatever became of it."""

    agent: str
    contact: str
    channel: str
    cost: int
    fence: int
    state: State
    pool: str = ""
    lapsed: bool = False


@dataclass
class PlainContact:
    """A contact: where it stands, and who is not to be offered it."""

    state: Contact
    reservation: str
    excluded: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ask:
    """A request for an agent, without its id."""

    contact: str
    pool: str
    channel: str
    text: str
    auto_accept: bool


@dataclass
class Plain:
    """All that there is."""

    agents: dict[str, PlainAgent] = field(default_factory=dict)
    reservations: dict[str, PlainReservation] = field(default_factory=dict)
    contacts: dict[str, PlainContact] = field(default_factory=dict)
    requests: dict[str, tuple[Ask, str]] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    wraps_up: dict[str, bool] = field(default_factory=dict)

    def live(self, *states: State) -> list[str]:
        """Name the live reservations, in one of the states given or in any."""
        return [name for name, one in self.reservations.items() if one.state in (states or LIVE)]

    def held(self, agent: str) -> dict[str, PlainReservation]:
        """Return the live reservations of an agent."""
        return {name: one for name, one in self.reservations.items() if one.agent == agent and one.state in LIVE}

    def load(self, agent: str) -> int:
        """Return the sum of an agent's live costs."""
        return sum(one.cost for one in self.held(agent).values())

    def utilization(self, agent: str) -> float:
        """Return load over capacity of an agent with a capacity."""
        return self.load(agent) / self.agents[agent].profile.capacity.total

    def has_room(self, agent: str, channel: str) -> bool:
        """Tell whether one more contact of the channel fits."""
        capacity = self.agents[agent].profile.capacity
        terms = capacity.channels.get(channel)
        if terms is None or self.load(agent) + terms.cost > capacity.total:
            return False
        on_channel = sum(one.channel == channel for one in self.held(agent).values())
        return not terms.max or on_channel < terms.max

    def eligible(self, ask: Ask) -> set[str]:
        """Return who can be held for a request."""
        contact = self.contacts.get(ask.contact)
        excluded = contact.excluded if contact else {}
        return {
            name
            for name, agent in self.agents.items()
            if agent.status is AgentStatus.ONLINE
            and ask.pool in agent.profile.pools
            and name not in excluded
            and self.has_room(name, ask.channel)
        }

    def hold(self, name: str, reservation: PlainReservation) -> None:
        """Write a new hold down."""
        self.reservations[name] = reservation
        self.fences[reservation.agent] = reservation.fence
        contact = self.contacts.setdefault(reservation.contact, PlainContact(Contact.QUEUED, ""))
        contact.reservation = name
        contact.state = Contact.ASSIGNED if reservation.state is State.ACCEPTED else Contact.RESERVED

    def becomes(self, name: str, state: State, *, excluded: str = "") -> None:
        """Write down that a reservation has another state; `excluded`: for how long the agent is passed over."""
        reservation = self.reservations[name]
        before, reservation.state = reservation.state, state
        contact = self.contacts[reservation.contact]
        if before is state or contact.reservation != name:
            return
        match state:
            case State.ACCEPTED:
                contact.state = Contact.ASSIGNED
            case State.WRAPPING | State.COMPLETED:
                contact.state = Contact.CLOSED
            case State.CANCELED:
                contact.state = Contact.CANCELED
            case State.DECLINED:
                contact.state = Contact.QUEUED
                if excluded:
                    contact.excluded[reservation.agent] = excluded
                else:
                    contact.excluded.pop(reservation.agent, None)
            case State.EXPIRED if before is State.PENDING:
                contact.state = Contact.QUEUED
                contact.excluded[reservation.agent] = FOREVER
            case State.EXPIRED:
                contact.state = Contact.EXPIRED

    def lapse(self, name: str) -> None:
        """Let a live reservation's time pass."""
        reservation = self.reservations[name]
        reservation.lapsed = True
        self.becomes(name, LAPSES[reservation.state])
