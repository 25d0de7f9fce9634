"""Pages of lists: one page of a sorted set, in the order of score and id, and all pages of a list in turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from matcher.model import Page
from matcher.store.codecs import pairs_of
from matcher.store.redis.client import StoreClient

T = TypeVar("T")

MOST_TIES: Final = 64
"""So many entries more than asked for are read at once: those with the score of the last page's last entry come first,
and are on that page already."""


class Entry(NamedTuple):
    """A member of a sorted set: its score, and the id that the member names."""

    score: int
    id: str

    @property
    def token(self) -> str:
        """The page token that means: after this entry."""
        return f"{self.score}|{self.id}"

    @classmethod
    def of_token(cls, token: str) -> Entry | None:
        """Return the entry that a page begins after; None for the first page, whose token is empty."""
        score, _, identifier = token.partition("|")
        return cls(int(score), identifier) if token else None


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """Some entries in order; `last`: the set has no more after them."""

    entries: list[Entry]
    last: bool


async def keyset_page(
    client: StoreClient, key: str, after: Entry | None, most: int, *, first: str = "-inf", prefix: str = ""
) -> KeysetPage:
    """Read `most` entries after one, and up to 64 more; fewer only where the set ends.

    first: the lowest score of the first page, as ZRANGE takes it. prefix: what stands before an id in a member.
    """
    start, offset, count = first if after is None else str(after.score), 0, most + MOST_TIES
    while True:
        found = pairs_of(
            await client.run("ZRANGE", key, start, "+inf", "BYSCORE", "LIMIT", offset, count, "WITHSCORES")
        )
        entries = [Entry(int(score), member.decode().removeprefix(prefix)) for member, score in found]
        entries = [entry for entry in entries if after is None or entry > after]
        last = len(found) < count
        if entries or last:
            return KeysetPage(entries, last)
        offset += count


async def id_page(client: StoreClient, key: str, most: int, after: str) -> Page[str]:
    """Read a page of the ids of a sorted set whose scores are all 0, in order, from `after` on."""
    start = f"({after}" if after else "-"
    members = await client.run("ZRANGE", key, start, "+", "BYLEX", "LIMIT", 0, most + 1)
    ids = tuple(member.decode() for member in members)
    return Page(ids[:most], ids[most - 1] if len(ids) > most else "")


async def every_page(read: Callable[[str], Awaitable[Page[T]]]) -> AsyncGenerator[Page[T], None]:
    """Yield every page of a list; `read` takes the place where a page starts ("" at the beginning)."""
    after = ""
    while True:
        page = await read(after)
        yield page
        if not page.next:
            return
        after = page.next


async def page_of(read: Callable[[str], Awaitable[Page[T]]], after: str, keeps: Callable[[T], bool]) -> Page[T]:
    """Return the page after a place without the items that `keeps` refuses; empty only at the end of the list.

    A page of which nothing is kept is skipped here, for its token would name what the caller does not reach.
    """
    while True:
        page = (await read(after)).only(keeps)
        if page.items or not page.next:
            return page
        after = page.next
