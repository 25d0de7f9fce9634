"""Event hub of a site: passes its events on to every watcher; a slow watcher is cut off and delays no other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from matcher.errors import SiteNotFound, WatcherTooSlow
from matcher.model import ContactEvent, StreamPlace
from matcher.model.resource_names import site_name

MOST_UNREAD: Final = 1_024
"""Messages that a watcher may leave unread before it is cut off: a second of a busy site."""


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """A reservation of an agent changed."""

    agent: str
    reservation: str


class Gap(Enum):
    """Events may have been lost: the watcher must read the store."""

    MISSED = auto()


HubMessage: TypeAlias = ContactEvent | HoldChanged | Gap


class Topic(Enum):
    """What a watcher may watch."""

    SITE = auto()
    POOL = auto()
    CONTACT = auto()
    AGENT = auto()


class Watcher:
    """The messages of the hub that one watcher has not read."""

    def __init__(self, site: str, most_unread: int) -> None:
        self._site = site
        self._most_unread = most_unread
        self._unread: deque[HubMessage] = deque()
        self._changed = asyncio.Event()
        self.too_slow = False
        self.site_removed = False

    async def next(self, seconds: float) -> HubMessage | None:
        """Return the next message; None if there is none within so many seconds.

        Raises WatcherTooSlow if the watcher was cut off, and SiteNotFound once the site is removed and all is read.
        """
        try:
            async with asyncio.timeout(seconds):
                while not self._unread:
                    self._raise_if_ended()
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self._unread.popleft()

    def put(self, message: HubMessage) -> bool:
        """Add a message; return whether this cuts the watcher off."""
        if self.too_slow:
            return False
        if message is Gap.MISSED:
            # The watcher reads the store, where the unread messages are too.
            self._unread.clear()
        if len(self._unread) == self._most_unread:
            self._unread.clear()
            self.too_slow = True
        else:
            self._unread.append(message)
        self._changed.set()
        return self.too_slow

    def end(self) -> None:
        """Note that the site was removed."""
        self.site_removed = True
        self._changed.set()

    def _raise_if_ended(self) -> None:
        if self.too_slow:
            raise WatcherTooSlow(self._most_unread)
        if self.site_removed:
            raise SiteNotFound(site_name(self._site))


class EventHub:
    """Pass the events of one site on to its watchers.

    The hub outlives the replicas that publish to it. Two replicas may publish the same events while the model changes.
    """

    def __init__(
        self,
        site: str,
        *,
        most_unread: int = MOST_UNREAD,
        on_watcher: Callable[[int], None] = lambda _: None,
        on_cut_off: Callable[[], None] = lambda: None,
    ) -> None:
        """on_watcher: called with 1 for a new watcher and -1 for one that ends. on_cut_off: for one that is cut off."""
        self._site = site
        self._most_unread = most_unread
        self._on_watcher = on_watcher
        self._on_cut_off = on_cut_off
        self._watchers: dict[tuple[Topic, str], set[Watcher]] = {}
        self._last = 0
        self.place: StreamPlace | None = None
        """The last event that was passed on; None if there was none since the site was read."""
        self.ended = False

    @contextmanager
    def watch(self, topic: Topic, name: str = "") -> Iterator[Watcher]:
        """Return a watcher of a topic; name: the id of the pool, contact or agent."""
        watcher = Watcher(self._site, self._most_unread)
        key = (topic, name)
        self._watchers.setdefault(key, set()).add(watcher)
        self._on_watcher(1)
        if self.ended:
            watcher.end()
        try:
            yield watcher
        finally:
            self._on_watcher(-1)
            watchers = self._watchers[key]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[key]

    def publish(self, event: ContactEvent) -> None:
        """Pass an event of a contact on; an event that was passed on before is ignored."""
        if event.number <= self._last:
            return
        self._last = event.number
        self.place = StreamPlace(event.number, event.at_ms)
        self._put(Topic.SITE, "", event)
        self._put(Topic.POOL, event.pool, event)
        self._put(Topic.CONTACT, event.contact, event)

    def publish_hold_change(self, agent: str, reservation: str) -> None:
        """Tell the agent's watchers that a reservation changed."""
        self._put(Topic.AGENT, agent, HoldChanged(agent, reservation))

    def publish_gap(self, number: int) -> None:
        """Tell every watcher that the site was read again, as of the event of this number.

        Earlier events may be missing, and numbers may have begun with 1 again.
        """
        self._last, self.place = number, None
        for watchers in tuple(self._watchers.values()):
            for watcher in watchers:
                watcher.put(Gap.MISSED)

    def end(self) -> None:
        """Tell every watcher that the site was removed."""
        self.ended = True
        for watchers in tuple(self._watchers.values()):
            for watcher in watchers:
                watcher.end()

    def _put(self, topic: Topic, name: str, message: HubMessage) -> None:
        for watcher in self._watchers.get((topic, name), ()):
            if watcher.put(message):
                self._on_cut_off()


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
