"""The store of praise: customers' words about agents, sealed, each until its time is over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.model import Page
from matcher.model.outcomes import Life
from matcher.model.praise import Praise, PraisePage
from matcher.store import verbs
from matcher.store.codecs import Fields, fields_of, number, pairs_of, text
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.remembered import CustomerSealer

_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class PraiseWrite:
    """Praise to be stored. customer: the digest of the customer's handle, "" where it is not known. Never logged."""

    life: Life
    agent: str
    agent_uid: str
    customer: str
    source: str
    text: str


class PraiseStore:
    """Store and read praise."""

    def __init__(self, connection: StoreClient, keys: ServiceKeys, *, kept_ms: int, events_kept: int) -> None:
        self._connection = connection
        self._keys = keys
        self._sealer = CustomerSealer(keys)
        self._kept_ms = kept_ms
        self._events_kept = events_kept

    def customer_digest(self, handle: str) -> str:
        """Return the digest by which the praise of a customer is found when the customer is forgotten."""
        return self._keys.handle_digests(handle)[0] if handle else ""

    async def put(self, site: str, praise: PraiseWrite) -> bool:
        """Store praise; return whether it is new. Other words of the same source on the same life replace it."""
        keys, identifier = Keys(site), _id_of(praise)
        answer = await self._connection.verb(
            verbs.PutPraise(
                life=keys.life,
                praise=keys.praise(identifier),
                praised=keys.praised(praise.agent),
                load=keys.load,
                praise_id=identifier,
                agent_id=praise.agent,
                agent_uid=praise.agent_uid,
                contact_id=praise.life.contact,
                source=praise.source,
                customer=praise.customer,
                digest=self._digests(praise)[0],
                sealed=self._sealer.praise(site, identifier, praise.text),
                kept_ms=self._kept_ms,
                events_kept=self._events_kept,
            )
        )
        return bool(answer[0] == b"ok")

    async def has(self, site: str, praise: PraiseWrite) -> bool:
        """Return whether these very words are stored."""
        stored = await self._connection.run("HGET", Keys(site).praise(_id_of(praise)), "digest")
        return stored is not None and stored.decode() in self._digests(praise)

    def _digests(self, praise: PraiseWrite) -> tuple[str, ...]:
        """Return the digests that the words may have; the first is by the newest key."""
        return self._keys.request_digests(b"praise|" + praise.text.encode())

    async def last(self, site: str) -> int:
        """Return the number of the site's last praise; 0: there was none."""
        return int(await self._connection.run("HGET", Keys(site).life, "praises") or 0)

    async def page(self, site: str, uids: Mapping[str, str], most: int, before: int | None) -> PraisePage:
        """Read a page of the praise of agents, the latest first, of numbers below `before`.

        uids: agent → uid; the praise of an earlier person of the id is left out. A page may hold fewer than `most`.
        """
        last = await self.last(site)
        top = "+inf" if before is None else f"({before}"
        commands = [
            ("ZRANGE", Keys(site).praised(agent), top, "-inf", "BYSCORE", "REV", "LIMIT", 0, most + 1, "WITHSCORES")
            for agent in uids
        ]
        found = await self._listed(commands, uids)
        found.sort(reverse=True)
        listed = found[:most]
        praise = await self._read(site, listed, uids)
        praise.sort(key=lambda one: -one.number)
        following = str(listed[-1][0]) if len(found) > most else ""
        return PraisePage(Page(tuple(praise), following, tuple(str(one.number) for one in praise)), last)

    async def after(self, site: str, uids: Mapping[str, str], number: int) -> tuple[list[Praise], int]:
        """Read the praise of agents after a number, the earliest first; return it with the number that it goes up to.

        uids: as of `page`.
        """
        # Read first: praise up to it is in every list by now, so none is skipped.
        last = await self.last(site)
        commands = [
            ("ZRANGE", Keys(site).praised(agent), f"({number}", last, "BYSCORE", "WITHSCORES") for agent in uids
        ]
        praise = await self._read(site, sorted(await self._listed(commands, uids)), uids)
        return sorted(praise, key=lambda one: one.number), last

    async def reseal(self, site: str) -> None:
        """Seal the praise of a site under the newest key. A repetition changes nothing."""
        keys = Keys(site)
        prefix = keys.praise("")
        async for key in self._connection.keys_matching(f"{prefix}*"):
            sealed = await self._connection.run("HGET", key, "sealed")
            newer = self._sealer.resealed(site, "praise", key.removeprefix(prefix), sealed or b"")
            if newer is not None:
                await self._connection.verb(
                    verbs.Reseal(life=keys.life, record=key, field="sealed", expected=sealed, sealed=newer)
                )

    async def _listed(
        self, commands: Sequence[tuple[str | int, ...]], agents: Iterable[str]
    ) -> list[tuple[int, str, str]]:
        """Return the number, the agent and the id of each praise that lists name."""
        answers = await self._connection.pipeline(commands) if commands else []
        return [
            (int(score), agent, identifier.decode())
            for agent, answer in zip(agents, answers, strict=True)
            for identifier, score in pairs_of(answer)
        ]

    async def _read(self, site: str, listed: Sequence[tuple[int, str, str]], uids: Mapping[str, str]) -> list[Praise]:
        """Read praise; what is over, or cannot be opened, is left out, and what is over leaves its list."""
        keys = Keys(site)
        reads = [
            command
            for _, _, identifier in listed
            for command in (("HGETALL", keys.praise(identifier)), ("PEXPIRETIME", keys.praise(identifier)))
        ]
        answers = await self._connection.pipeline(reads) if reads else []
        found, over = list[Praise](), list[tuple[str, ...]]()
        for (_, agent, identifier), record, expires in zip(listed, answers[::2], answers[1::2], strict=True):
            fields = fields_of(record)
            if not fields or text(fields, "agent") != agent:
                over.append(("ZREM", keys.praised(agent), identifier))
            elif praise := self._opened(site, identifier, fields, int(expires), uids[agent]):
                found.append(praise)
        if over:
            await self._connection.pipeline(over)
        return found

    def _opened(self, site: str, identifier: str, fields: Fields, expires_ms: int, uid: str) -> Praise | None:
        noted = text(fields, "agent_uid")
        words = self._sealer.open_praise(site, identifier, fields.get("sealed", b""))
        if words is None or (noted and uid and noted != uid):
            return None
        return Praise(
            text(fields, "agent"),
            text(fields, "contact"),
            words,
            text(fields, "source"),
            number(fields, "number"),
            number(fields, "at"),
            expires_ms,
        )


def _id_of(praise: PraiseWrite) -> str:
    """Return the id of the praise of a life by a source: each has one."""
    named = f"{praise.life.contact}|{praise.life.born_ms}|{praise.source}"
    return hashlib.sha256(named.encode()).hexdigest()[:_ID_DIGITS]
