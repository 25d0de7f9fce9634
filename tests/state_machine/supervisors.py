"""The rule of supervisors: they assign contacts to agents by hand, above the capacity and against constraints."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from matcher.errors import AgentFull, AgentNotFound, ConstraintsUnmet, ContactEnded, ContactHeld, MatcherError
from matcher.model import Basis, Constraint, ReservedOutcome
from matcher.model.lifecycle import CONTACT_NEXT, ContactState, ReservationState
from matcher.model.requests import AssignRequest
from tests.state_machine.plain import PlainContact, PlainReservation
from tests.state_machine.queues import Queues
from tests.state_machine.strategies import ACCEPTED, ONLINE, PENDING, agents, servers

IGNORED: Final = frozenset({Constraint.POOL, Constraint.EXCLUDED, Constraint.CHANNEL, Constraint.STATUS})


class Supervisors(Queues):
    """Assign contacts by hand."""

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
