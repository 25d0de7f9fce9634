"""The service without the wire: what app.py puts together, as one server process has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matcher.clock import StoreClock
from matcher.floors import Floors
from matcher.matching import Matching
from matcher.replica import SiteReplica
from matcher.reservations import Reservations
from matcher.roster import Roster
from matcher.router import Router
from matcher.scorers import Scorers
from matcher.sites import Sites
from matcher.store.connection import Connection
from matcher.store.models import KnownModel, ModelStore
from matcher.store.roster import RosterStore
from matcher.store.routing import Lifetimes, RoutingStore
from tests.model.words import WordEncoder

EVENTS_KEPT: Final = 100_000
LIFETIMES: Final = Lifetimes(
    request_window_ms=3_600_000,
    own_request_ms=3_600_000,
    decision_ms=3_600_000,
    keep_ms=3_600_000,
    events_kept=EVENTS_KEPT,
)
PATIENCE_SECONDS: Final = 10.0


class Repeating(Connection):
    """Run every verb twice while `twice` is set, as redis-py does where the first reply is lost."""

    twice = False

    async def verb(self, verb: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> list[Any]:
        """Run a verb, and again if that is asked for; give the last answer."""
        if self.twice:
            await super().verb(verb, keys, args)
        return await super().verb(verb, keys, args)


@dataclass
class House:
    """One server's objects over a store that others use too."""

    connection: Connection
    sites: Sites
    roster: Roster
    router: Router
    reservations: Reservations
    routing: RoutingStore
    clock: StoreClock

    @classmethod
    async def open(cls, connection: Connection, encoder: WordEncoder, floors: Floors) -> House:
        """Put a server together."""
        clock, matching = StoreClock(), Matching(encoder, Scorers("untrained", encoder.fingerprint), floors)
        asked = time.monotonic()
        clock.set(await connection.time_ms(), asked, time.monotonic())
        roster_store, routing = RosterStore(connection, EVENTS_KEPT), RoutingStore(connection, LIFETIMES)
        await ModelStore(connection).add(KnownModel(encoder.fingerprint, "words"))

        def open_replica(site: str) -> SiteReplica:
            return SiteReplica(site, connection, roster_store, matching, clock, lambda _: None, lambda: None)

        sites = Sites(roster_store, open_replica)
        return cls(
            connection=connection,
            sites=sites,
            roster=Roster(roster_store, routing, sites, clock, 0.05),
            router=Router(routing, sites, clock, secret=b"secret", default_tolerance=0.05),
            reservations=Reservations(routing, sites, clock),
            routing=routing,
            clock=clock,
        )

    async def close(self) -> None:
        """Stop following."""
        await self.sites.close()

    async def catch_up(self, site: str, ends: tuple[int, int]) -> SiteReplica:
        """Wait until this server has taken in the roster's and the load's stream up to these numbers."""
        replica = await self.sites.replica(site)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Nothing tells when a position is reached: it is looked at again and again.
            while replica._position.roster < ends[0] or replica._position.load < ends[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
        replica.index.lapse(self.clock.now_ms())
        return replica

    async def sweep(self, site: str) -> None:
        """Write down what is overdue, as the task of a server does whose clock runs ahead by an hour."""
        now = await self.connection.time_ms()
        for reservation in await self.routing.overdue(site, now + 3_600_000, 1_000):
            await self.routing.expire(await self.routing.slot(site, reservation), 0)
