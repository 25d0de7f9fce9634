"""Those who wait, who are handed on, and conversations at rest: what becomes of them at the two servers."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from matcher.errors import ContactNotFound, ContactStateWrong, MatcherError
from matcher.model import Message, Outcome, QueuedOutcome, Requirements, ReservedOutcome, Unmatched, Wait
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.model.requests import TransferRequest
from tests.state_machine.drawn import ACCEPTED, LATER_MS, LONG_PAST_MS, PENDING, agents, picks, pools, servers, texts
from tests.state_machine.plain import FOREVER, PlainReservation
from tests.state_machine.platforms import Platforms
from tests.state_machine.stored import Stored
from tests.store.access import store_now_ms


class Lines(Platforms):
    """Keep the queue, and hand contacts on."""

    @precondition(lambda self: self.plain.line())
    @rule(server=servers)
    def serve(self, server: int) -> None:
        """Let a server offer to those who wait, as its dispatcher does: nobody is left whom somebody can take."""
        self.run(self.everybody_catches_up())
        house = self.houses[server]

        async def serving() -> None:
            await (await house.dispatcher(self.site)).serve()

        self.run(serving())
        # Who became free and can take nobody who waits has been given back.
        self.plain.kept.clear()
        stored = self.stored()
        served = [name for name in self.plain.line() if name not in stored.queue]
        # By the microseconds of the store's clock in their fences.
        for name in sorted(served, key=lambda name: self.fence_of(name, stored)):
            self.write_down_served(name, stored)
        left = [name for name in self.plain.line() if self.plain.contacts[name].state is not ContactState.EXPIRED]
        assert not any(self.plain.able_to_serve(name) for name in left)

    def fence_of(self, contact: str, stored: Stored) -> int:
        """Read the fence of a contact's reservation."""
        return stored.reservation(stored.contact(contact).reservation).fence

    def write_down_served(self, name: str, stored: Stored) -> None:
        """Check who was held for a contact that waited, and write it down."""
        known, held = self.plain.contacts[name], stored.reservation(stored.contact(name).reservation)
        assert held.id not in self.plain.reservations
        assert held.agent in self.plain.able_to_serve(name)
        cost = self.plain.agents[held.agent].profile.capacity.channels[known.channel].cost
        state = ACCEPTED if known.auto_accept else PENDING
        assert (held.cost, held.state, held.contact) == (cost, state, name)
        assert held.fence > self.plain.fences.get(held.agent, 0)
        one = PlainReservation(held.agent, name, known.channel, cost, held.fence, state, pool=known.pool)
        self.plain.hold(held.id, one, waits=True)
        self.check_capacity(held.agent, held.channel)

    @precondition(lambda self: self.plain.contacts)
    @rule(server=servers, pick=picks, twice=st.booleans())
    def cancel_a_contact(self, server: int, pick: int, twice: bool) -> None:
        """Give a contact up, wherever it is."""
        name = list(self.plain.contacts)[pick % len(self.plain.contacts)]
        known = self.plain.contacts[name]
        done = self.attempt(self.houses[server].contacts.cancel(self.site, name), twice=twice)
        if known.state in {ContactState.CLOSED, ContactState.EXPIRED}:
            assert isinstance(done, ContactStateWrong), done
            return
        assert not isinstance(done, MatcherError), done
        assert done.state is ContactState.CANCELED
        if known.state in {ContactState.RESERVED, ContactState.ASSIGNED}:
            self.plain.becomes(known.reservation, ReservationState.CANCELED)
        self.plain.ends(known, ContactState.CANCELED)

    @precondition(lambda self: any(one.state is ContactState.ASSIGNED for one in self.plain.contacts.values()))
    @rule(
        server=servers,
        pick=picks,
        pool=pools,
        agent=st.one_of(st.just(""), st.just(""), agents),
        text=st.one_of(st.none(), texts),
        wait=st.booleans(),
        twice=st.booleans(),
    )
    def hand_on(self, server: int, pick: int, pool: str, agent: str, text: str | None, wait: bool, twice: bool) -> None:
        """Hand a conversation on: to a pool, to an agent, or to someone whom a new text meets."""
        talking = [name for name, one in self.plain.contacts.items() if one.state is ContactState.ASSIGNED]
        name = talking[pick % len(talking)]
        known = self.plain.contacts[name]
        old = self.plain.reservations[known.reservation]
        self.run(self.everybody_catches_up())
        before = self.stored()
        able = self.plain.able(pool, known.channel, {*known.excluded, old.agent}, agent)
        answer = self.attempt(self.handed_on(server, name, pool, agent, text, wait), twice=twice)
        if not isinstance(answer, ReservedOutcome):
            self.check_nobody_was_free(able, set(before.kept()), answer)
            assert isinstance(answer, QueuedOutcome if wait else Unmatched), answer
            if wait:
                known.in_line = known.waits = known.moving = True
                known.wait_is_over, known.pool, known.only, known.auto_accept = False, pool, agent, False
                known.excluded[old.agent] = FOREVER
            return
        held = answer.reservation
        assert held.agent in able, (held, able, self.plain.held(held.agent))
        self.check_earmark(held, before)
        cost = self.plain.agents[held.agent].profile.capacity.channels[known.channel].cost
        assert (held.cost, held.state, held.contact) == (cost, PENDING, name)
        known.moving = True
        one = PlainReservation(held.agent, name, known.channel, cost, held.fence, PENDING, pool=pool)
        # Once the old slot is free, an offer that comes to nothing leaves the contact in line, whatever was asked.
        self.plain.hold(held.id, one, waits=True)
        known.wait_is_over, known.only, known.auto_accept = False, agent, False
        self.check_capacity(held.agent, held.channel)

    async def handed_on(
        self, server: int, contact: str, pool: str, agent: str, text: str | None, wait: bool
    ) -> Outcome:
        """Ask a server to hand a contact on."""
        return await self.houses[server].router.transfer(
            self.site,
            TransferRequest(
                contact,
                pool_id=pool,
                agent=agent,
                message=None if text is None else Message(text, "", Requirements()),
                wait=Wait(LATER_MS) if wait else None,
            ),
        )

    @rule(server=servers, pick=picks, pool=pools)
    def hand_on_what_nobody_talks_about(self, server: int, pick: int, pool: str) -> None:
        """Only a conversation is handed on."""
        others = [name for name, one in self.plain.contacts.items() if one.state is not ContactState.ASSIGNED]
        name = [*others, "nobody"][pick % (len(others) + 1)]
        done = self.attempt(self.handed_on(server, name, pool, "", None, wait=False))
        assert isinstance(done, ContactNotFound if name == "nobody" else ContactStateWrong), done

    # What time does.

    @precondition(lambda self: any(one.waits for one in self.plain.contacts.values()))
    @rule(pick=picks)
    def wait_ends(self, pick: int) -> None:
        """Let a contact have waited as long as it may, by moving that time where the store keeps it."""
        waiting = [name for name, one in self.plain.contacts.items() if one.waits]
        name = waiting[pick % len(waiting)]

        async def passing() -> None:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            await self.connection.run("HSET", self.keys.contact(name), "waits", past)
            await self.connection.run("ZADD", self.keys.timers, "XX", past, f"contact|{name}")
            await self.forget_who_waits()

        self.run(passing())
        self.plain.contacts[name].wait_is_over = True

    @precondition(lambda self: any(not self.plain.reservations[name].rests for name in self.plain.live(ACCEPTED)))
    @rule(server=servers, pick=picks)
    def come_to_rest(self, server: int, pick: int) -> None:
        """Let nothing happen in a conversation for long, and a server write that down."""
        talking = [name for name in self.plain.live(ACCEPTED) if not self.plain.reservations[name].rests]
        name = talking[pick % len(talking)]

        async def passing() -> None:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            changed = await self.connection.run("ZADD", self.keys.timers, "XX", "CH", past, f"idle|{name}")
            self.plain.reservations[name].rests = bool(changed)

        overdue = {name for name, one in self.plain.reservations.items() if one.lapsed}
        self.run(passing())
        self.run(self.houses[server].sweep(self.site))
        self.plain.written_down(overdue)

    @rule()
    def earmarks_end(self) -> None:
        """Let the time pass for which agents are kept for those who wait."""

        async def passing() -> None:
            for agent in self.plain.agents:
                await self.connection.run("HDEL", self.keys.agent(agent), "earmark")

        self.run(passing())
        self.plain.kept.clear()
