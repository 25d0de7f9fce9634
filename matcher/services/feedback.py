"""Feedback: records what became of contacts for the ledger, and passes praise on; a request of several fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from matcher.errors import (
    AgentNotFound,
    ContactNotFound,
    ContactUnserved,
    FieldsInvalid,
    FieldViolation,
    LedgerAway,
    LedgerOff,
    MatcherError,
)
from matcher.model.outcomes import (
    PRAISE,
    AskedLife,
    ContactOutcomes,
    LedgerLife,
    Life,
    Outcome,
    OutcomeRecorded,
    OutcomeWrite,
    corrects,
    current,
    without_repeats,
)
from matcher.model.resource_names import agent_name, contact_name
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.ledger import Ledger
from matcher.store.clock import CALLERS_AHEAD_MS, CALLERS_BEHIND_MS, Clocks
from matcher.store.outcomes import KnownContact, OutcomeStore
from matcher.store.praise import PraiseStore, PraiseWrite


@dataclass(frozen=True, slots=True, repr=False)
class _Found:
    """A life with what praise needs of it. customer: the digest of the handle."""

    life: Life
    agent: str
    agent_uid: str
    customer: str


class FeedbackService:
    """Record outcomes and praise, and read outcomes. Every method raises MatcherErrors, the store's among them."""

    def __init__(
        self,
        store: OutcomeStore,
        praise: PraiseStore,
        ledger: Ledger,
        sites: SiteRegistry,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._praise = praise
        self._ledger = ledger
        self._sites = sites
        self._clocks = clocks

    async def record_one(self, site: str, write: OutcomeWrite, *, validate_only: bool) -> OutcomeRecorded:
        """Record what became of a contact, and praise.

        Raises ContactNotFound, LedgerOff, ContactUnserved, AgentNotFound, and FieldsInvalid for an observation that is
        still to come.
        """
        (end,) = await self.record_many(site, [write], validate_only=validate_only)
        if isinstance(end, MatcherError):
            raise end
        return end

    async def record_many(
        self, site: str, writes: Sequence[OutcomeWrite], *, validate_only: bool
    ) -> list[OutcomeRecorded | MatcherError]:
        """Record for several contacts; return of each what changed, or the error by which it failed alone."""
        replica = await self._sites.replica(site)
        found = [
            _praise_fault(replica, write, one) or one if isinstance(one, _Found) else one
            for write, one in zip(writes, await self._find(replica, writes), strict=True)
        ]
        given = await self._changes(replica, writes, found)
        changes = [(life, outcome, dated) for _, life, outcome, dated in given]
        new = [True] * len(given) if validate_only else await self._store.record(site, changes)
        changed = {(place, outcome.kind) for (place, _, outcome, _), is_new in zip(given, new, strict=True) if is_new}
        ends: list[OutcomeRecorded | MatcherError] = []
        for place, (write, one) in enumerate(zip(writes, found, strict=True)):
            if isinstance(one, _Found):
                kinds = [outcome.kind for outcome in write.outcomes]
                if write.praise:
                    kinds.append(PRAISE)
                    if await self._pass_on(replica, write, one, validate_only=validate_only):
                        changed.add((place, PRAISE))
                recorded = tuple(kind for kind in kinds if (place, kind) in changed)
                unchanged = tuple(kind for kind in kinds if kind not in recorded)
                ends.append(OutcomeRecorded(one.life, recorded, unchanged, one.agent if write.praise else ""))
            else:
                ends.append(one)
        return ends

    async def outcomes(self, site: str, contact: str, born_ms: int | None) -> ContactOutcomes:
        """Read everything that was recorded of a contact's life. Raises ContactNotFound, LedgerOff."""
        replica = await self._sites.replica(site)
        if not self._ledger.is_on:
            raise LedgerOff
        (found,) = await self._find(replica, [OutcomeWrite(contact, born_ms, None, (), "")])
        if isinstance(found, MatcherError):
            raise found
        (kept,) = await self._histories(replica, [found.life])
        (recent,) = await self._store.recent(site, [found.life])
        return ContactOutcomes(found.life, _merged(kept, recent))

    async def _pass_on(self, replica: SiteReplica, write: OutcomeWrite, found: _Found, *, validate_only: bool) -> bool:
        """Store the praise of a request; return whether it is new, or with validate_only would be."""
        words = _words(replica, write, found)
        if validate_only:
            return not await self._praise.has(replica.site, words)
        return await self._praise.put(replica.site, words)

    async def _find(self, replica: SiteReplica, writes: Sequence[OutcomeWrite]) -> list[_Found | MatcherError]:
        """Find the lives of contacts: in the store, and the others in the ledger."""
        site, now_ms = replica.site, self._clocks.of(replica.site).now_ms()
        known = await self._store.known(site, [write.contact for write in writes])
        found: list[_Found | MatcherError] = []
        asked: dict[int, AskedLife] = {}
        for place, (write, record) in enumerate(zip(writes, known, strict=True)):
            latest_ms = max((outcome.observed_ms for outcome in write.outcomes), default=write.observed_ms or 0)
            if latest_ms > now_ms + CALLERS_AHEAD_MS:
                found.append(FieldsInvalid([FieldViolation("outcome.observed_time", "is in the future")]))
            elif write.outcomes and not self._ledger.is_on:
                found.append(LedgerOff())
            elif record is not None and _is_of(write, record):
                found.append(self._of_record(write, record))
            else:
                found.append(ContactNotFound(contact_name(site, write.contact)))
                asked[place] = AskedLife(write.contact, write.born_ms, write.observed_ms)
        try:
            lives = await self._read_lives(replica, list(asked.values()))
        except LedgerAway as away:
            return [away if place in asked else one for place, one in enumerate(found)]
        for place, known_life in zip(asked, lives, strict=True):
            if known_life is not None:
                found[place] = _Found(known_life.life, known_life.agent, "", known_life.customer)
            elif (record := known[place]) is not None and _is_of(writes[place], record, CALLERS_BEHIND_MS):
                found[place] = self._of_record(writes[place], record)
        return found

    def _of_record(self, write: OutcomeWrite, record: KnownContact) -> _Found:
        digest = self._praise.customer_digest(record.customer)
        return _Found(Life(write.contact, record.born_ms), record.agent, record.agent_uid, digest)

    async def _read_lives(self, replica: SiteReplica, asked: Sequence[AskedLife]) -> list[LedgerLife | None]:
        if not asked or not self._ledger.is_on:
            return [None for _ in asked]
        return await self._ledger.read(lambda reader: reader.find_lives(replica.life, asked))

    async def _histories(self, replica: SiteReplica, lives: Sequence[Life]) -> list[tuple[Outcome, ...]]:
        return await self._ledger.read(lambda reader: reader.histories(replica.life, lives))

    async def _changes(
        self, replica: SiteReplica, writes: Sequence[OutcomeWrite], found: Sequence[_Found | MatcherError]
    ) -> list[tuple[int, Life, Outcome, bool]]:
        """Return the outcomes that are new or corrected, each with the place of its request and its life.

        The flag says that it was observed at its time, and not when it is recorded.
        """
        lives = list(dict.fromkeys(one.life for one in found if isinstance(one, _Found)))
        last = dict(zip(lives, await self._last(replica, lives), strict=True))
        now_ms = self._clocks.of(replica.site).now_ms()
        changes = []
        for place, (write, one) in enumerate(zip(writes, found, strict=True)):
            for outcome in write.outcomes if isinstance(one, _Found) else ():
                assert isinstance(one, _Found)
                told = msgspec.structs.replace(outcome, observed_ms=outcome.observed_ms or now_ms)
                before = last[one.life].get((told.source, told.kind))
                if corrects(before, told):
                    last[one.life][told.source, told.kind] = told
                    changes.append((place, one.life, told, bool(outcome.observed_ms)))
        return changes

    async def _last(self, replica: SiteReplica, lives: Sequence[Life]) -> list[dict[tuple[str, str], Outcome]]:
        """Read the last outcome of each source and kind of lives, as far as the ledger answers."""
        if not (lives and self._ledger.is_on):
            return [{} for _ in lives]
        recent = await self._store.recent(replica.site, lives)
        kept: Sequence[tuple[Outcome, ...]] = [()] * len(lives)
        with suppress(LedgerAway):  # it finds by itself what it has already
            kept = await self._histories(replica, lives)
        return [current(_merged(*both)) for both in zip(kept, recent, strict=True)]


def _praise_fault(replica: SiteReplica, write: OutcomeWrite, found: _Found) -> MatcherError | None:
    """Return why the praise of a request can reach nobody; None: it can, or there is none."""
    if not write.praise:
        return None
    if not found.agent:
        return ContactUnserved(contact_name(replica.site, found.life.contact))
    agent = replica.index.agent(found.agent)
    if agent is None or agent.is_another(found.agent_uid):
        return AgentNotFound(agent_name(replica.site, found.agent))
    return None


def _words(replica: SiteReplica, write: OutcomeWrite, found: _Found) -> PraiseWrite:
    agent = replica.index.agent(found.agent)
    uid = agent.uid if agent else found.agent_uid
    return PraiseWrite(found.life, found.agent, uid, found.customer, source=write.source, text=write.praise)


def _is_of(write: OutcomeWrite, record: KnownContact, behind_ms: int = 0) -> bool:
    """Return whether an outcome is of the life whose record the store has; behind_ms: how early its time may be."""
    if write.born_ms is not None:
        return write.born_ms == record.born_ms
    return write.observed_ms is None or write.observed_ms + behind_ms >= record.born_ms


def _merged(kept: Sequence[Outcome], recent: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return the history of the ledger with what is still on its way there."""
    known = {(outcome.source, outcome.kind, outcome.value, outcome.recorded_ms) for outcome in kept}
    late = [one for one in recent if (one.source, one.kind, one.value, one.recorded_ms) not in known]
    return without_repeats(sorted((*kept, *late), key=lambda outcome: outcome.recorded_ms))
