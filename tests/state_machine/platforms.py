"""What platforms and time do to the two servers, and what must come of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from matcher.errors import (
    ContactEnded,
    ContactHeld,
    FenceStale,
    MatcherError,
    RequestIdReused,
    ReservationLapsed,
    ReservationStateWrong,
)
from matcher.model import (
    Basis,
    Experience,
    Message,
    Outcome,
    QueuedOutcome,
    Requirements,
    Reservation,
    ReservedOutcome,
    Unmatched,
    Wait,
)
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.model.requests import RouteRequest
from tests.state_machine.admins import Admins
from tests.state_machine.drawn import (
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
from tests.state_machine.plain import FOREVER, LATER, MAKES, Ask, PlainReservation
from tests.state_machine.stored import Stored
from tests.store.access import store_now_ms


class Platforms(Admins):
    """What platforms and time do to the two servers, and what must come of it."""

    # What a platform does.

    @rule(
        server=servers,
        ask=asks(contacts, st.booleans()),
        request=requests,
        current=st.booleans(),
        twice=st.booleans(),
    )
    def route(self, server: int, ask: Ask, request: str, current: bool, twice: bool) -> None:
        """Ask for an agent."""
        if current:
            self.run(self.everybody_catches_up())
        known = self.plain.requests.get(request)
        contact = self.plain.contacts.get(ask.contact)
        before = self.stored()
        answer = self.attempt(self.asked(server, ask, request), twice=twice)
        if known is not None and known[0] != ask:
            assert isinstance(answer, RequestIdReused), answer
        elif known is not None:
            self.check_replay(known[1], known[2], answer)
        elif contact and contact.state in {ContactState.RESERVED, ContactState.ASSIGNED}:
            assert isinstance(answer, ContactHeld), answer
        elif contact and contact.state is not ContactState.QUEUED:
            assert isinstance(answer, ContactEnded), answer
        else:
            self.take_in(ask, request, answer, before, current, twice)

    def check_replay(self, contact: str, reservation: str, answer: Outcome | MatcherError) -> None:
        """Check the answer to a request that was answered before: the ids of then, the states of now."""
        known = self.plain.contacts[contact]
        if isinstance(answer, QueuedOutcome):
            # A server may not have heard yet that it waits no more.
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

    def asked(self, server: int, ask: Ask, request: str) -> Awaitable[Outcome]:
        """Ask a server for an agent."""
        return self.houses[server].router.route(
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
        """Ask for several agents at once, at both servers: as many are held as there is room for."""

        async def rushing() -> list[Outcome]:
            return await asyncio.gather(*(self.asked(number % 2, ask, "") for number in range(count)))

        kept = set(self.stored().kept())
        answers = self.run(rushing())
        held = [answer for answer in answers if isinstance(answer, ReservedOutcome)]
        for answer in sorted(held, key=lambda one: one.reservation.fence):
            assert answer.reservation.agent in self.plain.eligible(ask)
            self.write_down(ask, answer)
        assert len(held) == count or self.plain.eligible(ask) <= kept

    def take_in(
        self, ask: Ask, request: str, answer: Outcome | MatcherError, before: Stored, current: bool, twice: bool
    ) -> None:
        """Check who was held for a request that was not answered before, and write it down."""
        assert not isinstance(answer, MatcherError), answer
        eligible = self.plain.eligible(ask)
        kept = before.kept()
        if not isinstance(answer, ReservedOutcome):
            if current:
                self.check_nobody_was_free(eligible, set(kept), answer)
            assert isinstance(answer, QueuedOutcome if ask.wait else Unmatched)
            if isinstance(answer, QueuedOutcome):
                assert ask.contact in ("", answer.contact)
                self.plain.line_up(answer.contact, ask)
                if request:
                    self.plain.requests[request] = (ask, answer.contact, "")
            return
        held = answer.reservation
        assert answer.replayed == (twice and bool(request))
        assert held.agent in eligible
        self.check_earmark(held, before)
        if not set(kept) & eligible:
            self.check_choice(held.agent, eligible, answer)
        assert held.contact == (ask.contact or held.contact)
        self.write_down(ask, answer)
        if request:
            self.plain.requests[request] = (ask, held.contact, held.id)
        self.check_capacity(held.agent, held.channel)

    def check_nobody_was_free(self, able: set[str], kept: set[str], answer: Outcome | MatcherError) -> None:
        """Check that only those were passed over who are kept for others; who may wait does so beside them.

        It is weighed with them in a moment: that the nearest to it is kept may put it in line while others are free.
        """
        assert not able - kept or (isinstance(answer, QueuedOutcome) and able & kept), (answer, able, kept)

    def check_capacity(self, agent: str, channel: str) -> None:
        """Nothing is claimed above the capacity of this moment, as the store's own leases say."""
        capacity = self.plain.agents[agent].profile.capacity
        leases = self.stored().leases.get(agent, {}).values()
        assert sum(hold.cost for hold in leases) <= capacity.total
        most = capacity.channels[channel].max
        assert not most or sum(hold.channel == channel and hold.cost > 0 for hold in leases) <= most

    def check_earmark(self, held: Reservation, before: Stored) -> None:
        """No slot that became free for those who wait goes to a new message while it is kept for them."""
        assert not (self.plain.line() and held.agent in self.plain.kept)
        until = before.kept().get(held.agent, 0)
        if until == math.inf:
            assert not self.plain.awaited(held.agent)
        else:
            assert until <= held.created_ms

    def write_down(self, ask: Ask, answer: ReservedOutcome) -> None:
        """Write a new hold down, whose fence is above all before."""
        held = answer.reservation
        cost = self.plain.agents[held.agent].profile.capacity.channels[ask.channel].cost
        state = ACCEPTED if ask.auto_accept else PENDING
        assert (held.cost, held.state) == (cost, state)
        assert held.fence > self.plain.fences.get(held.agent, 0)
        one = PlainReservation(held.agent, held.contact, ask.channel, cost, held.fence, state, pool=ask.pool)
        self.plain.hold(held.id, one, waits=ask.wait)
        contact = self.plain.contacts[held.contact]
        contact.auto_accept, contact.only = ask.auto_accept, ""
        if ask.wait:
            contact.wait_is_over = False

    def check_choice(self, taken: str, eligible: set[str], answer: ReservedOutcome) -> None:
        """Of those asked about who had room, nobody within the tolerance of the best was less utilised."""
        decision = self.run(self.houses[0].reservations.decision(self.site, answer.reservation.decision))
        if decision.ranking.basis is not Basis.AFFINITY:
            return
        affinity = {one.agent: one.affinity for one in decision.ranking.candidates if one.agent in eligible}
        equal_from = max(affinity.values()) - decision.ranking.affinity_tolerance
        equals = {agent for agent, value in affinity.items() if value >= equal_from}
        assert taken in equals
        used = {agent: self.plain.utilization(agent) for agent in equals}
        assert used[taken] == min(used.values())

    @rule(server=servers, ask=asks(st.just(""), st.booleans()))
    def route_someone_new(self, server: int, ask: Ask) -> None:
        """Ask for an agent as most platforms do."""
        self.route(server=server, ask=ask, request="", current=True, twice=False)

    @precondition(lambda self: self.plain.requests)
    @rule(server=servers, pick=picks, twice=st.booleans())
    def repeat_a_request(self, server: int, pick: int, twice: bool) -> None:
        """Ask again what was answered before."""
        request = sorted(self.plain.requests)[pick % len(self.plain.requests)]
        self.route(server=server, ask=self.plain.requests[request][0], request=request, current=False, twice=twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, fenced=st.booleans(), twice=st.booleans())
    def accept(self, server: int, pick: int, fenced: bool, twice: bool) -> None:
        """Accept an offer, or what was accepted."""
        self.transition(server, self.a_live_one(pick), "accept", fenced, None, twice)

    @precondition(lambda self: self.plain.live(PENDING))
    @rule(server=servers, pick=picks, retry=st.sampled_from([None, 0, LATER_MS]), twice=st.booleans())
    def decline(self, server: int, pick: int, retry: int | None, twice: bool) -> None:
        """Decline an offer: for ever, for now, or for a while."""
        self.transition(server, self.a_live_one(pick, PENDING), "decline", True, retry, twice)

    @precondition(lambda self: self.plain.live(ACCEPTED, WRAPPING))
    @rule(server=servers, pick=picks, fenced=st.booleans(), twice=st.booleans())
    def complete(self, server: int, pick: int, fenced: bool, twice: bool) -> None:
        """End a conversation, or its wrap-up."""
        name = self.a_live_one(pick, ACCEPTED, WRAPPING)
        self.transition(server, name, "complete", fenced, None, twice)

    @precondition(lambda self: self.plain.live())
    @rule(server=servers, pick=picks, verb=st.sampled_from(["cancel", "renew", "touch"]), twice=st.booleans())
    def cancel_or_renew(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Give a slot back, or keep it longer."""
        self.transition(server, self.a_live_one(pick), verb, True, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), twice=st.booleans())
    def try_anything(self, server: int, pick: int, verb: str, twice: bool) -> None:
        """Do something with a reservation, whatever became of it."""
        names = list(self.plain.reservations)
        self.transition(server, names[pick % len(names)], verb, False, None, twice)

    @precondition(lambda self: self.plain.reservations)
    @rule(server=servers, pick=picks, verb=st.sampled_from(sorted(MAKES)), older=st.sampled_from([-1, 1]))
    def use_another_fence(self, server: int, pick: int, verb: str, older: int) -> None:
        """Do something with a fence that is not the reservation's."""
        names = list(self.plain.reservations)
        name = names[pick % len(names)]
        done = self.attempt(self.call(server, name, verb, self.plain.reservations[name].fence + older, None))
        assert isinstance(done, FenceStale), done

    def call(self, server: int, name: str, verb: str, fence: int, retry: int | None) -> Awaitable[Reservation]:
        """Call a server about a reservation."""
        desk = self.houses[server].reservations
        calls: dict[str, Callable[[], Awaitable[Reservation]]] = {
            "accept": lambda: desk.accept(self.site, name, fence),
            "decline": lambda: desk.decline(self.site, name, fence, "", retry),
            "renew": lambda: desk.renew(self.site, name, fence, LATER_MS),
            "complete": lambda: desk.complete(self.site, name, fence, Experience()),
            "cancel": lambda: desk.cancel(self.site, name, fence),
            "touch": lambda: desk.touch(self.site, name, fence),
        }
        return calls[verb]()

    def transition(self, server: int, name: str, verb: str, fenced: bool, retry: int | None, twice: bool) -> None:
        """Do something with a reservation, and check what becomes of it."""
        one = self.plain.reservations[name]
        done = self.attempt(self.call(server, name, verb, one.fence if fenced else 0, retry), twice=twice)
        makes = MAKES[verb].get(one.state)
        if makes is None and one.state is ReservationState.EXPIRED:
            assert isinstance(done, ReservationLapsed), done
        elif makes is None:
            # A wrap-up that lapsed says so until it is swept.
            assert isinstance(done, ReservationStateWrong) or (one.lapsed and isinstance(done, ReservationLapsed)), done
        else:
            if makes is WRAPPING and not self.plain.wraps_up.get(one.pool):
                makes = ReservationState.COMPLETED
            assert not isinstance(done, MatcherError), done
            assert done.state is makes
            if verb in {"renew", "touch"}:
                one.rests = False
            self.plain.becomes(name, makes, excluded={None: FOREVER, 0: "", LATER_MS: LATER}[retry])

    def a_live_one(self, pick: int, *states: ReservationState) -> str:
        """Pick a live reservation."""
        live = self.plain.live(*states)
        return live[pick % len(live)]

    # What time does.

    @precondition(lambda self: self.plain.live())
    @rule(pick=picks)
    def lapse(self, pick: int) -> None:
        """Let a deadline pass, by moving it where the store keeps it."""
        name = self.a_live_one(pick)
        one = self.plain.reservations[name]

        async def passing() -> None:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            member = f"{name}|{one.channel}|{one.counts}"
            await self.connection.pipeline(
                [
                    ("HSET", self.keys.reservation(name), "deadline", past),
                    ("ZADD", self.keys.holds(one.agent), "XX", past, member),
                    ("ZADD", self.keys.due, "XX", past, f"reservation|{name}"),
                    ("XADD", self.keys.load, "0-*", "e", f"hold|{one.agent}|{member}|{past}|{past}"),
                ]
            )
            if self.plain.contacts[one.contact].reservation == name:
                await self.connection.run("HSET", self.keys.contact(one.contact), "until", past)

        self.run(passing())
        self.plain.lapse(name)

    @precondition(lambda self: any(LATER in one.excluded.values() for one in self.plain.contacts.values()))
    @rule(pick=picks)
    def retry_after_passes(self, pick: int) -> None:
        """Let the time pass after which an agent may be offered a contact again."""
        waiting = [
            (name, agent)
            for name, one in self.plain.contacts.items()
            for agent, until in one.excluded.items()
            if until == LATER
        ]
        name, agent = waiting[pick % len(waiting)]
        self.run(self.connection.run("HSET", self.keys.contact(name), f"x:{agent}", 1))
        self.run(self.forget_who_waits())
        del self.plain.contacts[name].excluded[agent]
