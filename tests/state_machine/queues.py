"""The rules of the queue, of transfers and of idle conversations."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from matcher.errors import AgentNotFound, ContactHeld, ContactNotFound, ContactStateWrong, FieldsInvalid, MatcherError
from matcher.model import (
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
from matcher.model.lifecycle import ContactState
from matcher.model.requests import TransferRequest
from tests.state_machine.plain_records import FOREVER, PlainReservation
from tests.state_machine.platforms import Platforms
from tests.state_machine.strategies import (
    ACCEPTED,
    LATER_MS,
    LONG_PAST_MS,
    PENDING,
    agents,
    picks,
    pools,
    servers,
    texts,
)
from tests.store.access import store_now_ms


class Queues(Platforms):
    """Serve the queue, transfer contacts, and let conversations become idle."""

    @precondition(lambda self: self.plain.queued())
    @rule(server=servers)
    def serve(self, server: int) -> None:
        """Let a server's dispatcher serve the queue: no contact is left that an agent can serve."""
        self.run(self.catch_up_all())
        instance, before = self.instances[server], self.stored()

        async def serving() -> dict[str, list[Hold]]:
            await (await instance.dispatcher(self.site)).serve()
            return await before.held_since(self.connection, self.site)

        made = self.run(serving())
        # An agent who can serve no waiting contact is no longer earmarked.
        self.plain.earmarked.clear()
        stored = self.stored()
        served = [name for name in self.plain.queued() if name not in stored.queue]
        assert sorted(stored.reservation(held).contact for held in made) == sorted(served)
        for held, holds in made.items():
            self.write_down_served(stored.reservation(held), holds)
        # What has lapsed is served once a sweep has noted that.
        waiting = {name: self.plain.contacts[name] for name in self.plain.queued()}
        left = [
            name for name, contact in waiting.items() if contact.state is not ContactState.EXPIRED and not contact.lost
        ]
        assert not any(self.plain.able_to_serve(name) for name in left)

    def write_down_served(self, held: Reservation, holds: list[Hold]) -> None:
        """Check the agent who was reserved for a waiting contact, and note the reservation.

        holds: the agent's as the reservation was made. Later in the same pass a transfer may end an idle conversation
        of the agent, whose wrap-up counts in full.
        """
        known = self.plain.contacts[held.contact]
        assert held.id not in self.plain.reservations
        assert held.agent in self.plain.able_to_serve(held.contact)
        cost = self.plain.agents[held.agent].profile.capacity.channels[known.channel].cost
        state = ACCEPTED if known.auto_accept else PENDING
        assert (held.cost, held.state) == (cost, state)
        assert held.fence > self.plain.fences.get(held.agent, 0)
        reservation = PlainReservation(
            held.agent, held.contact, known.channel, cost, held.fence, state, pool=known.pool
        )
        self.plain.hold(held.id, reservation, waits=True)
        self.check_arm(held)
        self.check_capacity(held.agent, held.channel, holds)

    @precondition(lambda self: self.plain.contacts)
    @rule(server=servers, pick=picks, twice=st.booleans())
    def cancel_a_contact(self, server: int, pick: int, twice: bool) -> None:
        """Cancel a contact in any state."""
        name = list(self.plain.contacts)[pick % len(self.plain.contacts)]
        known = self.plain.contacts[name]
        done = self.attempt(self.instances[server].contacts.cancel(self.site, name), twice=twice)
        if known.state in {ContactState.CLOSED, ContactState.EXPIRED}:
            assert isinstance(done, ContactStateWrong), done
            return
        assert not isinstance(done, MatcherError), done
        assert done.state is ContactState.CANCELED
        if known.state in {ContactState.RESERVED, ContactState.ASSIGNED}:
            made = self.plain.makes(known.reservation, "cancel")
            assert made is not None
            self.plain.becomes(known.reservation, made)
        self.plain.ends(known, ContactState.CANCELED)

    @precondition(lambda self: any(contact.state is ContactState.ASSIGNED for contact in self.plain.contacts.values()))
    @rule(
        server=servers,
        pick=picks,
        pool=pools,
        agent=st.one_of(st.just(""), st.just(""), agents),
        text=st.one_of(st.none(), texts),
        wait=st.booleans(),
        twice=st.booleans(),
    )
    def transfer(
        self, server: int, pick: int, pool: str, agent: str, text: str | None, wait: bool, twice: bool
    ) -> None:
        """Transfer a conversation to a pool, to an agent, or to an agent who matches a new text."""
        talking = [name for name, contact in self.plain.contacts.items() if contact.state is ContactState.ASSIGNED]
        name = talking[pick % len(talking)]
        known = self.plain.contacts[name]
        old = self.plain.reservations[known.reservation]
        self.run(self.catch_up_all())
        before = self.stored()
        able = self.plain.able(pool, known.channel, {*known.barred, old.agent}, agent)
        answer = self.attempt(self.send_transfer(server, name, pool, agent, text, wait), twice=twice)
        if known.offered:
            assert isinstance(answer, ContactHeld), answer
            return
        if agent == old.agent or (agent and agent not in self.plain.agents):
            assert isinstance(answer, FieldsInvalid if agent == old.agent else AgentNotFound), answer
            return
        if not isinstance(answer, ReservedOutcome):
            self.check_nobody_was_free(able, set(before.earmarked()), answer)
            assert isinstance(answer, QueuedOutcome if wait else Unmatched), answer
            if wait:
                known.in_queue = known.waits = known.moving = known.may_wait_again = True
                known.wait_is_over, known.pool, known.only, known.auto_accept = False, pool, agent, False
                known.preferred = ""
                known.exclude(old.agent, FOREVER)
            return
        held = answer.reservation
        assert held.agent in able, (held, able, self.plain.held(held.agent))
        # A contact older than all that wait overtakes none of them: what is kept for them is free for it.
        if int(before.hashes["contact"][name]["created"]) > min(before.queue.values(), default=0):
            self.check_earmark(held, before)
        cost = self.plain.agents[held.agent].profile.capacity.channels[known.channel].cost
        assert (held.cost, held.state, held.contact) == (cost, PENDING, name)
        known.moving = True
        reservation = PlainReservation(held.agent, name, known.channel, cost, held.fence, PENDING, pool=pool)
        # The old hold has ended: so the contact waits if the offer is not accepted, also without a wait in the request.
        self.plain.hold(held.id, reservation, waits=True)
        known.wait_is_over, known.only, known.auto_accept, known.preferred = False, agent, False, ""
        self.check_arm(held)
        self.check_capacity(held.agent, held.channel)

    @precondition(lambda self: self.talking())
    @rule(server=servers, pick=picks, pool=pools, twice=st.booleans())
    def offer_a_conversation(self, server: int, pick: int, pool: str, twice: bool) -> None:
        """Transfer a conversation whose agent keeps the contact until the new agent accepts."""
        name = self.talking()[pick % len(self.talking())]
        known = self.plain.contacts[name]
        old = self.plain.reservations[known.reservation]
        self.run(self.catch_up_all())
        before = self.stored()
        able = self.plain.able(pool, known.channel, {*known.barred, old.agent})
        sent = self.send_transfer(server, name, pool, "", None, wait=False, keeps_agent=True)
        answer = self.attempt(sent, twice=twice)
        if not isinstance(answer, ReservedOutcome):
            self.check_nobody_was_free(able, set(before.earmarked()), answer)
            assert isinstance(answer, Unmatched), answer
            return
        held = answer.reservation
        assert held.agent in able, (held, able)
        cost = self.plain.agents[held.agent].profile.capacity.channels[known.channel].cost
        assert (held.cost, held.state, held.takes_over) == (cost, PENDING, known.reservation)
        reservation = PlainReservation(held.agent, name, known.channel, cost, held.fence, PENDING, pool=pool)
        self.plain.offer(held.id, reservation)
        self.check_capacity(held.agent, held.channel)

    def talking(self) -> list[str]:
        """Name the contacts in a conversation whose agent has answered, and that nobody else is offered."""
        return [
            name
            for name, contact in self.plain.contacts.items()
            if contact.state is ContactState.ASSIGNED
            and not contact.offered
            and not self.plain.reservations[contact.reservation].unanswered
        ]

    async def send_transfer(
        self,
        server: int,
        contact: str,
        pool: str,
        agent: str,
        text: str | None,
        wait: bool,
        *,
        keeps_agent: bool = False,
    ) -> Outcome:
        """Send a transfer to a server."""
        return await self.instances[server].router.transfer(
            self.site,
            TransferRequest(
                contact,
                pool_id=pool,
                agent=agent,
                message=None if text is None else Message(text, "", Requirements()),
                wait=Wait(LATER_MS) if wait else None,
                keeps_agent=keeps_agent,
            ),
        )

    @rule(server=servers, pick=picks, pool=pools)
    def transfer_a_contact_without_a_conversation(self, server: int, pick: int, pool: str) -> None:
        """Transfer a contact that no agent has accepted: that is refused."""
        others = [name for name, contact in self.plain.contacts.items() if contact.state is not ContactState.ASSIGNED]
        name = [*others, "nobody"][pick % (len(others) + 1)]
        done = self.attempt(self.send_transfer(server, name, pool, "", None, wait=False))
        assert isinstance(done, ContactNotFound if name == "nobody" else ContactStateWrong), done

    # The rules of time.

    @precondition(lambda self: any(contact.waits for contact in self.plain.contacts.values()))
    @rule(pick=picks)
    def wait_ends(self, pick: int) -> None:
        """Let a contact's wait expire, by moving its end in the store."""
        waiting = [name for name, contact in self.plain.contacts.items() if contact.waits]
        name = waiting[pick % len(waiting)]

        async def passing() -> None:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            await self.connection.run("HSET", self.keys.contact(name), "waits", past)
            await self.connection.run("ZADD", self.keys.timers, "XX", past, f"contact|{name}")
            await self.connection.run("HSET", self.keys.life, "due", 0)
            await self.forget_queued_contacts()

        self.run(passing())
        self.plain.contacts[name].wait_is_over = True

    @precondition(lambda self: any(not self.plain.reservations[name].idle for name in self.plain.live(ACCEPTED)))
    @rule(server=servers, pick=picks)
    def become_idle(self, server: int, pick: int) -> None:
        """Let a conversation become idle, and a server sweep it."""
        talking = [name for name in self.plain.live(ACCEPTED) if not self.plain.reservations[name].idle]
        name = talking[pick % len(talking)]

        async def passing() -> bool:
            past = await store_now_ms(self.connection) - LONG_PAST_MS
            changed = await self.connection.run("ZADD", self.keys.timers, "XX", "CH", past, f"idle|{name}")
            await self.connection.run("HSET", self.keys.life, "due", 0)
            return bool(changed)

        overdue = list(self.plain.lapses)
        is_idle = self.run(passing())
        self.run(self.instances[server].sweep(self.site))
        self.plain.written_down(overdue)
        # The sweep writes deadlines first: there the conversation still counts.
        reservation = self.plain.reservations[name]
        reservation.idle = is_idle and reservation.state is ACCEPTED

    @rule()
    def earmarks_end(self) -> None:
        """Let the time pass for which agents are earmarked for the queue."""

        async def passing() -> None:
            for agent in self.plain.agents:
                await self.connection.run("HDEL", self.keys.agent(agent), "earmark")

        self.run(passing())
        self.plain.earmarked.clear()
