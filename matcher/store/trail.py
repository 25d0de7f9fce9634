"""The store of the audit trail: what changes wrote beside sites and keys, and the chain that it becomes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from matcher.model.trail import Chained, Clear, Head, without
from matcher.store import verbs
from matcher.store.keys import ACCESS_AUDIT, TRAIL, TRAIL_CLEAR, TRAIL_FOLLOWER, TRAIL_HEAD, Keys
from matcher.store.redis.client import StoreClient

KEPT: Final = 1_000_000
"""About how many records the store keeps where no ledger takes them."""
PAGE: Final = 500
ROUND_TRIP: Final = "audit trail"
ACCESS_KEYS: Final = ""
"""The site of what happened to the access keys: they are of no site."""
_SOURCE: Final = "source|"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What a verb wrote of a change: its number, when, and the JSON of a `Said`. text: all of it, as it is stored."""

    number: int
    text: bytes

    @property
    def at_ms(self) -> int:
        """Return when it was written; 0 where it is malformed."""
        at = self.text.partition(b"|")[0]
        return int(at) if at.isdigit() else 0

    @property
    def said(self) -> bytes:
        """Return the JSON."""
        return self.text.partition(b"|")[2]

    @property
    def mark(self) -> str:
        """Return what tells the entry from another one that got its number after a failover."""
        return f"{self.number}|{hashlib.sha256(self.text).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class TrailState:
    """The chain's head, and of each source the mark of the last entry that was chained."""

    head: Head
    taken: dict[str, str]


class TrailStore:
    """Read and write the audit trail."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def lead(self, process: str, lease_ms: int) -> bool:
        """Take or renew the lease of the process that chains; return whether this process has it."""
        taken, leader = await self._connection.pipeline(
            [("SET", TRAIL_FOLLOWER, process, "NX", "PX", lease_ms), ("GET", TRAIL_FOLLOWER)]
        )
        if not taken and leader == process.encode():
            await self._connection.run("PEXPIRE", TRAIL_FOLLOWER, lease_ms, name=ROUND_TRIP)
        return bool(leader == process.encode())

    async def waiting(self, sites: Sequence[str]) -> list[tuple[str, int]]:
        """Return of some sites those with entries that are not chained, and how many; "" stands for the access keys."""
        lengths = await self._connection.read_by_server([("XLEN", _audit(site)) for site in sites])
        return [(site, length) for site, length in zip(sites, lengths, strict=True) if length]

    async def entries(self, site: str) -> tuple[str, list[AuditEntry]]:
        """Read the next entries of a site, and the uid of its life; none where the life ends meanwhile."""
        read = ("XRANGE", _audit(site), "-", "+", "COUNT", PAGE)
        if site == ACCESS_KEYS:
            uid, found = b"", await self._connection.run(*read, name=ROUND_TRIP)
        else:
            life = ("HGET", Keys(site).life, "uid")
            uid, found, still = await self._connection.pipeline([life, read, life])
            if uid != still:
                return "", []
        return (uid or b"").decode(), [AuditEntry(_number(number), said[b"e"]) for number, said in found]

    async def state(self) -> TrailState:
        """Read the head of the chain."""
        fields = await self._connection.run("HGETALL", TRAIL_HEAD, name=ROUND_TRIP)
        known = {name.decode(): value.decode() for name, value in _pairs(fields)}
        taken = {name.removeprefix(_SOURCE): mark for name, mark in known.items() if name.startswith(_SOURCE)}
        return TrailState(Head(int(known.get("number", "0")), known.get("mac", "")), taken)

    async def append(self, before: Head, records: Sequence[Chained], source: str, taken: str) -> bool:
        """Append records to the chain; return False, and write nothing, where another process did so meanwhile."""
        call = verbs.AppendTrail(
            chain=TRAIL,
            clear=TRAIL_CLEAR,
            head=TRAIL_HEAD,
            expected=before.number,
            number=records[-1].number,
            mac=records[-1].mac,
            source=source,
            taken=taken,
            kept=KEPT,
            records=[
                verbs.ChainedRecord(number=one.number, text=one.text, clear=msgspec.json.encode(one.clear))
                for one in records
            ],
        )
        return bool((await self._connection.verb(call))[0] == b"ok")

    async def trim(self, site: str, last: AuditEntry) -> None:
        """Remove a site's entries up to one that is chained."""
        await self._connection.verb(verbs.TrimAudit(audit=_audit(site), number=last.number, entry=last.text))

    async def trim_records(self, number: int) -> None:
        """Remove the records up to a number, which the ledger has, but that one."""
        await self._connection.verb(verbs.TrimTrail(chain=TRAIL, clear=TRAIL_CLEAR, number=number))

    async def records(self, after: int = 0) -> AsyncIterator[Chained]:
        """Yield the records of the chain in the order they stand in, with their values."""
        while page := await self.page(after):
            for one in page:
                yield one
            after = page[-1].number

    async def page(self, after: int) -> list[Chained]:
        """Return the next records after a number, in the order they stand in; none after the last."""
        start = f"(0-{after}" if after else "-"
        found = await self._connection.run("XRANGE", TRAIL, start, "+", "COUNT", PAGE, name=ROUND_TRIP)
        if not found:
            return []
        numbers = [_number(number) for number, _ in found]
        values = await self._connection.run("HMGET", TRAIL_CLEAR, *numbers, name=ROUND_TRIP)
        return [
            Chained.of(number, said[b"e"], _clear(value))
            for number, (_, said), value in zip(numbers, found, values, strict=True)
        ]

    async def note(self, site: str, said: bytes) -> None:
        """Write what a change has to say that many verbs carry out."""
        keys = Keys(site)
        await self._connection.verb(verbs.NoteChange(life=keys.life, audit=keys.audit, said=said))

    async def forget(self, site: str, named: Callable[[str], bool]) -> None:
        """Remove from a site's records the values that name a person, and all of the person's own records."""
        async for chained in self.records():
            record = chained.record()
            if chained.clear and (record is None or record.site == site):
                left = without(chained.clear, named)
                if left != chained.clear:
                    await self.put_clear(chained.number, left)

    async def put_clear(self, number: int, clear: Clear) -> None:
        """Replace the values of a record, after some were forgotten."""
        if clear:
            await self._connection.run("HSET", TRAIL_CLEAR, number, msgspec.json.encode(clear), name=ROUND_TRIP)
        else:
            await self._connection.run("HDEL", TRAIL_CLEAR, number, name=ROUND_TRIP)


def _audit(site: str) -> str:
    return ACCESS_AUDIT if site == ACCESS_KEYS else Keys(site).audit


def _number(entry_id: bytes) -> int:
    return int(entry_id.rpartition(b"-")[2])


def _pairs(fields: Any) -> list[tuple[bytes, bytes]]:
    return list(fields.items()) if isinstance(fields, dict) else list(zip(fields[::2], fields[1::2], strict=True))


def _clear(stored: bytes | None) -> Clear:
    try:
        return msgspec.json.decode(stored, type=dict[str, tuple[str, str]]) if stored else {}
    except msgspec.MsgspecError:
        return {}
