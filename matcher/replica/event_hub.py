"""The hub of a site: what happens there goes to whoever watches, and nobody who watches slows it down."""

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
"""So many events may wait for a watcher before it is cut off: a second of a busy site."""


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """A reservation of an agent is not what it was."""

    agent: str
    reservation: str


class Gap(Enum):
    """Says that something was missed: only the store tells what."""

    MISSED = auto()


Told: TypeAlias = ContactEvent | HoldChanged | Gap


class Topic(Enum):
    """What a watcher may watch."""

    SITE = auto()
    POOL = auto()
    CONTACT = auto()
    AGENT = auto()


class Watcher:
    """What one watcher has been told and has not read."""

    def __init__(self, site: str, most: int) -> None:
        self._site = site
        self._most = most
        self._unread: deque[Told] = deque()
        self._stirred = asyncio.Event()
        self.too_slow = False
        self.site_removed = False

    async def next(self, seconds: float) -> Told | None:
        """Return what comes next; None where nothing has come for so long.

        Raises WatcherTooSlow, also once what was missed can be had no more, or SiteNotFound once the site is gone.
        """
        try:
            async with asyncio.timeout(seconds):
                while not self._unread:
                    self._refuse()
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            return None
        return self._unread.popleft()

    def tell(self, told: Told) -> bool:
        """Note what happened; tell whether the watcher is now to be cut off."""
        if self.too_slow:
            return False
        if told is Gap.MISSED:
            # All of it is read from the store.
            self._unread.clear()
        if len(self._unread) == self._most:
            self._unread.clear()
            self.too_slow = True
        else:
            self._unread.append(told)
        self._stirred.set()
        return self.too_slow

    def end(self) -> None:
        """Note that nothing more can happen."""
        self.site_removed = True
        self._stirred.set()

    def _refuse(self) -> None:
        if self.too_slow:
            raise WatcherTooSlow(self._most)
        if self.site_removed:
            raise SiteNotFound(site_name(self._site))


class EventHub:
    """Hand on what happens at one site. It outlives the replicas that tell it, and two of them may tell it the same."""

    def __init__(
        self,
        site: str,
        *,
        most_unread: int = MOST_UNREAD,
        counted: Callable[[int], None] = lambda _: None,
        cut_off: Callable[[], None] = lambda: None,
    ) -> None:
        """Watch a site; `counted` is told of a watcher who comes (1) or goes (-1), `cut_off` of one who is too slow."""
        self._site = site
        self._most_unread = most_unread
        self._counted = counted
        self._cut_off = cut_off
        self._watchers: dict[tuple[Topic, str], set[Watcher]] = {}
        self._last = 0
        self.place: StreamPlace | None = None
        """The last event that was handed on, None where none was since the site was read."""
        self.ended = False

    @contextmanager
    def watch(self, topic: Topic, name: str = "") -> Iterator[Watcher]:
        """Give a watcher of a topic: a pool, a contact or an agent by id, or the site."""
        watcher = Watcher(self._site, self._most_unread)
        key = (topic, name)
        self._watchers.setdefault(key, set()).add(watcher)
        self._counted(1)
        if self.ended:
            watcher.end()
        try:
            yield watcher
        finally:
            self._counted(-1)
            watchers = self._watchers[key]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[key]

    def stepped(self, event: ContactEvent) -> None:
        """Hand on a step of a contact; one that was handed on before is not again."""
        if event.number <= self._last:
            return
        self._last = event.number
        self.place = StreamPlace(event.number, event.at_ms)
        self._tell(Topic.SITE, "", event)
        self._tell(Topic.POOL, event.pool, event)
        self._tell(Topic.CONTACT, event.contact, event)

    def slot_changed(self, agent: str, reservation: str) -> None:
        """Hand on that a reservation changed."""
        self._tell(Topic.AGENT, agent, HoldChanged(agent, reservation))

    def read_anew(self, number: int) -> None:
        """Note that the site was read anew, up to an event: what came before may be missing, or count from 1 again."""
        self._last, self.place = number, None
        for watchers in tuple(self._watchers.values()):
            for watcher in watchers:
                watcher.tell(Gap.MISSED)

    def end(self) -> None:
        """Note that the site is gone."""
        self.ended = True
        for watchers in tuple(self._watchers.values()):
            for watcher in watchers:
                watcher.end()

    def _tell(self, topic: Topic, name: str, told: Told) -> None:
        for watcher in self._watchers.get((topic, name), ()):
            if watcher.tell(told):
                self._cut_off()


class EventHubs:
    """Keep one hub a site."""

    def __init__(self, open_hub: Callable[[str], EventHub] = EventHub) -> None:
        self._open = open_hub
        self._hubs: dict[str, EventHub] = {}

    def of(self, site: str) -> EventHub:
        """Return a site's hub; a new one where the site was removed and made again."""
        hub = self._hubs.get(site)
        if hub is None or hub.ended:
            hub = self._hubs[site] = self._open(site)
        return hub
