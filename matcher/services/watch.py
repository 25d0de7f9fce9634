"""Watches: the events of a contact, of a pool or of a site, and an agent's reservations; none lost, none sent twice.

Each stream subscribes to the site's event hub, reads the store for what happened before, and skips what it has sent
already. Where the hub reports a gap, the stream reads the store again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from matcher.errors import AgentNotFound, ContactNotFound, EventsForgotten, ReservationNotFound
from matcher.model import ContactEvent, ContactSign, Page, Reservation, StreamPlace
from matcher.model.lifecycle import HOLDING, ReservationState
from matcher.model.resource_names import agent_name, contact_name
from matcher.model.scope import Scope, scope_of_call
from matcher.replica.event_hub import Gap, HoldChanged, Topic
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.contact_progress import PLACE_SECONDS, ContactProgress
from matcher.store.clock import Clocks
from matcher.store.contact_events import EventStore, Forgotten, Steps
from matcher.store.contacts import ContactStore
from matcher.store.pages import every_page
from matcher.store.reservations import ReservationStore
from matcher.store.roster import RosterStore

SIGN_SECONDS: Final = 20.0
"""A silent stream sends a sign of life after this time, as the API promises: a third of what nginx and most firewalls
let a connection be silent."""
PAGE: Final = 1_000
MOST_SENT: Final = 1_000
"""Reservations that a watch of an agent remembers as it last sent them, so that it sends none twice unchanged."""


class WatchService:
    """Stream events as they happen. Every method raises MatcherErrors, WatcherTooSlow among them."""

    def __init__(
        self,
        sites: SiteRegistry,
        contacts: ContactStore,
        events: EventStore,
        reservations: ReservationStore,
        roster: RosterStore,
        clocks: Clocks,
        *,
        sign_seconds: float = SIGN_SECONDS,
        place_seconds: float = PLACE_SECONDS,
    ) -> None:
        self._sites = sites
        self._contacts = contacts
        self._events = events
        self._reservations = reservations
        self._roster = roster
        self._clocks = clocks
        self._sign_seconds = sign_seconds
        self._place_seconds = place_seconds

    async def contact(
        self, site: str, contact: str, after_sequence: int, *, progress: bool = False
    ) -> AsyncGenerator[ContactEvent | ContactSign, None]:
        """Yield a contact's events after a sequence number, until the contact has ended, and signs of life.

        A sign comes after the events that the stream begins with, and after every `sign_seconds` without one. progress:
        the signs have the contact's place in the queue, and one comes when that has changed.
        Raises ContactNotFound, also as soon as the contact is in a pool that the caller does not reach, or
        EventsForgotten where events after the number are no longer kept.
        """
        replica, scope = await self._sites.replica(site), scope_of_call()
        signs = ContactProgress(
            replica,
            contact,
            self._contacts,
            self._clocks,
            sign_seconds=self._sign_seconds,
            place_seconds=self._place_seconds if progress else None,
        )
        with replica.hub.watch(Topic.CONTACT, contact) as watcher:
            events = await self._contacts.history(site, contact)
            while True:
                reached = _reached(scope, site, events)
                if events and events[0].sequence > after_sequence + 1:
                    raise EventsForgotten(str(after_sequence), events[0].sequence, contact_name(site, contact))
                for event in reached:
                    if event.sequence > after_sequence:
                        after_sequence = event.sequence
                        yield event
                signs.note(events)
                if signs.ended:
                    return
                if (sign := await signs.sign()) is not None:
                    yield sign
                message = await watcher.next(signs.seconds)
                if message is not None:
                    signs.stepped()
                if isinstance(message, ContactEvent):
                    events = [message]
                elif message is None and not signs.silent:
                    events = []
                else:  # after a silence, too: where the record has expired, this raises ContactNotFound
                    events = await self._contacts.history(site, contact)

    async def events(
        self, site: str, pool: str | None, resume: StreamPlace | None, last: int = 0
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Yield the events of all contacts of a site, or of a pool, each with the place to resume from.

        resume: the events after this place come first; None: only new events, after those of the `last` kept changes.
        A sign of life (None) comes first, and after every `sign_seconds` without an event. Raises PoolNotFound,
        EventsForgotten.
        """
        replica = await self._sites.replica(site)
        if pool is not None:
            await replica.pools.pool(pool)
        if resume is None and last:
            resume = await self._events.before_the_last(site, last)
        place = resume or await self._events.end(site)
        page = await self._after(site, place)
        yield None, place
        while page.more:
            # A caller who was away for long reads pages at its own speed: the hub keeps nothing for it meanwhile.
            for event, at in _placed(page, pool):
                await replica.hub.deliveries.turn()
                yield event, at
            page = await self._after(site, page.place)
        async with aclosing(self._live(replica, pool, page)) as live:
            async for sent in live:
                yield sent

    async def _live(
        self, replica: SiteReplica, pool: str | None, page: Steps
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Yield the events of the last page that was read, then each event as it happens."""
        topic = (Topic.SITE, "") if pool is None else (Topic.POOL, pool)
        with replica.hub.watch(*topic) as watcher:
            missed, sent_at = True, time.monotonic()
            for event, at in _placed(page, pool):
                await replica.hub.deliveries.turn()
                yield event, at
            place = page.place
            while True:
                while missed:
                    page = await self._after(replica.site, place)
                    for event, at in _placed(page, pool):
                        await replica.hub.deliveries.turn()
                        sent_at = time.monotonic()
                        yield event, at
                    place, missed = page.place, page.more
                message = await watcher.next(max(0.0, sent_at + self._sign_seconds - time.monotonic()))
                if isinstance(message, ContactEvent):
                    if message.number > place.number:
                        place, sent_at = StreamPlace(message.number, message.at_ms), time.monotonic()
                        yield message, place
                elif message is Gap.MISSED:
                    missed = True
                else:
                    # The watcher has no message left, so a resumed stream need not read the events of other pools
                    # that the hub has passed on since.
                    place = max(place, replica.hub.place or place, key=lambda stream_place: stream_place.number)
                    sent_at = time.monotonic()
                    yield None, place

    async def reservations(self, site: str, agent: str) -> AsyncGenerator[Reservation | None, None]:
        """Yield an agent's live reservations, then a sign of life (None), then each reservation when it changes.

        A sign of life comes also after every `sign_seconds` without a change. Reservations of pools that the caller
        does not reach are left out. Raises AgentNotFound.
        """
        replica, scope = await self._sites.replica(site), scope_of_call()
        found = await self._roster.agent(site, agent, self._clocks.of(site).now_ms())
        if found is None or not scope.reaches(found.profile.pools, agent):
            raise AgentNotFound(agent_name(site, agent))
        with replica.hub.watch(Topic.AGENT, agent) as watcher:
            sent: OrderedDict[str, Reservation] = OrderedDict()
            for reservation in await self._live_reservations(site, agent):
                sent[reservation.id] = reservation
                if scope.reaches((reservation.pool,), agent):
                    yield reservation
            yield None
            sent_at = time.monotonic()
            while True:
                message = await watcher.next(max(0.0, sent_at + self._sign_seconds - time.monotonic()))
                if isinstance(message, HoldChanged):
                    changed = {message.reservation}
                elif message is Gap.MISSED:
                    live = await self._live_reservations(site, agent)
                    changed = {*sent, *(reservation.id for reservation in live)}
                else:
                    changed, sent_at = set(), time.monotonic()
                    yield None
                for reservation_id in changed:
                    is_now = await self._changed(site, reservation_id, sent.get(reservation_id))
                    if is_now is not None and sent.get(reservation_id) != is_now:
                        sent[reservation_id] = is_now
                        if scope.reaches((is_now.pool,), agent):
                            sent_at = time.monotonic()
                            yield is_now
                _forget_ended(sent)

    async def _changed(self, site: str, reservation: str, sent: Reservation | None) -> Reservation | None:
        """Read a reservation. Where the store has lost a live one that was sent, it is CANCELED; None for any other."""
        try:
            return await self._reservations.reservation(site, reservation, self._clocks.of(site).now_ms())
        except ReservationNotFound:
            if sent is None or sent.state not in HOLDING:
                return None
            return msgspec.structs.replace(sent, state=ReservationState.CANCELED)

    async def _live_reservations(self, site: str, agent: str) -> list[Reservation]:
        """Read an agent's live reservations, by deadline."""

        async def read(after: str) -> Page[Reservation]:
            return await self._reservations.reservations_of(site, agent, PAGE, after, self._clocks.of(site).now_ms())

        return [reservation async for page in every_page(read) for reservation in page.items]

    async def _after(self, site: str, place: StreamPlace) -> Steps:
        match await self._events.after(site, place, PAGE):
            case Forgotten(oldest):
                raise EventsForgotten(str(place.number), oldest)
            case Steps() as steps:
                return steps


def _reached(scope: Scope, site: str, events: Sequence[ContactEvent]) -> Sequence[ContactEvent]:
    """Return the events of a contact that happened in pools that the watcher reaches.

    Raises ContactNotFound where the contact is in another pool now.
    """
    if events and not scope.reaches((events[-1].pool,)):
        raise ContactNotFound(contact_name(site, events[-1].contact))
    return [event for event in events if scope.reaches((event.pool,))]


def _placed(page: Steps, pool: str | None) -> list[tuple[ContactEvent, StreamPlace]]:
    """Return the events of a pool, None for all pools, each with its place."""
    return [
        (event, StreamPlace(event.number, event.at_ms)) for event in page.events if pool is None or event.pool == pool
    ]


def _forget_ended(sent: OrderedDict[str, Reservation]) -> None:
    """Forget the oldest reservations that hold nothing any more, where there are more than MOST_SENT."""
    if len(sent) > MOST_SENT:
        ended = [reservation.id for reservation in sent.values() if reservation.state not in HOLDING]
        for reservation in ended[: len(sent) - MOST_SENT]:
            del sent[reservation]
