"""The store of outboxes: adds what no other verb adds, and hands the entries to who feeds the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.model.steps import Step, without_agent
from matcher.store import verbs
from matcher.store.codecs import fields_of
from matcher.store.keys import LEDGER_GONE, LEDGER_PRUNER, Keys
from matcher.store.redis.client import StoreClient

_ENTRY: Final = "entry|"
_PARTS: Final = 10
_AGENT: Final = 8
"""How many words an entry has, and which of them is the agent; see note_in_outbox of lua/contact.lua."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An entry by its number, and its text as it is stored."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Feeding:
    """What the store hands out to the process that feeds a site's ledger.

    uid: of the site's life. now_ms: the store's clock. forgets: the persons whose rows are to go once everything before
    has been committed → the stamp of the request. removed: the entries that were removed with their person → the same.
    """

    uid: str
    now_ms: int
    entries: Sequence[OutboxEntry]
    forgets: Mapping[str, str]
    removed: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a site's outbox holds: entries, persons whose rows are to go, and when the oldest entry was written."""

    site: str
    entries: int
    forgets: int
    oldest_ms: int | None


class OutboxStore:
    """Add to the outboxes of sites, and feed the ledger from them."""

    def __init__(self, connection: StoreClient, kept: int) -> None:
        """kept: about how many entries an outbox keeps; 0: the service keeps no ledger."""
        self._connection = connection
        self._kept = kept

    @property
    def is_on(self) -> bool:
        """Whether the service keeps a ledger."""
        return self._kept > 0

    async def note_unmatched(self, site: str, contact: str, pool: str, channel: str, constraint: str) -> None:
        """Add an unmatched answer, where the service keeps a ledger."""
        if self._kept:
            keys = Keys(site)
            await self._connection.verb(
                verbs.NoteUnmatched(
                    life=keys.life,
                    outbox=keys.outbox,
                    outbox_kept=self._kept,
                    contact_id=contact,
                    pool_id=pool,
                    channel=channel,
                    constraint=constraint,
                )
            )

    async def note_forgets(self, site: str, persons: Iterable[str]) -> None:
        """Ask for the removal of persons' rows, where the service keeps a ledger. A repetition changes nothing."""
        asked = [verbs.PersonToForget(person=person) for person in sorted(persons)]
        if self._kept and asked:
            keys = Keys(site)
            await self._connection.verb(verbs.NoteForgets(life=keys.life, forgets=keys.forgets, persons=asked))

    async def feed(
        self,
        site: str,
        process: str,
        lease_ms: int,
        most: int,
        committed: OutboxEntry | None = None,
        forgotten: Mapping[str, str] | None = None,
        removed: Mapping[int, str] | None = None,
    ) -> Feeding | None:
        """Trim what was committed, and read the next entries; None: another process feeds the site's ledger.

        forgotten, removed: with their stamps, the persons whose rows were removed, and removed entries that need not be
        noted any more. Raises SiteNotFound for a site that is gone.
        """
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.Feed(
                life=keys.life,
                outbox=keys.outbox,
                feeder=keys.feeder,
                forgets=keys.forgets,
                process_id=process,
                lease_ms=lease_ms,
                committed=str(committed.number) if committed else "",
                committed_entry=committed.text if committed else b"",
                most=most,
                forgotten=[
                    verbs.ForgottenPerson(person=person, stamp=stamp)
                    for person, stamp in (
                        *(forgotten or {}).items(),
                        *((f"{_ENTRY}{number}", stamp) for number, stamp in (removed or {}).items()),
                    )
                ],
            )
        )
        if answer[0] != b"feeds":
            return None
        _, uid, now_ms, entries, noted = answer
        stamps = {person: stamp.decode() for person, stamp in fields_of(noted).items()}
        return Feeding(
            uid.decode(),
            int(now_ms),
            [OutboxEntry(int(number.rpartition(b"-")[2]), said[1]) for number, said in entries],
            {one: stamp for one, stamp in stamps.items() if not one.startswith(_ENTRY) and len(entries) < most},
            {int(one.removeprefix(_ENTRY)): stamp for one, stamp in stamps.items() if one.startswith(_ENTRY)},
        )

    async def backlogs(self, sites: Sequence[str]) -> list[Backlog]:
        """Read what the outboxes of some sites hold; a site on a server that is away is left out."""
        commands: list[tuple[str | int, ...]] = []
        for keys in map(Keys, sites):
            commands += [
                ("XLEN", keys.outbox),
                ("HLEN", keys.forgets),
                ("XRANGE", keys.outbox, "-", "+", "COUNT", 1),
            ]
        answers = await self._connection.read_by_server(commands)
        return [
            Backlog(site, entries, forgets, _oldest_ms(first))
            for site, entries, forgets, first in zip(sites, answers[::3], answers[1::3], answers[2::3], strict=True)
            if entries is not None and forgets is not None and first is not None
        ]

    async def fed_of_forgets(self, sites: Sequence[str]) -> set[str]:
        """Return the sites of which the ledger has removed all who were to go, or that have no ledger."""
        if not self._kept:
            return set(sites)
        return {backlog.site for backlog in await self.backlogs(sites) if not backlog.forgets}

    async def note_gone(self, uid: str) -> None:
        """Ask for the removal of a removed site's rows, where the service keeps a ledger."""
        if self._kept:
            await self._connection.verb(verbs.NoteGone(gone=LEDGER_GONE, uid=uid))

    async def gone(self) -> list[str]:
        """List the uids of removed sites whose rows are to go."""
        return sorted(uid.decode() for uid in await self._connection.run("SMEMBERS", LEDGER_GONE))

    async def forget_gone(self, uid: str) -> None:
        """Take a removed site whose rows are gone off the list."""
        await self._connection.run("SREM", LEDGER_GONE, uid)

    async def may_prune(self, process: str, lease_ms: int) -> bool:
        """Take the pruner's lease; return whether this process has it now. It ends by itself."""
        return bool(await self._connection.run("SET", LEDGER_PRUNER, process, "NX", "PX", lease_ms))


def step_of(entry: OutboxEntry) -> Step | None:
    """Return the step that an entry holds; None where this version cannot read it."""
    words = entry.text.decode(errors="replace").split("|", _PARTS - 1)
    try:
        kind, contact, born, at, sequence, state, pool, reservation, agent, facts = words
        at_ms = int(at)
        return Step(
            entry.number,
            kind,
            contact,
            int(born) if born else at_ms,
            at_ms,
            int(sequence),
            state,
            pool,
            reservation,
            agent,
            facts,
        )
    except ValueError:
        return None


def text_without_agent(text: str, agent: str) -> str:
    """Return the text of an entry without an agent's id."""
    words = text.split("|", _PARTS - 1)
    if len(words) == _PARTS:
        words[_AGENT] = "" if words[_AGENT] == agent else words[_AGENT]
        words[-1] = without_agent(words[-1], agent)
    return "|".join(words)


def _oldest_ms(first: Sequence[tuple[bytes, Sequence[bytes]]]) -> int | None:
    """Return when the first entry was written."""
    if not first:
        return None
    step = step_of(OutboxEntry(0, first[0][1][1]))
    return step.at_ms if step else None
