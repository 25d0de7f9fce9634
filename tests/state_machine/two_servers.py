"""Two servers on one store and plain Python beside them, and what holds between the three at every moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

from matcher.errors import (
    MatcherError,
)
from matcher.model import (
    PoolPolicy,
)
from matcher.model.lifecycle import CONTACT_NEXT
from matcher.replica.affinity_floors import AffinityFloors
from matcher.store.keys import Keys
from tests.state_machine.drawn import (
    ACCEPTED,
    FAR_MS,
    LATER_MS,
    PENDING,
)
from tests.state_machine.house import House, Repeating
from tests.state_machine.plain import Plain
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder
from tests.store.laws import broken_laws
from tests.store.stage import Stage

T = TypeVar("T")


class TwoServers(RuleBasedStateMachine):
    """Two servers on one store, and plain Python beside them."""

    sites = itertools.count()

    def __init__(
        self, runner: asyncio.Runner, connection: Repeating, encoder: WordEncoder, floors: AffinityFloors
    ) -> None:
        super().__init__()
        self.runner = runner
        self.connection = connection
        self.parts = (encoder, floors)
        self.site = f"s{next(self.sites)}"
        self.keys = Keys(self.site)
        self.plain = Plain()
        self.houses: list[House] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop that both servers live on."""
        return self.runner.run(work)

    def open_servers(self) -> None:
        """Start two servers on a new site with two pools."""

        async def opening() -> None:
            self.houses = [await House.open(self.connection, *self.parts) for _ in range(2)]
            await self.houses[0].site_service.create_site(self.site)
            await self.houses[0].pools.update_pool(self.site, "default", {"offer_ms": LATER_MS}, "")
            night = PoolPolicy(
                offer_ms=LATER_MS, affinity_floor=0.1, affinity_tolerance=1.0, wrap_up_ms=LATER_MS, idle_ms=LATER_MS
            )
            await self.houses[1].pools.create_pool(self.site, "night", night)
            await self.everybody_catches_up()

        self.run(opening())
        self.plain.wraps_up["night"] = True

    def teardown(self) -> None:
        """Stop both servers and remove the site."""

        async def closing() -> None:
            for house in self.houses:
                await house.close()
            await self.connection.delete_matching(self.keys.pattern)

        self.run(closing())

    async def everybody_catches_up(self) -> None:
        """Let both servers take in what was written."""
        stored = await Stored.read(self.connection, self.site)
        for house in self.houses:
            await house.catch_up(self.site, stored.ends)

    async def forget_who_waits(self) -> None:
        """Let both servers read anew what is kept of those who wait: a test has changed it behind their backs."""
        for house in self.houses:
            (await house.dispatcher(self.site)).forget()

    def stored(self) -> Stored:
        """Read all that is stored."""
        return self.run(Stored.read(self.connection, self.site))

    def attempt(self, work: Awaitable[T], *, twice: bool = False) -> T | MatcherError:
        """Do something; give its result, or the error it ends with."""

        async def attempting() -> T | MatcherError:
            self.connection.twice = twice
            try:
                return await work
            except MatcherError as refused:
                return refused
            finally:
                self.connection.twice = False

        return self.run(attempting())

    def restart(self, server: int) -> None:
        """Stop a server, and start another in its place."""

        async def restarting() -> None:
            await self.houses[server].close()
            self.houses[server] = await House.open(self.connection, *self.parts)

        self.run(restarting())

    # What holds at every moment.

    @invariant()
    def everything_agrees(self) -> None:
        """Compare the store with itself, with plain Python, and with what each server knows."""
        if not self.houses:
            return
        stored = self.stored()
        assert stored.live() == stored.leases, "a live reservation has its lease, and a lease its reservation"
        for holds in stored.leases.values():
            for hold in holds.values():
                assert stored.due[hold.reservation] == hold.deadline_ms
        assert stored.endless == [], "every key has a lifetime or is listed as permanent"
        assert self.run(broken_laws(Stage(self.connection, self.site))) == []
        self.check_plain(stored)
        self.run(self.check_servers(stored))
        self.run(self.stand_still(stored))

    async def stand_still(self, stored: Stored) -> None:
        """Let the clock move on before the next step, and earmarks end only where a step says so.

        Otherwise what comes of a step would depend on how quick this machine is.
        """
        kept = [name for name, fields in stored.hashes["agent"].items() if "earmark" in fields]
        await self.connection.pipeline([("HSET", self.keys.agent(name), "earmark", FAR_MS) for name in kept])
        await asyncio.sleep(0.002)

    def check_plain(self, stored: Stored) -> None:
        """Compare the store with plain Python."""
        for name, one in self.plain.reservations.items():
            read = stored.reservation(name)
            assert (read.state, read.agent, read.fence) == (one.state, one.agent, one.fence)
        for name, known in self.plain.contacts.items():
            contact = stored.contact(name)
            assert (contact.state, contact.reservation) == (known.state, known.reservation)
            if CONTACT_NEXT[known.state]:
                assert set(contact.excluded) == set(known.excluded)
            assert (name in stored.queue) == known.in_line, (name, known)
        busy = [self.plain.reservations[name].contact for name in self.plain.live(PENDING, ACCEPTED)]
        assert len(busy) == len(set(busy)), "a contact has at most one live reservation"
        assert len(stored.hashes["resv"]) == len(self.plain.reservations)
        assert {name: (agent.profile, agent.status) for name, agent in stored.agents().items()} == {
            name: (agent.profile, agent.status) for name, agent in self.plain.agents.items()
        }

    async def check_servers(self, stored: Stored) -> None:
        """Compare the store with what each server knows, once it has caught up."""
        for number, house in enumerate(self.houses):
            replica = await house.catch_up(self.site, stored.ends)
            known = {name: replica.index.agent(name) for name in replica.index.ids()}
            assert {one.contact: one.score for one in replica.queue} == stored.queue, f"server {number} knows who waits"
            wanted = {name: replace(agent, updated_ms=0) for name, agent in stored.agents().items()}
            seen = {name: replace(agent, updated_ms=0) for name, agent in known.items() if agent}
            assert seen == wanted, f"server {number} knows who is there and what they hold"
