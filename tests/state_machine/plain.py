"""The service as plain Python would have it: a few dictionaries, no clock, no store, no copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from matcher.model import Profile
from matcher.model.lifecycle import AgentStatus
from matcher.model.lifecycle import ContactState as Contact
from matcher.model.lifecycle import ReservationState as State

FOREVER: Final = "forever"
LATER: Final = "later"
LIVE: Final = frozenset({State.PENDING, State.ACCEPTED, State.WRAPPING})
LAPSES: Final = {State.PENDING: State.EXPIRED, State.ACCEPTED: State.EXPIRED, State.WRAPPING: State.COMPLETED}

# What a verb makes of a state it fits; a repeat leaves the state as it is.
MAKES: Final = {
    "accept": {State.PENDING: State.ACCEPTED, State.ACCEPTED: State.ACCEPTED},
    "decline": {State.PENDING: State.DECLINED, State.DECLINED: State.DECLINED},
    "renew": {State.ACCEPTED: State.ACCEPTED},
    "touch": {State.ACCEPTED: State.ACCEPTED},
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
    rests: bool = False

    @property
    def counts(self) -> int:
        """Return what it counts against the capacity: nothing while it rests."""
        return 0 if self.rests else self.cost


@dataclass
class PlainContact:
    """A contact: where it stands, who is not to be offered it, and whether it waits.

    waits: may be put into the queue. in_line: it is there; moving: to be handed on, while an agent holds it.
    """

    state: Contact
    reservation: str
    excluded: dict[str, str] = field(default_factory=dict)
    pool: str = ""
    channel: str = ""
    auto_accept: bool = False
    only: str = ""
    waits: bool = False
    wait_is_over: bool = False
    in_line: bool = False
    moving: bool = False


@dataclass(frozen=True)
class Ask:
    """A request for an agent, without its id."""

    contact: str
    pool: str
    channel: str
    text: str
    auto_accept: bool
    wait: bool = False


@dataclass
class Plain:
    """All that there is."""

    agents: dict[str, PlainAgent] = field(default_factory=dict)
    reservations: dict[str, PlainReservation] = field(default_factory=dict)
    contacts: dict[str, PlainContact] = field(default_factory=dict)
    requests: dict[str, tuple[Ask, str, str]] = field(default_factory=dict)
    """What was asked, and the contact and reservation of the answer; no reservation: it was let wait."""
    fences: dict[str, int] = field(default_factory=dict)
    wraps_up: dict[str, bool] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """Agents with a slot that became free while somebody waited for them: not for new messages."""

    def live(self, *states: State) -> list[str]:
        """Name the live reservations, in one of the states given or in any."""
        return [name for name, one in self.reservations.items() if one.state in (states or LIVE)]

    def held(self, agent: str) -> dict[str, PlainReservation]:
        """Return the live reservations of an agent."""
        return {name: one for name, one in self.reservations.items() if one.agent == agent and one.state in LIVE}

    def load(self, agent: str) -> int:
        """Return the sum of an agent's live costs."""
        return sum(one.counts for one in self.held(agent).values())

    def utilization(self, agent: str) -> float:
        """Return load over capacity of an agent with a capacity."""
        return self.load(agent) / self.agents[agent].profile.capacity.total

    def has_room(self, agent: str, channel: str) -> bool:
        """Tell whether one more contact of the channel fits."""
        capacity = self.agents[agent].profile.capacity
        terms = capacity.channels.get(channel)
        if terms is None or self.load(agent) + terms.cost > capacity.total:
            return False
        on_channel = sum(one.channel == channel and not one.rests for one in self.held(agent).values())
        return not terms.max or on_channel < terms.max

    def eligible(self, ask: Ask) -> set[str]:
        """Return who can be held for a request."""
        contact = self.contacts.get(ask.contact)
        return self.able(ask.pool, ask.channel, set(contact.excluded) if contact else set())

    def able(self, pool: str, channel: str, excluded: set[str], only: str = "") -> set[str]:
        """Return who can be held."""
        return {
            name
            for name, agent in self.agents.items()
            if agent.status is AgentStatus.ONLINE
            and pool in agent.profile.pools
            and name not in excluded
            and only in ("", name)
            and self.has_room(name, channel)
        }

    def able_to_serve(self, name: str) -> set[str]:
        """Return who can be held for a contact that is in line."""
        contact = self.contacts[name]
        excluded = set(contact.excluded)
        if contact.moving:
            excluded.add(self.reservations[contact.reservation].agent)
        # Whom it was handed to by name and who did not take it leaves it to anybody.
        only = "" if contact.only in contact.excluded else contact.only
        return self.able(contact.pool, contact.channel, excluded, only)

    def line(self) -> list[str]:
        """Name the contacts that are in line."""
        return [name for name, one in self.contacts.items() if one.in_line]

    def ended(self, reservation: PlainReservation, before: State) -> None:
        """Write down that a slot became free, where it did; what only lapsed is not written down yet."""
        if before in LIVE and reservation.state not in LIVE and not reservation.lapsed:
            self.freed(reservation.agent)

    def freed(self, agent: str) -> None:
        """Write down that a slot of an agent became free."""
        if agent in self.agents and self.awaited(agent):
            self.kept.add(agent)

    def awaited(self, agent: str) -> bool:
        """Tell whether somebody waits in a pool of the agent's."""
        pools = self.agents[agent].profile.pools
        return any(one.in_line and one.pool in pools for one in self.contacts.values())

    def hold(self, name: str, reservation: PlainReservation, *, waits: bool = False) -> None:
        """Write a new hold down; `waits`: its contact is put into the queue where the offer is not taken."""
        self.reservations[name] = reservation
        self.fences[reservation.agent] = reservation.fence
        contact = self.contacts.setdefault(reservation.contact, PlainContact(Contact.QUEUED, ""))
        if contact.moving:
            contact.in_line = False
            self.free_the_old_one(contact)
        contact.reservation = name
        contact.pool, contact.channel = reservation.pool, reservation.channel
        accepted = reservation.state is State.ACCEPTED
        contact.state = Contact.ASSIGNED if accepted else Contact.RESERVED
        contact.in_line = contact.moving = False
        contact.waits = waits and not accepted

    def free_the_old_one(self, contact: PlainContact) -> None:
        """Write down that a contact is handed on from the agent who holds it."""
        old = self.reservations[contact.reservation]
        old.state, old.rests = State.COMPLETED, False
        contact.excluded[old.agent] = FOREVER
        self.freed(old.agent)

    def line_up(self, name: str, ask: Ask) -> None:
        """Write down that a contact waits."""
        contact = self.contacts.setdefault(name, PlainContact(Contact.QUEUED, ""))
        contact.state, contact.in_line, contact.waits, contact.wait_is_over = Contact.QUEUED, True, True, False
        contact.pool, contact.channel, contact.auto_accept, contact.only = ask.pool, ask.channel, ask.auto_accept, ""

    def becomes(self, name: str, state: State, *, excluded: str = "", withdrawn: bool = False) -> None:
        """Write down that a reservation has another state.

        excluded: for how long the agent is passed over. withdrawn: the offer was taken back from an agent who has gone.
        """
        reservation = self.reservations[name]
        before, reservation.state = reservation.state, state
        self.ended(reservation, before)
        if state is not before and state is not State.ACCEPTED:
            reservation.rests = False
        contact = self.contacts[reservation.contact]
        if before is state or contact.reservation != name or contact.state not in (Contact.RESERVED, Contact.ASSIGNED):
            return
        match state:
            case State.ACCEPTED:
                contact.state, contact.waits = Contact.ASSIGNED, False
            case State.WRAPPING | State.COMPLETED:
                self.ends(contact, Contact.CLOSED)
            case State.CANCELED if withdrawn:
                self.goes_back(contact, reservation.agent, "")
            case State.CANCELED:
                self.ends(contact, Contact.CANCELED)
            case State.DECLINED:
                self.goes_back(contact, reservation.agent, excluded)
            case State.EXPIRED if before is State.PENDING:
                self.goes_back(contact, reservation.agent, FOREVER)
                # Only what was written down of it puts it into the queue.
                contact.in_line = False
            case State.EXPIRED:
                # The same with a transfer that waits: it leaves the queue once this is written down.
                contact.state = Contact.EXPIRED

    def goes_back(self, contact: PlainContact, agent: str, excluded: str) -> None:
        """Write down that an offer was not taken."""
        contact.state, contact.in_line = Contact.QUEUED, contact.waits
        if excluded:
            contact.excluded[agent] = excluded
        else:
            contact.excluded.pop(agent, None)

    def ends(self, contact: PlainContact, state: Contact) -> None:
        """Write down that a contact has ended."""
        contact.state = state
        contact.in_line = contact.waits = contact.moving = False

    def lapse(self, name: str) -> None:
        """Let a live reservation's time pass."""
        reservation = self.reservations[name]
        reservation.lapsed = True
        self.becomes(name, LAPSES[reservation.state])

    def written_down(self, overdue: set[str]) -> None:
        """Write down what follows from deadlines that have passed."""
        for name in overdue:
            contact = self.contacts[self.reservations[name].contact]
            if contact.reservation == name and contact.state is Contact.QUEUED and contact.waits:
                contact.in_line = True
            elif contact.reservation == name and contact.state is Contact.EXPIRED:
                self.ends(contact, Contact.EXPIRED)
        for contact in self.contacts.values():
            if not (contact.in_line and contact.wait_is_over):
                continue
            if contact.moving:
                contact.in_line = contact.waits = contact.moving = False
                contact.excluded.pop(self.reservations[contact.reservation].agent, None)
            else:
                self.ends(contact, Contact.EXPIRED)
