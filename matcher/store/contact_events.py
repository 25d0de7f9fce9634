"""The steps of contacts, read from the stream by those who were away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matcher.model import ContactEvent, StreamPlace
from matcher.store.change_stream import ContactStepped, decode_change, event_number
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of contacts, up to which place of the stream they were read, and whether more follow."""

    events: tuple[ContactEvent, ...]
    place: StreamPlace
    more: bool


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What followed a place is no longer kept; the oldest event that is."""

    oldest: int


class EventStore:
    """Read the stream of what changed hands, in which the steps of contacts are."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def end(self, site: str) -> StreamPlace:
        """Return the last place of the stream."""
        last = await self._connection.run("XREVRANGE", Keys(site).load, "+", "-", "COUNT", 1)
        return _place(last[0]) if last else StreamPlace(0, 0)

    async def after(self, site: str, place: StreamPlace, most: int) -> Steps | Forgotten:
        """Read what followed a place, if it is still kept.

        It is not where another event than the place's stands there: the store lost its last writes and went on, or the
        site was removed and made anew.
        """
        # From the place itself on, so that the event which stands there can be told from another.
        start = f"0-{max(place.number, 1)}"
        found = await self._connection.run("XRANGE", Keys(site).load, start, "+", "COUNT", most + 1)
        if place.number and (not found or _place(found[0]) != place):
            return await self._forgotten(site)
        if not place.number and found and _place(found[0]).number != 1:
            return await self._forgotten(site)
        found = found[1:] if place.number else found[:most]
        events = []
        for entry in found:
            place = _place(entry)
            change = decode_change(_said(entry), place.number)
            if isinstance(change, ContactStepped):
                events.append(change.event)
        return Steps(tuple(events), place, more=len(found) == most)

    async def _forgotten(self, site: str) -> Forgotten:
        first = await self._connection.run("XRANGE", Keys(site).load, "-", "+", "COUNT", 1)
        return Forgotten(_place(first[0]).number if first else 0)


def _said(entry: Any) -> str:
    fields = entry[1]
    said: bytes = fields[b"e"] if isinstance(fields, dict) else fields[1]
    return said.decode()


def _place(entry: Any) -> StreamPlace:
    # Every event ends with the time at which it was told.
    return StreamPlace(event_number(entry[0].decode()), int(_said(entry).rpartition("|")[2]))
