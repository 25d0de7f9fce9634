"""Import of agents: write many at once, and prune those that an import does not name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.errors import (
    AgentHasHolds,
    AgentNotFound,
    FieldsInvalid,
    FieldViolation,
    MatcherError,
    PoolNotFound,
    PruneTooLarge,
)
from matcher.model import Agent, ImportAction, ImportedRow, ImportResult, Profile, StatusKept
from matcher.model.imports import changes_of
from matcher.model.lifecycle import AgentStatus
from matcher.model.resource_names import agent_name, pool_name, site_name
from matcher.replica.interest_vectors import silent_interests, vectors_for_update
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.agents import AgentService, AgentWrite
from matcher.store.clock import Clocks
from matcher.store.pages import every_page
from matcher.store.roster import RosterStore

PRUNE_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class _Work:
    """A row with the agent before it, and what the row writes."""

    place: int
    row: ImportedRow
    before: Agent | None
    profile: Profile
    status: AgentStatus | None
    kept: StatusKept | None

    def result(self, action: ImportAction, status: AgentStatus | None, kept: StatusKept | None) -> ImportResult:
        """Return the result of the row; status: the agent's new one, None: as before."""
        before = self.before
        changes = changes_of(before.profile, self.profile, before.status, status) if before else ()
        return ImportResult(self.row.row, self.row.agent, action, None, changes, kept)

    def rejected(self, error: MatcherError) -> ImportResult:
        """Return the result of a row that is not written."""
        return ImportResult(self.row.row, self.row.agent, ImportAction.REJECTED, error)

    @property
    def action(self) -> ImportAction:
        """The action that the row takes."""
        if self.before is None:
            return ImportAction.CREATED
        unchanged = self.profile == self.before.profile and self.status is None
        return ImportAction.UNCHANGED if unchanged else ImportAction.UPDATED


class ImportService:
    """Import agents into a site. An error of one row is the result of that row."""

    def __init__(self, store: RosterStore, agents: AgentService, sites: SiteRegistry, clocks: Clocks) -> None:
        self._store = store
        self._agents = agents
        self._sites = sites
        self._clocks = clocks

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        """Add or change agents; the new interests of all rows are encoded together."""
        replica = await self._sites.replica(site)
        stored = await self._store.agents(site, [row.agent for row in rows])
        now_ms = self._clocks.of(site).now_ms()
        results: list[ImportResult | None] = [None] * len(rows)
        written: list[_Work] = []
        for place, (row, before) in enumerate(zip(rows, stored, strict=True)):
            work = _work(place, row, before, now_ms)
            unknown = [pool for pool in work.profile.pools if pool not in replica.pools.known]
            fault = row.fault(before.profile if before else None)
            if fault is not None:
                results[place] = work.rejected(fault)
            elif not work.profile.interests:
                missing = FieldViolation("row.agent.interests", "is missing; a new agent needs at least one interest")
                results[place] = work.rejected(FieldsInvalid([missing]))
            elif work.action is ImportAction.UNCHANGED:
                results[place] = work.result(ImportAction.UNCHANGED, None, work.kept)
            elif validate_only:
                obstacle = PoolNotFound(pool_name(site, unknown[0])) if unknown else None
                results[place] = (
                    work.rejected(obstacle) if obstacle else work.result(work.action, work.status, work.kept)
                )
            else:
                written.append(work)
        if written:
            profiles = [(work.profile, work.before) for work in written]
            vectors = await vectors_for_update(self._store, site, replica.matching.encoder, profiles)
            answers = await asyncio.gather(
                *(self._write(replica, work, rows_of) for work, rows_of in zip(written, vectors, strict=True))
            )
            for work, result in zip(written, answers, strict=True):
                results[work.place] = result
        encoder = replica.matching.encoder
        return [
            replace(result, silent=silent_interests(encoder, row.profile.interests))
            for row, result in zip(rows, results, strict=True)
            if result is not None
        ]

    async def prune(
        self, site: str, keep: frozenset[str], max_removed: int | None, validate_only: bool
    ) -> list[ImportResult]:
        """Remove the agents who are not in `keep`; an agent with holds stays.

        Raises PruneTooLarge where these are more than `max_removed` (None: half of the roster); none is removed then.
        """
        agents, gone = 0, list[str]()
        async for page in every_page(lambda after: self._store.agent_ids(site, PRUNE_PAGE, after)):
            agents += len(page.items)
            gone += [agent for agent in page.items if agent not in keep]
        limit = agents // 2 if max_removed is None else max_removed
        if len(gone) > limit:
            raise PruneTooLarge(site_name(site), len(gone), agents, limit)
        results: list[ImportResult] = []
        for agent in gone:
            try:
                await self._prune(site, agent, validate_only)
            except AgentNotFound:
                continue
            except MatcherError as obstacle:
                results.append(ImportResult(0, agent, ImportAction.REJECTED, obstacle))
            else:
                results.append(ImportResult(0, agent, ImportAction.PRUNED))
        return results

    async def _prune(self, site: str, agent: str, validate_only: bool) -> None:
        if not validate_only:
            await self._agents.delete_agent(site, agent, "", force=False)
            return
        holds = (await self._agents.agent(site, agent)).holds
        if holds:
            raise AgentHasHolds(agent_name(site, agent), len(holds))

    async def _write(self, replica: SiteReplica, work: _Work, vectors: NDArray[np.float32]) -> ImportResult:
        write = AgentWrite(work.row.agent, work.profile, work.status, work.before, imported=True)
        try:
            agent = await self._agents.write(replica, write, vectors)
        except MatcherError as obstacle:
            return work.rejected(obstacle)
        # The heartbeats may have stopped since the agent was read.
        kept = StatusKept.NO_HEARTBEAT if work.status not in (None, agent.status) else work.kept
        return work.result(work.action, agent.status, kept)


def _work(place: int, row: ImportedRow, before: Agent | None, now_ms: int) -> _Work:
    if before is None:
        return _Work(place, row, None, row.profile, row.status, None)
    status, kept = row.status_for(before.status), None
    if status is None and row.status not in (None, before.status):
        kept = StatusKept.NOT_NAMED
    elif status is not None and 0 < before.beat_until_ms <= now_ms:
        status, kept = None, StatusKept.NO_HEARTBEAT
    return _Work(place, row, before, row.onto(before.profile), status, kept)
