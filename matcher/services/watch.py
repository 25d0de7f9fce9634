"""What is watched: a contact's steps, those of a pool or a site, and an agent's reservations. Nothing missed or twice.

Each stream is told by the hub what happens from now on, reads in the store what happened before, and passes over what
it knows from both. Where the hub has missed something, the store is asked again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from matcher.errors import AgentNotFound, EventsForgotten, ReservationNotFound
from matcher.model import ContactEvent, Reservation, StreamPlace
from matcher.model.lifecycle import ENDED, HOLDING
from matcher.model.resource_names import agent_name
from matcher.replica.event_hub import Gap, HoldChanged, Topic
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.contact_events import EventStore, Forgotten, Steps
from matcher.store.contacts import ContactStore
from matcher.store.reservations import ReservationStore
from matcher.store.roster import RosterStore

SIGN_SECONDS: Final = 25.0
"""After so long without news a sign of life is sent; at least every 30 s, says the API."""
PAGE: Final = 1_000
MOST_KNOWN: Final = 1_000
"""So many reservations a desk was told of are remembered: what is told again by the hub is told once."""


class WatchService:
    """Tell what happens as it does. Every method raises MatcherErrors, WatcherTooSlow among them."""

    def __init__(
        self,
        sites: SiteRegistry,
        contacts: ContactStore,
        events: EventStore,
        routing: ReservationStore,
        roster: RosterStore,
        clocks: Clocks,
        *,
        sign_seconds: float = SIGN_SECONDS,
    ) -> None:
        self._sites = sites
        self._contacts = contacts
        self._events = events
        self._routing = routing
        self._roster = roster
        self._clocks = clocks
        self._sign_seconds = sign_seconds

    async def contact(self, site: str, contact: str, after_sequence: int) -> AsyncGenerator[ContactEvent, None]:
        """Tell a contact's steps after a sequence number, until it has ended. Raises ContactNotFound."""
        replica = await self._sites.replica(site)
        with replica.hub.watch(Topic.CONTACT, contact) as watcher:
            steps = await self._contacts.history(site, contact)
            while True:
                for step in steps:
                    if step.sequence > after_sequence:
                        after_sequence = step.sequence
                        yield step
                if steps and steps[-1].state in ENDED:
                    return
                told = await watcher.next(self._sign_seconds)
                # In a long silence the record may have been forgotten.
                steps = [told] if isinstance(told, ContactEvent) else await self._contacts.history(site, contact)

    async def events(
        self, site: str, pool: str | None, resume: StreamPlace | None
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Tell the steps of all contacts of a site, or of a pool, each with the place to resume from.

        resume: what followed this place comes first; None: from now on. A sign of life (None) comes first, and
        whenever nothing has been told for `sign_seconds`. Raises PoolNotFound, EventsForgotten.
        """
        replica = await self._sites.replica(site)
        if pool is not None:
            await replica.pools.pool(pool)
        place = resume or await self._events.end(site)
        page = await self._after(site, place)
        yield None, place
        while page.more:
            # Whoever was away for long reads at their own pace; nothing piles up for them meanwhile.
            for step, place in _of(page, pool):
                yield step, place
            page = await self._after(site, page.place)
        async with aclosing(self._live(replica, pool, page, place)) as live:
            async for told in live:
                yield told

    async def _live(
        self, replica: SiteReplica, pool: str | None, page: Steps, told_last: StreamPlace
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Tell the rest of what was read, then what happens."""
        topic = (Topic.SITE, "") if pool is None else (Topic.POOL, pool)
        with replica.hub.watch(*topic) as watcher:
            place, missed, said = told_last, True, time.monotonic()
            for step, place in _of(page, pool):
                yield step, place
            place = page.place
            while True:
                while missed:
                    page = await self._after(replica.site, place)
                    for step, at in _of(page, pool):
                        said = time.monotonic()
                        yield step, at
                    place, missed = page.place, page.more
                told = await watcher.next(max(0.0, said + self._sign_seconds - time.monotonic()))
                if isinstance(told, ContactEvent):
                    if told.number > place.number:
                        place, said = StreamPlace(told.number, told.at_ms), time.monotonic()
                        yield told, place
                elif told is Gap.MISSED:
                    missed = True
                else:
                    # All that was told before is dealt with: what others' events have moved on need not be read again.
                    place = max(place, replica.hub.place or place, key=lambda one: one.number)
                    said = time.monotonic()
                    yield None, place

    async def reservations(self, site: str, agent: str) -> AsyncGenerator[Reservation | None, None]:
        """Tell an agent's reservations: those that live, then a sign of life (None), then each as it changes.

        A sign of life comes also whenever nothing has been told for `sign_seconds`. Raises AgentNotFound.
        """
        replica = await self._sites.replica(site)
        if await self._roster.agent(site, agent, self._clocks.of(site).now_ms()) is None:
            raise AgentNotFound(agent_name(site, agent))
        with replica.hub.watch(Topic.AGENT, agent) as watcher:
            known: OrderedDict[str, Reservation] = OrderedDict()
            for one in await self._held(site, agent):
                known[one.id] = one
                yield one
            yield None
            while True:
                told = await watcher.next(self._sign_seconds)
                if isinstance(told, HoldChanged):
                    changed = {told.reservation}
                elif told is Gap.MISSED:
                    changed = {*known, *(one.id for one in await self._held(site, agent))}
                else:
                    changed = set()
                    yield None
                for reservation in changed:
                    with suppress(ReservationNotFound):
                        one = await self._routing.reservation(site, reservation, self._clocks.of(site).now_ms())
                        if known.get(reservation) != one:
                            known[reservation] = one
                            yield one
                _forget(known)

    async def _held(self, site: str, agent: str) -> list[Reservation]:
        """Read what an agent holds, by deadline."""
        held: list[Reservation] = []
        after = ""
        while True:
            page = await self._routing.reservations_of(site, agent, PAGE, after, self._clocks.of(site).now_ms())
            held += page.items
            if not page.next:
                return held
            after = page.next

    async def _after(self, site: str, place: StreamPlace) -> Steps:
        match await self._events.after(site, place, PAGE):
            case Forgotten(oldest):
                raise EventsForgotten(str(place.number), oldest)
            case Steps() as steps:
                return steps


def _of(steps: Steps, pool: str | None) -> list[tuple[ContactEvent, StreamPlace]]:
    """Return the steps of a pool, or all, each with its place."""
    return [(step, StreamPlace(step.number, step.at_ms)) for step in steps.events if pool is None or step.pool == pool]


def _forget(known: OrderedDict[str, Reservation]) -> None:
    """Forget the oldest of those that are over, where they are many."""
    if len(known) > MOST_KNOWN:
        over = [one.id for one in known.values() if one.state not in HOLDING]
        for reservation in over[: len(known) - MOST_KNOWN]:
            del known[reservation]
