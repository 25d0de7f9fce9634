"""Two servers on one store and the plain model, and the invariants that hold between the three."""

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
    Draw,
    PoolPolicy,
)
from matcher.model.lifecycle import CONTACT_NEXT
from matcher.replica.affinity_floors import AffinityFloors
from matcher.store.keys import Keys
from matcher.store.sites import SiteStore
from tests.state_machine.plain import Plain
from tests.state_machine.service_instance import RepeatingClient, ServiceInstance
from tests.state_machine.stored import Stored
from tests.state_machine.strategies import (
    ACCEPTED,
    FAR_MS,
    LATER_MS,
    MOST_DECLINED,
    PENDING,
)
from tests.state_machine.words import WordEncoder
from tests.store.laws import broken_laws, repairs
from tests.store.stage import Stage

T = TypeVar("T")


class TwoServers(RuleBasedStateMachine):
    """Two servers on one store, compared with the plain model after every step."""

    sites = itertools.count()

    def __init__(
        self, runner: asyncio.Runner, connection: RepeatingClient, encoder: WordEncoder, floors: AffinityFloors
    ) -> None:
        super().__init__()
        self.runner = runner
        self.connection = connection
        self.parts = (encoder, floors)
        self.site = f"s{next(self.sites)}"
        self.keys = Keys(self.site)
        self.plain = Plain()
        self.arms: dict[str, Draw | None] = {}
        """The arm of each contact that was held, as it was read first."""
        self.instances: list[ServiceInstance] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop of both servers."""
        return self.runner.run(work)

    def open_servers(self, share: float, night_share: float) -> None:
        """Start two servers on a new site with two pools, of whose contacts these shares are control."""

        async def opening() -> None:
            self.instances = [await ServiceInstance.open(self.connection, *self.parts) for _ in range(2)]
            await self.instances[0].site_service.create_site(self.site)
            default = {"offer_ms": LATER_MS, "max_declined": MOST_DECLINED, "control_share": share}
            await self.instances[0].pools.update_pool(self.site, "default", default, "")
            night = PoolPolicy(
                offer_ms=LATER_MS,
                affinity_floor=0.1,
                affinity_tolerance=1.0,
                wrap_up_ms=LATER_MS,
                idle_ms=LATER_MS,
                first_response_ms=LATER_MS,
                control_share=night_share,
            )
            await self.instances[1].pools.create_pool(self.site, "night", night)
            await self.catch_up_all()

        self.run(opening())
        self.plain.wraps_up = {"default": frozenset(), "night": frozenset({"complete", "transfer"})}
        self.plain.demands_answers.add("night")
        self.plain.max_declined["default"] = MOST_DECLINED

    def teardown(self) -> None:
        """Stop both servers and remove the site."""

        async def closing() -> None:
            for instance in self.instances:
                await instance.close()
            await self.connection.delete_matching(self.keys.pattern)

        self.run(closing())

    async def catch_up_all(self) -> None:
        """Let both servers apply all events."""
        stored = await Stored.read(self.connection, self.site)
        for instance in self.instances:
            await instance.catch_up(self.site, stored.ends)

    async def forget_queued_contacts(self) -> None:
        """Let both servers read the waiting contacts again: a test has changed them in the store."""
        for instance in self.instances:
            (await instance.dispatcher(self.site)).forget()

    def stored(self) -> Stored:
        """Read every key of the site."""
        return self.run(Stored.read(self.connection, self.site))

    def attempt(self, work: Awaitable[T], *, twice: bool = False) -> T | MatcherError:
        """Return the result of a call, or the error that it raised."""

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
        """Stop a server, and start another instead of it."""

        async def restarting() -> None:
            await self.instances[server].close()
            self.instances[server] = await ServiceInstance.open(self.connection, *self.parts)

        self.run(restarting())

    # The invariants.

    @invariant()
    def everything_agrees(self) -> None:
        """Compare the store with its own laws, with the plain model, and with the replicas of both servers."""
        if not self.instances:
            return
        stored = self.stored()
        assert stored.live() == stored.leases, "a live reservation has its hold, and a hold its reservation"
        for holds in stored.leases.values():
            for hold in holds.values():
                assert stored.due[hold.reservation] == hold.deadline_ms
        assert stored.endless == [], "every key has a lifetime or is listed as permanent"
        assert self.run(broken_laws(Stage(self.connection, self.site))) == []
        assert self.run(repairs(Stage(self.connection, self.site))) == [], "the audit repairs nothing of a healthy site"
        self.check_plain(stored)
        self.run(self.check_servers(stored))
        self.run(self.stand_still(stored))

    async def stand_still(self, stored: Stored) -> None:
        """Let the clock advance before the next step, and let earmarks end only by a step.

        Otherwise the result of a step would depend on the speed of this machine. What is due next is noted exactly, so
        that the next step has to note whatever it makes due.
        """
        await SiteStore(self.connection, 1).next_due(self.site)
        earmarked = [name for name, fields in stored.hashes["agent"].items() if "earmark" in fields]
        await self.connection.pipeline([("HSET", self.keys.agent(name), "earmark", FAR_MS) for name in earmarked])
        await asyncio.sleep(0.002)

    def check_plain(self, stored: Stored) -> None:
        """Compare the store with the plain model."""
        for name, reservation in self.plain.reservations.items():
            read = stored.reservation(name)
            assert (read.state, read.agent, read.fence) == (reservation.state, reservation.agent, reservation.fence)
        for name, known in self.plain.contacts.items():
            contact = stored.contact(name)
            assert (contact.state, contact.reservation) == (known.state, known.reservation)
            if CONTACT_NEXT[known.state]:
                assert set(contact.excluded) == set(known.excluded)
            assert (name in stored.queue) == known.in_queue, (name, known)
        offered = {contact.offered for contact in self.plain.contacts.values()}
        busy = [
            self.plain.reservations[name].contact for name in self.plain.live(PENDING, ACCEPTED) if name not in offered
        ]
        assert len(busy) == len(set(busy)), "a contact has at most one live reservation"
        assert len(stored.hashes["resv"]) == len(self.plain.reservations)
        assert {name: (agent.profile, agent.status) for name, agent in stored.agents().items()} == {
            name: (agent.profile, agent.status) for name, agent in self.plain.agents.items()
        }

    async def check_servers(self, stored: Stored) -> None:
        """Compare the store with the replica of each server, once it has applied all events."""
        for number, instance in enumerate(self.instances):
            replica = await instance.catch_up(self.site, stored.ends)
            known = {name: replica.index.agent(name) for name in replica.index.ids()}
            assert {place.contact: place.score for place in replica.queue} == stored.queue, (
                f"server {number} knows the waiting contacts"
            )
            # Why an agent has a status, and since when, is read from the store where it is shown.
            expected = {name: replace(agent, updated_ms=0, status_reason="") for name, agent in stored.agents().items()}
            actual = {name: replace(agent, updated_ms=0, status_reason="") for name, agent in known.items() if agent}
            assert actual == expected, f"server {number} knows the agents and their holds"
