"""A model of the service in plain Python: a few dictionaries, no clock, no store, no replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matcher.model.lifecycle import AgentStatus
from matcher.model.lifecycle import ContactState as Contact
from matcher.model.lifecycle import ReservationState as State
from tests.state_machine.plain_records import FOREVER, LIVE, MAKES, Ask, PlainAgent, PlainContact, PlainReservation


@dataclass
class Plain:
    """Everything that the service must know."""

    agents: dict[str, PlainAgent] = field(default_factory=dict)
    reservations: dict[str, PlainReservation] = field(default_factory=dict)
    contacts: dict[str, PlainContact] = field(default_factory=dict)
    requests: dict[str, tuple[Ask, str, str]] = field(default_factory=dict)
    """Each request with the contact and the reservation of its answer; no reservation: the contact was queued."""
    fences: dict[str, int] = field(default_factory=dict)
    wraps_up: dict[str, frozenset[str]] = field(default_factory=dict)
    """pool → the ends of a conversation that a wrap-up follows: complete, transfer, cancel, expiry."""
    lapses: list[str] = field(default_factory=list)
    """Reservations whose deadline has passed, in this order, and no sweep has noted that."""
    demands_answers: set[str] = field(default_factory=set)
    """Pools with a first_response_duration."""
    max_declined: dict[str, int] = field(default_factory=dict)
    """pool → after how many declined offers in a row an agent is AWAY."""
    earmarked: set[str] = field(default_factory=set)
    """Agents whose capacity became free while contacts waited: they are not for new messages."""

    def live(self, *states: State) -> list[str]:
        """Return the ids of the live reservations, in the given states or in any live state."""
        return [name for name, reservation in self.reservations.items() if reservation.state in (states or LIVE)]

    def held(self, agent: str) -> dict[str, PlainReservation]:
        """Return the live reservations of an agent."""
        return {
            name: reservation
            for name, reservation in self.reservations.items()
            if reservation.agent == agent and reservation.state in LIVE
        }

    def load(self, agent: str) -> int:
        """Return the sum of the costs of an agent's live holds."""
        return sum(reservation.counts for reservation in self.held(agent).values())

    def utilization(self, agent: str) -> float:
        """Return load over capacity of an agent whose capacity is not 0."""
        return self.load(agent) / self.agents[agent].profile.capacity.total

    def has_free_capacity(self, agent: str, channel: str) -> bool:
        """Tell whether one more contact of the channel fits."""
        capacity = self.agents[agent].profile.capacity
        terms = capacity.channels.get(channel)
        if terms is None or self.load(agent) + terms.cost > capacity.total:
            return False
        on_channel = sum(
            reservation.channel == channel and not reservation.idle for reservation in self.held(agent).values()
        )
        return not terms.max or on_channel < terms.max

    def eligible(self, ask: Ask) -> set[str]:
        """Return the agents who can be reserved for a request."""
        contact = self.contacts.get(ask.contact)
        return self.able(ask.pool, ask.channel, contact.barred if contact else set())

    def able(self, pool: str, channel: str, excluded: set[str], only: str = "") -> set[str]:
        """Return the agents who can be reserved."""
        return {
            name
            for name, agent in self.agents.items()
            if agent.status is AgentStatus.ONLINE
            and pool in agent.profile.pools
            and name not in excluded
            and only in ("", name)
            and self.has_free_capacity(name, channel)
        }

    def able_to_serve(self, name: str) -> set[str]:
        """Return the agents who can be reserved for a contact in the queue."""
        contact = self.contacts[name]
        excluded = contact.barred
        if contact.moving:
            excluded.add(self.reservations[contact.reservation].agent)
        # An agent to whom the contact was transferred by id did not accept: now any agent may have it.
        only = "" if contact.only in contact.excluded else contact.only
        able = self.able(contact.pool, contact.channel, excluded, only)
        if contact.preferred in able:
            return {contact.preferred}
        kept = not only and self.may_take(contact.preferred, contact.pool, contact.channel, excluded)
        return set() if kept else able

    def may_take(self, name: str, pool: str, channel: str, excluded: set[str]) -> bool:
        """Tell whether only an agent's other contacts may keep the agent from one more."""
        agent = self.agents.get(name)
        if agent is None or agent.status is not AgentStatus.ONLINE or pool not in agent.profile.pools:
            return False
        terms = agent.profile.capacity.channels.get(channel)
        return name not in excluded and terms is not None and terms.cost <= agent.profile.capacity.total

    def queued(self) -> list[str]:
        """Return the ids of the contacts in the queue."""
        return [name for name, contact in self.contacts.items() if contact.in_queue]

    def ended(self, reservation: PlainReservation, before: State) -> None:
        """Note that capacity became free, where it did; a lapse is noted only by a sweep."""
        if before in LIVE and reservation.state not in LIVE and not reservation.lapsed:
            self.freed(reservation.agent)

    def freed(self, agent: str) -> None:
        """Note that an agent has free capacity again."""
        if agent in self.agents and self.awaited(agent):
            self.earmarked.add(agent)

    def awaited(self, agent: str) -> bool:
        """Tell whether a contact waits in a pool of the agent."""
        pools = self.agents[agent].profile.pools
        return any(contact.in_queue and contact.pool in pools for contact in self.contacts.values())

    def hold(self, name: str, reservation: PlainReservation, *, waits: bool = False) -> None:
        """Note a new reservation; waits: its contact is queued if the offer is not accepted."""
        self.reservations[name] = reservation
        self.fences[reservation.agent] = reservation.fence
        contact = self.contacts.setdefault(reservation.contact, PlainContact(Contact.QUEUED, ""))
        if contact.moving:
            contact.in_queue = False
            self.free_old_reservation(contact)
        contact.reservation = name
        contact.pool, contact.channel = reservation.pool, reservation.channel
        accepted = reservation.state is State.ACCEPTED
        reservation.unanswered = accepted and reservation.pool in self.demands_answers
        contact.state = Contact.ASSIGNED if accepted else Contact.RESERVED
        contact.in_queue = contact.moving = contact.lost = False
        contact.waits, contact.may_wait_again = waits and not accepted, waits

    def offer(self, name: str, reservation: PlainReservation) -> None:
        """Note the offer of a transfer, whose contact stays with its agent until the answer."""
        self.reservations[name] = reservation
        self.fences[reservation.agent] = reservation.fence
        reservation.takes_over = True
        contact = self.contacts[reservation.contact]
        contact.offered = name
        contact.in_queue = contact.moving = contact.waits = False

    def take_over(self, contact: PlainContact) -> None:
        """Note that the offer of a transfer was accepted."""
        self.free_old_reservation(contact)
        contact.reservation, contact.offered = contact.offered, ""
        contact.pool = self.reservations[contact.reservation].pool

    def stay(self, contact: PlainContact, excluded: str) -> None:
        """Note that nothing came of the offer of a transfer; excluded: how long its agent is excluded."""
        agent, contact.offered = self.reservations[contact.offered].agent, ""
        if excluded:
            contact.exclude(agent, excluded)
        else:
            contact.excluded.pop(agent, None)

    def withdraw_offer(self, contact: PlainContact) -> None:
        """Note that the offer of a transfer is withdrawn, because the old agent's conversation ends."""
        offer = self.reservations[contact.offered]
        if offer.lapsed:
            self.lapses.remove(contact.offered)
            self.stay(contact, FOREVER)
        else:
            offer.state = State.CANCELED
            self.freed(offer.agent)
            self.stay(contact, "")

    def free_old_reservation(self, contact: PlainContact) -> None:
        """Note that a transfer ends the reservation of the agent who holds the contact."""
        old = self.reservations[contact.reservation]
        old.state, old.idle = State.COMPLETED, False
        contact.exclude(old.agent, FOREVER)
        if "transfer" in self.wraps_up[old.pool]:
            old.state, old.ends = State.WRAPPING, State.COMPLETED
        else:
            self.freed(old.agent)

    def enqueue(self, name: str, ask: Ask) -> None:
        """Note that a contact waits in the queue."""
        contact = self.contacts.setdefault(name, PlainContact(Contact.QUEUED, ""))
        contact.state, contact.in_queue, contact.waits, contact.wait_is_over = Contact.QUEUED, True, True, False
        contact.may_wait_again, contact.lost = True, False
        contact.pool, contact.channel, contact.auto_accept, contact.only = ask.pool, ask.channel, ask.auto_accept, ""
        contact.preferred = ""

    def makes(self, name: str, verb: str) -> State | None:
        """Return the state of a reservation after a verb, None where the verb does not fit."""
        reservation = self.reservations[name]
        if reservation.state is State.WRAPPING:
            repeated = {State.COMPLETED: "complete", State.CANCELED: "cancel"}.get(reservation.ends or State.COMPLETED)
            return {"end_wrap_up": reservation.ends, repeated: State.WRAPPING}.get(verb)
        if verb == "end_wrap_up" and reservation.ends is not None:
            return reservation.state
        made = MAKES[verb].get(reservation.state)
        wraps_up = reservation.state is State.ACCEPTED and verb in self.wraps_up[reservation.pool]
        if wraps_up and verb in ("complete", "cancel"):
            reservation.ends = made
            return State.WRAPPING
        return made

    def becomes(
        self, name: str, state: State, *, excluded: str = "", withdrawn: bool = False, removed: bool = False
    ) -> None:
        """Note that a reservation has another state.

        excluded: how long the agent is excluded. withdrawn: the agent of the offer went offline. removed: the agent was
        deleted, from an offer or from a conversation.
        """
        reservation = self.reservations[name]
        before, reservation.state = reservation.state, state
        if state is before:
            return
        self.ended(reservation, before)
        if state is State.ACCEPTED:
            reservation.unanswered = reservation.pool in self.demands_answers
        else:
            reservation.idle = False
        contact = self.contacts[reservation.contact]
        if contact.offered == name:
            self.answered(contact, state, FOREVER if removed else excluded if state is State.DECLINED else "")
            return
        if contact.offered and contact.reservation == name and state not in (State.ACCEPTED, State.EXPIRED):
            self.withdraw_offer(contact)
        if contact.reservation == name and contact.state in (Contact.RESERVED, Contact.ASSIGNED):
            self.moves(contact, reservation, before, excluded, FOREVER if removed else "" if withdrawn else None)

    def declines(self, reservation: PlainReservation) -> bool:
        """Note that an agent has declined an offer; return whether the agent is AWAY for that."""
        agent, most = self.agents.get(reservation.agent), self.max_declined.get(reservation.pool)
        if agent is None or most is None:
            return False
        agent.declined += 1
        goes = agent.declined >= most and agent.status in (AgentStatus.ONLINE, AgentStatus.DRAINING)
        agent.status = AgentStatus.AWAY if goes else agent.status
        return goes

    def answered(self, contact: PlainContact, state: State, excluded: str) -> None:
        """Note what became of the offer of a transfer; a lapse is noted by the next sweep."""
        if state is State.ACCEPTED:
            self.take_over(contact)
        elif state is not State.EXPIRED:
            self.stay(contact, excluded)

    def moves(
        self, contact: PlainContact, reservation: PlainReservation, before: State, excluded: str, gone: str | None
    ) -> None:
        """Note what becomes of a contact with its reservation; gone: how long an agent who has gone is excluded."""
        match reservation.ends if reservation.state is State.WRAPPING else reservation.state:
            case State.ACCEPTED:
                contact.state, contact.waits = Contact.ASSIGNED, False
            case State.COMPLETED:
                self.ends(contact, Contact.CLOSED)
            case State.CANCELED if gone is not None:
                self.come_back(contact)
                self.return_to_queue(contact, reservation.agent, gone)
            case State.CANCELED:
                self.ends(contact, Contact.CANCELED)
            case State.DECLINED:
                self.return_to_queue(contact, reservation.agent, excluded)
            case State.EXPIRED:
                self.expires(contact, reservation, before)

    def expires(self, contact: PlainContact, reservation: PlainReservation, before: State) -> None:
        """Note that an offer or a conversation has lapsed. Who waits enters or leaves the queue at the next sweep."""
        if before is State.PENDING:
            self.return_to_queue(contact, reservation.agent, FOREVER)
            contact.in_queue = False
        elif reservation.unanswered:
            # A waiting transfer keeps its place.
            contact.lost, in_queue = True, contact.moving
            self.come_back(contact)
            self.return_to_queue(contact, reservation.agent, FOREVER)
            contact.in_queue = in_queue
        else:
            contact.state = Contact.EXPIRED

    def come_back(self, contact: PlainContact) -> None:
        """Note that a contact may wait again that an agent talked with, or whose transfer waits."""
        if contact.state is Contact.ASSIGNED and not contact.moving:
            contact.waits, contact.wait_is_over = contact.may_wait_again, False
        contact.moving = False

    def return_to_queue(self, contact: PlainContact, agent: str, excluded: str) -> None:
        """Note that an offer was not accepted."""
        contact.state = Contact.QUEUED if contact.waits else Contact.RETURNED
        contact.in_queue = contact.waits
        if excluded:
            contact.exclude(agent, excluded)
        else:
            contact.excluded.pop(agent, None)

    def ends(self, contact: PlainContact, state: Contact) -> None:
        """Note that a contact has ended."""
        contact.state = state
        contact.in_queue = contact.waits = contact.moving = contact.lost = False

    def lapse(self, name: str) -> None:
        """Let the deadline of a live reservation pass."""
        reservation = self.reservations[name]
        reservation.lapsed, reservation.was_idle = True, reservation.idle
        self.lapses.append(name)
        ends = reservation.ends if reservation.state is State.WRAPPING else State.EXPIRED
        reservation.talked = reservation.state is State.ACCEPTED and not reservation.unanswered
        assert ends is not None
        self.becomes(name, ends)

    def wraps_up_after_expiry(self, reservation: PlainReservation) -> bool:
        """Tell whether a sweep that notes an expired conversation begins a wrap-up."""
        return (
            reservation.talked
            and "expiry" in self.wraps_up[reservation.pool]
            and not reservation.agent_removed
            and (reservation.was_idle or self.has_free_capacity(reservation.agent, reservation.channel))
        )

    def written_down(self, overdue: Sequence[str]) -> None:
        """Note what a sweep makes of deadlines that have passed, the earliest first."""
        for name in overdue:
            if name in self.lapses:  # else it was the offer of a transfer whose conversation ended before
                self.lapse_is_written(name)
        for contact in self.contacts.values():
            if not (contact.in_queue and contact.wait_is_over):
                continue
            if contact.moving:
                contact.in_queue = contact.waits = contact.moving = False
                contact.excluded.pop(self.reservations[contact.reservation].agent, None)
            else:
                self.ends(contact, Contact.EXPIRED)

    def lapse_is_written(self, name: str) -> None:
        """Note what a sweep makes of a deadline that has passed."""
        reservation = self.reservations[name]
        contact = self.contacts[reservation.contact]
        if contact.offered == name:
            self.stay(contact, FOREVER)
        elif contact.offered and contact.reservation == name:
            self.withdraw_offer(contact)
        if self.wraps_up_after_expiry(reservation):
            reservation.state, reservation.ends, reservation.lapsed = State.WRAPPING, State.EXPIRED, False
        reservation.talked = False
        self.lapses.remove(name)
        if contact.reservation != name:
            return
        if contact.lost:
            # Its wait counts from the sweep on, unless a transfer waited.
            contact.lost, contact.wait_is_over = False, contact.wait_is_over and contact.in_queue
        if contact.state is Contact.QUEUED and contact.waits:
            contact.in_queue = True
        elif contact.state is Contact.EXPIRED:
            self.ends(contact, Contact.EXPIRED)
