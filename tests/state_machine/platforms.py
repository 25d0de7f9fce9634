"""The rules of platforms and of time: what they do at the two servers, and what must follow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from matcher.errors import (
    ContactEnded,
    ContactHeld,
    FenceStale,
    FieldsInvalid,
    MatcherError,
    RequestIdReused,
    ReservationLapsed,
    ReservationStateWrong,
)
from matcher.model import (
    Basis,
    Experience,
    Hold,
    Message,
    Outcome,
    QueuedOutcome,
    Requirements,
    Reservation,
    ReservedOutcome,
    Unmatched,
    Wait,
)
from matcher.model.choice import choose
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.model.requests import RouteRequest
from matcher.ranking.comparison import is_control
from tests.state_machine.admins import Admins
from tests.state_machine.plain_records import FOREVER, LATER, MAKES, Ask, PlainReservation
from tests.state_machine.stored import Stored
from tests.state_machine.strategies import (
    ACCEPTED,
    LATER_MS,
    LONG_PAST_MS,
    PENDING,
    WRAPPING,
    asks,
    contacts,
    picks,
    requests,
    servers,
)
from tests.store.access import store_now_ms


class Platforms(Admins):
    """Route contacts, change reservations, and let time pass."""

    # The rules of platforms.

    @rule(
        server=servers,
        ask=asks(contacts, st.booleans()),
        request=requests,
        current=st.booleans(),
        twice=st.booleans(),
    )
    def route(self, server: int, ask: Ask, request: str, current: bool, twice: bool) -> None:
        """Route a message, and check the answer."""
        if current:
            self.run(self.catch_up_all())
        known = self.plain.requests.get(request)
        contact = self.plain.contacts.get(ask.contact)
        before = self.stored()
        answer = self.attempt(self.send_route(server, ask, request), twice=twice)
        if known is not None and known[0] != ask:
            assert isinstance(answer, RequestIdReused), answer
        elif known is not None:
            self.check_replay(known[1], known[2], answer)
        elif contact and contact.state in {ContactState.RESERVED, ContactState.ASSIGNED}:
            assert isinstance(answer, ContactHeld), answer
        elif contact and contact.state not in {ContactState.QUEUED, ContactState.RETURNED}:
            assert isinstance(answer, ContactEnded), answer
        elif contact and contact.channel != ask.channel:
            assert isinstance(answer, FieldsInvalid), answer
        else:
            self.check_new_answer(ask, request, answer, before, current, twice)

    def check_replay(self, contact: str, reservation: str, answer: Outcome | MatcherError) -> None:
        """Check the answer to a repeated request: the ids of the first answer, with the states of now."""
        known = self.plain.contacts[contact]
        if isinstance(answer, QueuedOutcome):
            # The server may not know yet that the contact waits no more.
            assert not reservation
            assert answer.replayed
            assert answer.contact == contact
            return
        if not reservation and known.state in {ContactState.CANCELED, ContactState.EXPIRED}:
            assert isinstance(answer, ContactEnded), answer
            return
        assert isinstance(answer, ReservedOutcome), answer
        assert answer.replayed
        assert answer.reservation.id == (reservation or known.reservation)
        assert answer.reservation.state is self.plain.reservations[answer.reservation.id].state

    def send_route(self, server: int, ask: Ask, request: str) -> Awaitable[Outcome]:
        """Send a route to a server."""
        return self.instances[server].router.route(
            self.site,
            RouteRequest(
                Message(ask.text, "", Requirements(pool=ask.pool, channel=ask.channel)),
                contact_id=ask.contact,
                request_id=request,
                digest=repr(ask).encode(),
                auto_accept=ask.auto_accept,
                wait=Wait(LATER_MS) if ask.wait else None,
            ),
        )

    @rule(ask=asks(st.just(""), st.just(value=False)), count=st.integers(2, 6))
    def rush(self, ask: Ask, count: int) -> None:
        """Send several routes at once to both servers: as many agents are reserved as have free capacity."""

        async def rushing() -> list[Outcome]:
            return await asyncio.gather(*(self.send_route(number % 2, ask, "") for number in range(count)))

        earmarked = set(self.stored().earmarked())
        answers = self.run(rushing())
        held = [answer for answer in answers if isinstance(answer, ReservedOutcome)]
        for answer in sorted(held, key=lambda outcome: outcome.reservation.fence):
            assert answer.reservation.agent in self.plain.eligible(ask)
            self.write_down(ask, answer)
        assert len(held) == count or self.plain.eligible(ask) <= earmarked

    def check_new_answer(
        self, ask: Ask, request: str, answer: Outcome | MatcherError, before: Stored, current: bool, twice: bool
    ) -> None:
        """Check the agent who was reserved for a new request, and note the reservation."""
        assert not isinstance(answer, MatcherError), answer
        eligible = self.plain.eligible(ask)
        earmarked = before.earmarked()
        if not isinstance(answer, ReservedOutcome):
            if current:
                self.check_nobody_was_free(eligible, set(earmarked), answer)
            assert isinstance(answer, QueuedOutcome if ask.wait else Unmatched)
            if isinstance(answer, QueuedOutcome):
                assert ask.contact in ("", answer.contact)
                self.plain.enqueue(answer.contact, ask)
                if request:
                    self.plain.requests[request] = (ask, answer.contact, "")
            return
        held = answer.reservation
        assert answer.replayed == (twice and bool(request))
        assert held.agent in eligible
        self.check_earmark(held, before)
        if not set(earmarked) & eligible:
            self.check_choice(held.agent, eligible, answer)
        assert held.contact == (ask.contact or held.contact)
        self.write_down(ask, answer)
        self.check_arm(held)
        if request:
            self.plain.requests[request] = (ask, held.contact, held.id)
        self.check_capacity(held.agent, held.channel)

    def check_nobody_was_free(self, able: set[str], earmarked: set[str], answer: Outcome | MatcherError) -> None:
        """Check that every able agent is earmarked for the queue; a contact that may wait joins the queue then.

        The dispatcher decides for it together with the queue: so it may be queued because its best agent is earmarked,
        while other agents are free.
        """
        assert not able - earmarked or (isinstance(answer, QueuedOutcome) and able & earmarked), (
            answer,
            able,
            earmarked,
        )

    def check_capacity(self, agent: str, channel: str, holds: Iterable[Hold] | None = None) -> None:
        """Check that the agent's holds are within the agent's capacity; None: those in the store at this moment."""
        capacity = self.plain.agents[agent].profile.capacity
        holds = list(self.stored().leases.get(agent, {}).values() if holds is None else holds)
        assert sum(hold.cost for hold in holds) <= capacity.total
        most = capacity.channels[channel].max
        assert not most or sum(hold.channel == channel and hold.cost > 0 for hold in holds) <= most

    def check_earmark(self, held: Reservation, before: Stored) -> None:
        """Check that a new message gets no agent who is earmarked for the queue."""
        assert not (self.plain.queued() and held.agent in self.plain.earmarked)
        until = before.earmarked().get(held.agent, 0)
        if until == math.inf:
            assert not self.plain.awaited(held.agent)
        else:
            assert until <= held.created_ms

    def write_down(self, ask: Ask, answer: ReservedOutcome) -> None:
        """Note a new reservation; its fence must be above all earlier fences of the agent."""
        held = answer.reservation
        cost = self.plain.agents[held.agent].profile.capacity.channels[ask.channel].cost
        state = ACCEPTED if ask.auto_accept else PENDING
        assert (held.cost, held.state) == (cost, state)
        assert held.fence > self.plain.fences.get(held.agent, 0)
        reservation = PlainReservation(held.agent, held.contact, ask.channel, cost, held.fence, state, pool=ask.pool)
        self.plain.hold(held.id, reservation, waits=ask.wait)
        contact = self.plain.contacts[held.contact]
        contact.auto_accept, contact.only, contact.preferred = ask.auto_accept, "", ""
        if ask.wait:
            contact.wait_is_over = False

    def check_choice(self, taken: str, eligible: set[str], answer: ReservedOutcome) -> None:
        """Check that no candidate with free capacity within the tolerance of the best had less load.

        Of a control contact every candidate counts; and what the store saw leads to the same agent again.
        """
        decision = self.run(self.instances[0].reservations.decision(self.site, answer.reservation.decision))
        ranking = decision.ranking
        affinity = {candidate.agent: candidate.affinity for candidate in ranking.candidates}
        tolerance = ranking.affinity_tolerance if ranking.basis is Basis.AFFINITY else -1.0
        assert choose(decision.seen, affinity, tolerance) == taken
        if ranking.basis not in (Basis.AFFINITY, Basis.CONTROL):
            return
        affinity = {agent: value for agent, value in affinity.items() if agent in eligible}
        equal_from = max(affinity.values()) - ranking.affinity_tolerance
        by_affinity = ranking.basis is Basis.AFFINITY
        equals = {agent for agent, value in affinity.items() if value >= equal_from or not by_affinity}
        assert taken in equals
        used = {agent: self.plain.utilization(agent) for agent in equals}
        assert used[taken] == min(used.values())

    def check_arm(self, held: Reservation) -> None:
        """Check that a contact has the arm that it had before, and is served by it."""
        stored = self.run(self.instances[0].contacts.contact(self.site, held.contact))
        assert self.arms.setdefault(held.contact, stored.draw) == stored.draw
        decision = self.run(self.instances[0].reservations.decision(self.site, held.decision))
        assert (decision.comparison.draw if decision.comparison else None) == stored.draw
        assert (held.basis is Basis.CONTROL) <= is_control(stored.draw)

    @rule(server=servers, ask=asks(st.just(""), st.booleans()))
    def route_someone_new(self, server: int, ask: Ask) -> None:
        """Route a new contact, as most platforms do."""
        self.route(server=server, ask=ask, request="", current=True, twice=False)

    @precondition(lambda self: self.plain.requests)
    @rule(server=servers, pick=picks, twice=st.booleans())
    def repeat_a_request(self, server: int, pick: int, twice: bool) -> None:
        """Send a request again."""
        request = sorted(self.plain.requests)[pick % len(self.plain.requests)]
        self.route(server=server, ask=self.plain.requests[request][0], request=request, current=False, twice=twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, fenced=st.booleans(), twice=st.booleans())
    def accept(self, server: int, pick: int, fenced: bool, twice: bool) -> None:
        """Accept an offer, or an accepted reservation again."""
        self.transition(server, self.pick_live(pick), "accept", fenced, None, twice)

    @precondition(lambda self: self.plain.live(PENDING))
    @rule(server=servers, pick=picks, retry=st.sampled_from([None, 0, LATER_MS]), twice=st.booleans())
    def decline(self, server: int, pick: int, retry: int | None, twice: bool) -> None:
        """Decline an offer; the agent is excluded for ever, not at all, or for a while."""
        self.transition(server, self.pick_live(pick, PENDING), "decline", True, retry, twice)

    @precondition(lambda self: self.plain.live(ACCEPTED, WRAPPING))
    @rule(
        server=servers,
        pick=picks,
        verb=st.sampled_from(["complete", "complete", "end_wrap_up"]),
        fenced=st.booleans(),
        twice=st.booleans(),
    )
    def complete(self, server: int, pick: int, verb: str, fenced: bool, twice: bool) -> None:
        """Complete a conversation, a completed one again, or end its wrap-up."""
        name = self.pick_live(pick, ACCEPTED, WRAPPING)
        self.transition(server, name, verb, fenced, None, twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, verb=st.sampled_from(["cancel", "renew", "touch"]), twice=st.booleans())
    def cancel_or_renew(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Cancel a reservation, or prolong it."""
        self.transition(server, self.pick_live(pick), verb, True, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), twice=st.booleans())
    def try_anything(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Try any verb on a reservation in any state."""
        names = list(self.plain.reservations)
        self.transition(server, names[pick % len(names)], verb, False, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), older=st.sampled_from([-1, 1]))
    def use_another_fence(self, server: int, pick: int, verb: str, older: int) -> None:
        """Try any verb with a wrong fence."""
        names = list(self.plain.reservations)
        name = names[pick % len(names)]
        done = self.attempt(self.call(server, name, verb, self.plain.reservations[name].fence + older, None))
        assert isinstance(done, FenceStale), done

    def call(self, server: int, name: str, verb: str, fence: int, retry: int | None) -> Awaitable[Reservation]:
        """Call a verb of a reservation at a server."""
        desk = self.instances[server].reservations
        calls: dict[str, Callable[[], Awaitable[Reservation]]] = {
            "accept": lambda: desk.accept(self.site, name, fence),
            "decline": lambda: desk.decline(self.site, name, fence, "", retry),
            "renew": lambda: desk.renew(self.site, name, fence, LATER_MS),
            "end_wrap_up": lambda: desk.end_wrap_up(self.site, name, fence),
            "complete": lambda: desk.complete(self.site, name, fence, Experience()),
            "cancel": lambda: desk.cancel(self.site, name, fence),
            "touch": lambda: desk.touch(self.site, name, fence),
        }
        return calls[verb]()

    def transition(self, server: int, name: str, verb: str, fenced: bool, retry: int | None, twice: bool) -> None:
        """Call a verb of a reservation, and check the state after it."""
        reservation = self.plain.reservations[name]
        done = self.attempt(self.call(server, name, verb, reservation.fence if fenced else 0, retry), twice=twice)
        wraps_up_lapsed = reservation.state is WRAPPING and reservation.ends is ReservationState.EXPIRED
        makes = self.plain.makes(name, verb)
        ended = self.plain.contacts[reservation.contact].state is ContactState.EXPIRED
        if verb == "accept" and reservation.state is PENDING and reservation.takes_over and ended:
            # The old agent's conversation has expired, and no sweep has noted that.
            assert isinstance(done, ReservationLapsed), done
        elif makes is None and (reservation.state is ReservationState.EXPIRED or wraps_up_lapsed):
            assert isinstance(done, ReservationLapsed), done
        elif makes is None:
            # A lapsed wrap-up answers with the lapse until it is swept.
            assert isinstance(done, ReservationStateWrong) or (
                reservation.lapsed and isinstance(done, ReservationLapsed)
            ), done
        else:
            assert not isinstance(done, MatcherError), done
            assert done.state is makes
            if verb in {"renew", "touch"}:
                reservation.idle = reservation.unanswered = False
            was_offered = reservation.state is PENDING
            self.plain.becomes(name, makes, excluded={None: FOREVER, 0: "", LATER_MS: LATER}[retry])
            if was_offered and verb == "accept":
                self.plain.agents[reservation.agent].declined = 0
            if was_offered and verb == "decline" and self.plain.declines(reservation):
                self.withdraw_offers(reservation.agent)

    def pick_live(self, pick: int, *states: ReservationState) -> str:
        """Return the id of a live reservation."""
        live = self.plain.live(*states)
        return live[pick % len(live)]

    # The rules of time.

    @precondition(lambda self: self.plain.live())
    @rule(pick=picks)
    def lapse(self, pick: int) -> None:
        """Let a deadline pass, by moving it in the store."""
        name = self.pick_live(pick)
        reservation = self.plain.reservations[name]

        async def passing() -> None:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            member = f"{name}|{reservation.channel}|{reservation.counts}"
            await self.connection.pipeline(
                [
                    ("HSET", self.keys.reservation(name), "deadline", past),
                    ("ZADD", self.keys.holds(reservation.agent), "XX", past, member),
                    ("ZADD", self.keys.due, "XX", past, f"reservation|{name}"),
                    ("HSET", self.keys.life, "due", 0),
                    ("XADD", self.keys.load, "0-*", "e", f"hold|{reservation.agent}|{member}|{past}|{past}"),
                ]
            )
            if self.plain.contacts[reservation.contact].reservation == name:
                await self.connection.run("HSET", self.keys.contact(reservation.contact), "until", past)

        self.run(passing())
        self.plain.lapse(name)

    @precondition(lambda self: any(LATER in contact.excluded.values() for contact in self.plain.contacts.values()))
    @rule(pick=picks)
    def retry_after_passes(self, pick: int) -> None:
        """Let the time pass after which an excluded agent may be offered a contact again."""
        waiting = [
            (name, agent)
            for name, contact in self.plain.contacts.items()
            for agent, until in contact.excluded.items()
            if until == LATER
        ]
        name, agent = waiting[pick % len(waiting)]
        self.run(self.connection.run("HSET", self.keys.contact(name), f"x:{agent}", 1))
        self.run(self.forget_queued_contacts())
        del self.plain.contacts[name].excluded[agent]
