"""Event hub of a site: passes its events on to every watcher; a slow watcher is cut off and delays no other.

The hub keeps the last messages of each topic that is watched, once for all its watchers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final, TypeAlias

import msgspec

from matcher.errors import SiteNotFound, WatcherTooSlow
from matcher.model import ContactEvent, StreamPlace
from matcher.model.resource_names import site_name
from matcher.replica.deliveries import Deliveries

MOST_UNREAD: Final = 1_024
"""Messages that a watcher may leave unread before it is cut off: a second of a busy site."""
LOOKS: Final = 8
"""How often, while MOST_UNREAD messages come, the hub looks for watchers to cut off: a look sees all watchers of a
topic, so not at each message."""


class HoldChanged(msgspec.Struct, frozen=True):
    """A reservation of an agent changed."""

    agent: str
    reservation: str


class PraiseRecorded(msgspec.Struct, frozen=True):
    """A customer's words about an agent were recorded."""

    agent: str


class Gap(Enum):
    """Events may have been lost: the watcher must read the store."""

    MISSED = auto()


HubMessage: TypeAlias = ContactEvent | HoldChanged | PraiseRecorded | Gap


class Topic(Enum):
    """What a watcher may watch."""

    SITE = auto()
    POOL = auto()
    CONTACT = auto()
    AGENT = auto()
    PRAISE = auto()
    """Of one agent, or with the name "" of every agent of the site."""


class _Log:
    """The last messages of one topic, which its watchers share; each watcher reads them at its own place.

    So an event costs the same to publish for one watcher as for thousands, and a watcher that does not read keeps
    nothing of its own.
    """

    def __init__(self, topic: Topic, most: int) -> None:
        self.few = topic in {Topic.CONTACT, Topic.AGENT, Topic.PRAISE}
        """Whether the topic is one contact, one agent or praise, which few watch."""
        self.messages: deque[HubMessage] = deque(maxlen=most)
        self.end = 0
        """The place after the last message."""
        self.gap = 0
        """The place of the last gap: a watcher before it goes on there, and reads the store."""
        self.watchers: set[Watcher] = set()
        self.sleeping: dict[asyncio.Future[bool], None] = {}

    @property
    def first(self) -> int:
        """The place of the oldest message that is kept."""
        return self.end - len(self.messages)

    def add(self, message: HubMessage) -> None:
        """Add a message; a gap takes the place of all messages before it, since the store has them too."""
        if message is Gap.MISSED:
            self.messages.clear()
            self.gap = self.end
        self.messages.append(message)
        self.end += 1


class Watcher:
    """A place in the messages of one topic."""

    def __init__(self, hub: EventHub, log: _Log) -> None:
        self._hub = hub
        self._log = log
        self._place = log.end
        self.too_slow = False

    async def next(self, seconds: float) -> HubMessage | None:
        """Return the next message, in this watcher's turn; None if there is none within the given seconds.

        Raises WatcherTooSlow if the watcher was cut off, and SiteNotFound once the site is removed and all is read.
        """
        if self._unread:
            await self._hub.deliveries.turn(few=self._log.few)
        elif not self._hub.ended and not await self._told(seconds):
            return None
        log = self._log
        self.look()
        if self.too_slow:
            raise WatcherTooSlow(self._hub.most_unread)
        if self._place == log.end:
            raise SiteNotFound(site_name(self._hub.site))
        self._place = max(self._place, log.gap) + 1
        return log.messages[self._place - 1 - log.first]

    def look(self) -> None:
        """Cut the watcher off where messages are gone that it has not read."""
        if not self.too_slow and max(self._place, self._log.gap) < self._log.first:
            self.too_slow = True
            self._hub.on_cut_off()

    @property
    def _unread(self) -> bool:
        return self.too_slow or self._place < self._log.end

    async def _told(self, seconds: float) -> bool:
        """Sleep until the watcher has its turn for a new message; return false after the given seconds of silence."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()
        self._log.sleeping[told] = None
        timer = loop.call_later(seconds, self._silent, told)
        try:
            return await told
        finally:
            timer.cancel()
            self._log.sleeping.pop(told, None)

    def _silent(self, told: asyncio.Future[bool]) -> None:
        if not told.done() and not self._unread:
            told.set_result(False)


class EventHub:
    """Pass the events of one site on to its watchers.

    The hub outlives the replicas that publish to it. Two replicas may publish the same events while the model changes.
    """

    def __init__(
        self,
        site: str,
        deliveries: Deliveries | None = None,
        *,
        most_unread: int = MOST_UNREAD,
        on_watcher: Callable[[int], None] = lambda _: None,
        on_cut_off: Callable[[], None] = lambda: None,
    ) -> None:
        """deliveries: the turns of all watchers of the process.

        on_watcher: called with 1 for a new watcher and -1 for one that ends. on_cut_off: for one that is cut off.
        """
        self.site = site
        self.deliveries = deliveries or Deliveries()
        self.most_unread = most_unread
        self.on_cut_off = on_cut_off
        self._on_watcher = on_watcher
        self._look_every = max(1, most_unread // LOOKS)
        self._logs: dict[tuple[Topic, str], _Log] = {}
        self._last = 0
        self.place: StreamPlace | None = None
        """The last event that was passed on; None if there was none since the site was read."""
        self.ended = False

    @contextmanager
    def watch(self, topic: Topic, name: str = "") -> Iterator[Watcher]:
        """Return a watcher of a topic; name: the id of the pool, contact or agent."""
        key = (topic, name)
        log = self._logs.setdefault(key, _Log(topic, self.most_unread))
        watcher = Watcher(self, log)
        log.watchers.add(watcher)
        self._on_watcher(1)
        try:
            yield watcher
        finally:
            self._on_watcher(-1)
            log.watchers.discard(watcher)
            if not log.watchers:
                self._logs.pop(key, None)

    def publish(self, event: ContactEvent) -> None:
        """Pass an event of a contact on; an event that was passed on before is ignored."""
        if event.number <= self._last:
            return
        self._last = event.number
        self.place = StreamPlace(event.number, event.at_ms)
        self._put(Topic.SITE, "", event)
        self._put(Topic.POOL, event.pool, event)
        self._put(Topic.CONTACT, event.contact, event)

    @property
    def last(self) -> int:
        """Return the number of the last event that was passed on."""
        return self._last

    def publish_hold_change(self, agent: str, reservation: str) -> None:
        """Tell the agent's watchers that a reservation changed."""
        self._put(Topic.AGENT, agent, HoldChanged(agent, reservation))

    def publish_praise(self, agent: str) -> None:
        """Tell the watchers of praise that there is some of an agent."""
        for name in (agent, ""):
            self._put(Topic.PRAISE, name, PraiseRecorded(agent))

    def publish_gap(self, number: int) -> None:
        """Tell every watcher that the site was read again, as of the event of this number.

        Earlier events may be missing, and numbers may have begun with 1 again.
        """
        self._last, self.place = number, None
        for topic, name in tuple(self._logs):
            self._put(topic, name, Gap.MISSED)

    def end(self) -> None:
        """Tell every watcher that the site was removed."""
        self.ended = True
        for log in self._logs.values():
            self._wake(log)

    def _put(self, topic: Topic, name: str, message: HubMessage) -> None:
        log = self._logs.get((topic, name))
        if log is None:
            return
        log.add(message)
        if log.end % self._look_every == 0:
            for watcher in log.watchers:
                watcher.look()
        self._wake(log)

    def _wake(self, log: _Log) -> None:
        sleeping, log.sleeping = log.sleeping, {}
        if sleeping:
            self.deliveries.wake(sleeping, few=log.few)


class EventHubs:
    """Keep one hub for each site."""

    def __init__(self, open_hub: Callable[[str], EventHub] = EventHub) -> None:
        self._open = open_hub
        self._hubs: dict[str, EventHub] = {}

    def of(self, site: str) -> EventHub:
        """Return a site's hub; a new one if the site was removed and created again."""
        hub = self._hubs.get(site)
        if hub is None or hub.ended:
            hub = self._hubs[site] = self._open(site)
        return hub

    def forget(self, site: str) -> None:
        """Forget the hub of a site that is not followed any more."""
        self._hubs.pop(site, None)
