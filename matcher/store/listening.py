"""The store of what was heard: counts by pool and day of what contacts bring up, and of how many people."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.errors import SiteNotFound
from matcher.model.resource_names import site_name
from matcher.store import verbs
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.rewriting import RewriteStore

DAY_MS: Final = 86_400_000
KEPT_DAYS: Final = 90
"""How long the counts of a day can be read."""
AFTERWARDS_MS: Final = 600_000
"""How long after a day its salt and its people are kept: a process may still have contacts of its last minute."""
AT_ONCE: Final = 64
"""Contacts counted in one call, in which the store answers nobody else: below 1 ms."""
DIGEST_BYTES: Final = 8
ROUND_TRIP: Final = "listening"
"""What the round trips of this module count as."""

_COUNT, _UNMET, _PEOPLE, _CONTACTS = "c:", "f:", "p:", "n"


@dataclass(frozen=True, slots=True, repr=False)
class Heard:
    """A contact of a pool, and the entries that it brings up: whether nobody who shares one was free. Never logged."""

    contact: str
    customer: str
    """The customer's handle; "": the contact stands for a person of its own."""
    brings: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class EntryCount:
    """How often an entry was brought up on a day: contacts, those of them for whom nobody was free, and people."""

    contacts: int
    nobody_free: int
    people: int


@dataclass(frozen=True, slots=True)
class HeardDay:
    """What was heard in a pool on a day (days since 1970, UTC): contacts listened to, and the counts by entry."""

    day: int
    contacts: int
    entries: Mapping[str, EntryCount]


class ListeningStore:
    """Count what contacts bring up, and read the counts."""

    def __init__(self, client: StoreClient, rewrites: RewriteStore) -> None:
        """rewrites: take the bytes of past salts out of the embedded store's file."""
        self._client = client
        self._rewrites = rewrites
        self._salts: dict[tuple[str, str, int], bytes] = {}
        """By site, the uid of its life, and day."""

    async def count(self, site: str, life: str, pool: str, day: int, heard: Sequence[Heard]) -> int:
        """Count contacts of a day, and return how many were new. Raises SiteNotFound, or what the store raises.

        life: the uid of the site's life in which they were heard; a new site of the id gets nothing of it.
        A contact is counted once, whichever process hears it.
        """
        keys, salt = Keys(site), await self._salt(site, life, day)
        counted = 0
        for begin in range(0, len(heard), AT_ONCE):
            some = heard[begin : begin + AT_ONCE]
            places: dict[str, int] = {}
            for one in some:
                for entry, _ in one.brings:
                    places.setdefault(entry, len(places) + 1)
            answer = await self._client.verb(
                verbs.Hear(
                    life=keys.life,
                    life_uid=life,
                    heard=keys.heard(pool, day),
                    heard_until=(day + 1 + KEPT_DAYS) * DAY_MS,
                    people_until=(day + 1) * DAY_MS + AFTERWARDS_MS,
                    contacts=[
                        verbs.HeardContact(
                            contact=keys.contact(one.contact),
                            person=_digest(salt, pool, one),
                            brings="".join(f"{places[entry]}{'!' if unmet else ''};" for entry, unmet in one.brings),
                        )
                        for one in some
                    ],
                    entries=[verbs.HeardEntry(people=keys.people(pool, day, entry), entry=entry) for entry in places],
                )
            )
            if answer[0] == b"ended":
                raise SiteNotFound(site_name(site))
            counted += int(answer[1])
        return counted

    async def days(self, site: str, pool: str, first: int, last: int) -> list[HeardDay]:
        """Return what was heard on the days from `first` to `last`, those without a contact left out."""
        keys = Keys(site)
        days = list(range(first, last + 1))
        found = await self._client.pipeline([("HGETALL", keys.heard(pool, day)) for day in days])
        return [_day(day, fields) for day, fields in zip(days, found, strict=True) if fields]

    async def forget_past(self, now_ms: Callable[[str], int]) -> list[str]:
        """Forget the salts of past days; return their sites. now_ms: gives the time by the store of a site."""
        past = [key for key in self._salts if (key[-1] + 1) * DAY_MS + AFTERWARDS_MS <= now_ms(key[0])]
        for key in past:
            del self._salts[key]
            await self._rewrites.mark(key[0])
        return [site for site, _, _ in past]

    async def _salt(self, site: str, life: str, day: int) -> bytes:
        """Return the salt of a day, the same in every process; it is destroyed shortly after the day."""
        known = self._salts.get((site, life, day))
        if known is None:
            if await self._client.run("HGET", Keys(site).life, "uid", name=ROUND_TRIP) != life.encode():
                raise SiteNotFound(site_name(site))  # else a key of a site that is gone would be made here
            key, until = Keys(site).salt(day), (day + 1) * DAY_MS + AFTERWARDS_MS
            await self._client.run("SET", key, secrets.token_bytes(32), "NX", "PXAT", until, name=ROUND_TRIP)
            # Gone at once where the day is long over: then a salt that nobody shares.
            known = await self._client.run("GET", key, name=ROUND_TRIP) or secrets.token_bytes(32)
            self._salts[site, life, day] = known
            # The salt of a day on which a process ended may still be in the file.
            await self._rewrites.mark(site)
        return known


def _digest(salt: bytes, pool: str, heard: Heard) -> bytes:
    person = f"c|{heard.customer}" if heard.customer else f"k|{heard.contact}"
    return hmac.digest(salt, f"{pool}|{person}".encode(), hashlib.sha256)[:DIGEST_BYTES]


def _day(day: int, fields: Mapping[bytes, bytes]) -> HeardDay:
    numbers = {name.decode(): int(value) for name, value in fields.items()}
    entries = {
        name.removeprefix(_COUNT): EntryCount(
            count,
            numbers.get(_UNMET + name.removeprefix(_COUNT), 0),
            numbers.get(_PEOPLE + name.removeprefix(_COUNT), 0),
        )
        for name, count in numbers.items()
        if name.startswith(_COUNT)
    }
    return HeardDay(day, numbers.get(_CONTACTS, 0), entries)
