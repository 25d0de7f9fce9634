"""The store of contact events, for watchers that read on from a place in the stream."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from matcher.model import ContactEvent, StreamPlace
from matcher.store.change_stream import ContactStepped, decode_change, event_number
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient


@dataclass(frozen=True, slots=True)
class Steps:
    """Contact events, the place of the stream up to which they were read, and whether more follow."""

    events: tuple[ContactEvent, ...]
    place: StreamPlace
    more: bool


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The events after a place are no longer stored. `oldest` is the number of the oldest stored event."""

    oldest: int


class EventStore:
    """Read contact events from the stream of changes of holds, contacts and timers."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def end(self, site: str) -> StreamPlace:
        """Return the place of the stream's last event."""
        last = await self._connection.run("XREVRANGE", Keys(site).load, "+", "-", "COUNT", 1)
        return _place(last[0]) if last else StreamPlace(0, 0)

    async def before_the_last(self, site: str, most: int) -> StreamPlace:
        """Return the place that the last `most` entries follow, or all that are kept, in two reads."""
        end = await self.end(site)
        if not end.number:
            return end
        start = f"0-{max(end.number - most, 1)}"
        first = await self._connection.run("XRANGE", Keys(site).load, start, "+", "COUNT", 1)
        place = _place(first[0]) if first else end
        return StreamPlace(0, 0) if place.number == 1 and end.number <= most else place

    async def after(self, site: str, place: StreamPlace, most: int) -> Steps | Forgotten:
        """Read at most `most` events after a place, if they are still stored.

        They are Forgotten if the event at the place is missing or is another event: the stream was trimmed, the store
        lost its last writes and went on, or the site was deleted and created again.
        """
        # The reading starts at the place itself, so that the event there can be compared with the place.
        start = f"0-{max(place.number, 1)}"
        entries = await self._connection.run("XRANGE", Keys(site).load, start, "+", "COUNT", most + 1)
        if place.number and (not entries or _place(entries[0]) != place):
            return await self._forgotten(site)
        if not place.number and entries and _place(entries[0]).number != 1:
            return await self._forgotten(site)
        entries = entries[1:] if place.number else entries[:most]
        events = []
        for entry in entries:
            place, change = _place(entry), None
            with suppress(ValueError, IndexError):  # an event that a later version wrote, and reads
                change = decode_change(_text(entry), place.number)
            if isinstance(change, ContactStepped):
                events.append(change.event)
        return Steps(tuple(events), place, more=len(entries) == most)

    async def _forgotten(self, site: str) -> Forgotten:
        first = await self._connection.run("XRANGE", Keys(site).load, "-", "+", "COUNT", 1)
        return Forgotten(_place(first[0]).number if first else 0)


def _text(entry: Any) -> str:
    fields = entry[1]
    text: bytes = fields[b"e"] if isinstance(fields, dict) else fields[1]
    return text.decode()


def _place(entry: Any) -> StreamPlace:
    # Every event ends with the time at which it was written.
    return StreamPlace(event_number(entry[0].decode()), int(_text(entry).rpartition("|")[2]))
