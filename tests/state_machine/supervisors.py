"""The rules of who names an agent: assignments by hand, and preferred agents who may not come."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from matcher.errors import AgentFull, AgentNotFound, ConstraintsUnmet, ContactEnded, ContactHeld, MatcherError
from matcher.model import (
    Basis,
    Constraint,
    Message,
    Preferred,
    QueuedOutcome,
    Requirements,
    ReservedOutcome,
    Unmatched,
    Wait,
)
from matcher.model.lifecycle import CONTACT_NEXT, ContactState, ReservationState
from matcher.model.requests import AssignRequest, RouteRequest
from tests.state_machine.plain_records import Ask, PlainContact, PlainReservation
from tests.state_machine.queues import Queues
from tests.state_machine.strategies import ACCEPTED, LATER_MS, ONLINE, PENDING, agents, asks, servers

IGNORED: Final = frozenset({Constraint.POOL, Constraint.EXCLUDED, Constraint.CHANNEL, Constraint.STATUS})


class Supervisors(Queues):
    """Assign contacts by hand, and prefer agents."""

    @rule(
        server=servers,
        name=st.sampled_from(["c1", "c2", "c3", "c4", "a1", "a2"]),
        agent=agents,
        over=st.booleans(),
        ignore=st.booleans(),
        accepted=st.booleans(),
        twice=st.booleans(),
    )
    def assign(self, server: int, name: str, agent: str, over: bool, ignore: bool, accepted: bool, twice: bool) -> None:
        """Assign a contact in any state, or a new one, to an agent; with and without over_capacity."""
        self.run(self.catch_up_all())
        known = self.plain.contacts.get(name)
        expected = self.refusal_of(known, agent, over=over, ignore=ignore)
        request = AssignRequest(
            name, agent, over_capacity=over, ignored=IGNORED if ignore else frozenset(), accepted=accepted, actor="eva"
        )
        answer = self.attempt(self.instances[server].assigner.assign(self.site, request), twice=twice)
        if expected is not None:
            assert type(answer) is expected, answer
            return
        assert isinstance(answer, ReservedOutcome), answer
        self.write_down_assigned(answer, known or PlainContact(ContactState.QUEUED, "", pool="default", channel="chat"))

    @rule(server=servers, ask=asks(st.just(""), st.booleans()), agent=agents, twice=st.booleans())
    def prefer(self, server: int, ask: Ask, agent: str, twice: bool) -> None:
        """Route a new contact that prefers an agent: it waits for the agent only while the agent may come."""
        self.run(self.catch_up_all())
        before = self.stored()
        earmarked, able = set(before.earmarked()), self.plain.eligible(ask)
        kept = ask.wait and self.plain.may_take(agent, ask.pool, ask.channel, set())
        message = Message(
            ask.text,
            "",
            Requirements(pool=ask.pool, channel=ask.channel),
            (Preferred(agent, Basis.PREFERRED, LATER_MS),),
        )
        request = RouteRequest(
            message, auto_accept=ask.auto_accept, wait=Wait(LATER_MS) if ask.wait else None, digest=repr(ask).encode()
        )
        answer = self.attempt(self.instances[server].router.route(self.site, request), twice=twice)
        assert not isinstance(answer, MatcherError), answer
        assert answer.unknown_preferred == (() if agent in self.plain.agents else (agent,))
        if isinstance(answer, ReservedOutcome):
            assert answer.reservation.agent in ({agent} if kept or agent in able - earmarked else able)
            self.check_earmark(answer.reservation, before)
            self.write_down(ask, answer)
            self.plain.contacts[answer.reservation.contact].preferred = agent
            return
        assert isinstance(answer, QueuedOutcome if ask.wait else Unmatched)
        if not kept:
            self.check_nobody_was_free(able, earmarked, answer)
        if isinstance(answer, QueuedOutcome):
            self.plain.enqueue(answer.contact, ask)
            self.plain.contacts[answer.contact].preferred = agent

    def refusal_of(
        self, known: PlainContact | None, agent: str, *, over: bool, ignore: bool
    ) -> type[MatcherError] | None:
        """Return the error that an assignment must get, None where it must be done."""
        if known and known.state is ContactState.ASSIGNED:
            return ContactHeld
        if known and not CONTACT_NEXT[known.state]:
            return ContactEnded
        if agent not in self.plain.agents:
            return AgentNotFound
        pool, channel = (known.pool, known.channel) if known else ("default", "chat")
        profile = self.plain.agents[agent].profile
        terms = profile.capacity.channels.get(channel)
        met = pool in profile.pools and terms and self.plain.agents[agent].status is ONLINE
        if not (met and not (known and agent in known.barred)) and not ignore:
            return ConstraintsUnmet
        cost, most = (terms.cost, terms.max) if terms else (1, 0)
        others = [
            held
            for held_name, held in self.plain.held(agent).items()
            if not (known and known.state is ContactState.RESERVED and held_name == known.reservation)
        ]
        on_channel = sum(held.channel == channel and not held.idle for held in others)
        fits = sum(held.counts for held in others) + cost <= profile.capacity.total
        return None if over or (fits and (not most or on_channel < most)) else AgentFull

    def write_down_assigned(self, answer: ReservedOutcome, known: PlainContact) -> None:
        """Check an assignment, and note it: an offer is withdrawn, and the contact leaves the queue."""
        held = answer.reservation
        terms = self.plain.agents[held.agent].profile.capacity.channels.get(known.channel)
        cost, state = terms.cost if terms else 1, held.state
        assert state in (PENDING, ACCEPTED)
        assert (held.cost, held.basis, held.actor, held.pool) == (cost, Basis.ASSIGNED, "eva", known.pool)
        assert held.fence > self.plain.fences.get(held.agent, 0)
        offered = known.reservation if known.state is ContactState.RESERVED else ""
        waits = known.waits or known.may_wait_again
        made = PlainReservation(held.agent, held.contact, known.channel, cost, held.fence, state, pool=known.pool)
        self.plain.hold(held.id, made, waits=waits)
        self.plain.contacts[held.contact].only = ""
        if offered:
            old = self.plain.reservations[offered]
            old.state = ReservationState.CANCELED
            self.plain.freed(old.agent)
