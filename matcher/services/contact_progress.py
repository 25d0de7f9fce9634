"""Progress of one watched contact: when its watcher is sent a sign of life, and with which place in the queue."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

from matcher.model import Contact, ContactEvent, ContactSign, Queued
from matcher.model.lifecycle import ENDED
from matcher.replica.queue_places import told_place
from matcher.replica.site_registry import answering
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore

PLACE_SECONDS: Final = 5.0
"""A watcher is told a changed place, or estimate, at most this often."""
UNKNOWN_SECONDS: Final = 1.0
"""A contact that has just come to the queue has its place when the places of its pool are computed next."""


class ContactProgress:
    """Say when the next sign of life is due, and read the contact's place where the watcher wants to know it."""

    def __init__(
        self,
        replica: SiteReplica,
        contact: str,
        contacts: ContactStore,
        clocks: Clocks,
        *,
        sign_seconds: float,
        place_seconds: float | None,
    ) -> None:
        """sign_seconds: the longest silence. place_seconds: the shortest time between two places, None: no place."""
        self._replica = replica
        self._contact = contact
        self._contacts = contacts
        self._clocks = clocks
        self._sign_seconds = sign_seconds
        self._sign_at = -math.inf
        self._place_seconds = place_seconds
        self._look_at = math.inf if place_seconds is None else -math.inf
        self._record: Contact | None = None
        self._last: ContactEvent | None = None
        self._told: tuple[int, int | None] | None = None

    @property
    def ended(self) -> bool:
        """Return whether the contact has ended."""
        return self._last is not None and self._last.state in ENDED

    @property
    def silent(self) -> bool:
        """Return whether a sign is due because nothing else was sent."""
        return time.monotonic() >= self._sign_at

    @property
    def seconds(self) -> float:
        """Return the seconds until there may be something to tell."""
        return max(0.0, min(self._sign_at, self._look_at) - time.monotonic())

    def note(self, events: Sequence[ContactEvent]) -> None:
        """Note the events that the watcher was sent; the first of all do not put off the sign that follows them."""
        if not events or (self._last is not None and events[-1].sequence <= self._last.sequence):
            return
        if self._last is not None:
            self._sign_at = time.monotonic() + self._sign_seconds
        self._last = events[-1]

    def stepped(self) -> None:
        """Note that the contact took a step, or may have: then its place is another one."""
        self._record = self._told = None
        if self._place_seconds is not None:
            self._look_at = -math.inf

    async def sign(self) -> ContactSign | None:
        """Return the sign of life that is due, or tells a changed place; None where there is nothing to tell now."""
        is_due, is_changed, place = self.silent, False, None
        if self._place_seconds is not None and (is_due or time.monotonic() >= self._look_at):
            place, seconds = await self._place(self._place_seconds)
            self._look_at = time.monotonic() + seconds
            shown = None if place is None else (place.position, _whole_seconds(place.estimated_ms))
            is_changed, self._told = shown not in {None, self._told}, shown
        if not (is_due or is_changed):
            return None
        self._sign_at = time.monotonic() + self._sign_seconds
        return None if self._last is None else ContactSign(self._last, self._now_ms(), place)

    async def _place(self, place_seconds: float) -> tuple[Queued | None, float]:
        """Return the contact's place, None where it does not wait or has no place yet, and when to look again."""
        replica = answering(self._replica)
        if self._contact not in replica.queue:
            return None, math.inf  # a step tells when it waits
        if self._record is None:
            self._record = await self._contacts.contact(replica.site, self._contact, self._now_ms())
        place = told_place(replica, self._record, self._now_ms())
        return place, UNKNOWN_SECONDS if place is None else place_seconds

    def _now_ms(self) -> int:
        return self._clocks.of(self._replica.site).now_ms()


def _whole_seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1000
