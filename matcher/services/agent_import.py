"""Import of agents: write many at once, and prune those that an import does not name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.errors import AgentHasHolds, AgentNotFound, MatcherError, PoolNotFound
from matcher.model import Agent, ImportAction, ImportedRow, ImportResult
from matcher.model.resource_names import agent_name, pool_name
from matcher.replica.interest_vectors import silent_interests, vectors_for_update
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.agents import AgentService, AgentWrite
from matcher.store.pages import every_page
from matcher.store.roster import RosterStore

PRUNE_PAGE: Final = 500


class ImportService:
    """Import agents into a site. An error of one row is the result of that row."""

    def __init__(self, store: RosterStore, agents: AgentService, sites: SiteRegistry) -> None:
        self._store = store
        self._agents = agents
        self._sites = sites

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        """Add or change agents; the new interests of all rows are encoded together."""
        replica = await self._sites.replica(site)
        stored = await self._store.agents(site, [row.agent for row in rows])
        results: list[ImportResult | None] = [None] * len(rows)
        work: list[tuple[int, ImportedRow, Agent | None]] = []
        for place, (row, before) in enumerate(zip(rows, stored, strict=True)):
            if before and before.profile == row.profile and row.status in {None, before.status}:
                results[place] = ImportResult(row.row, row.agent, ImportAction.UNCHANGED)
                continue
            unknown = [pool for pool in row.profile.pools if pool not in replica.pools.known]
            if validate_only and unknown:
                obstacle = PoolNotFound(pool_name(site, unknown[0]))
                results[place] = ImportResult(row.row, row.agent, ImportAction.REJECTED, obstacle)
            else:
                work.append((place, row, before))
        encoder = replica.matching.encoder
        if validate_only:
            for place, row, before in work:
                results[place] = ImportResult(row.row, row.agent, _action(before))
        else:
            profiles = [(row.profile, before) for _, row, before in work]
            vectors = await vectors_for_update(self._store, site, encoder, profiles)
            written = await asyncio.gather(
                *(
                    self._write(replica, row, before, rows_of)
                    for (_, row, before), rows_of in zip(work, vectors, strict=True)
                )
            )
            for (place, _, _), result in zip(work, written, strict=True):
                results[place] = result
        return [
            replace(result, silent=silent_interests(encoder, row.profile.interests))
            for row, result in zip(rows, results, strict=True)
            if result is not None
        ]

    async def prune(self, site: str, keep: frozenset[str], validate_only: bool) -> list[ImportResult]:
        """Remove the agents who are not in `keep`; an agent with holds stays."""
        results: list[ImportResult] = []
        async for page in every_page(lambda after: self._store.agent_ids(site, PRUNE_PAGE, after)):
            for agent in page.items:
                if agent in keep:
                    continue
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

    async def _write(
        self, replica: SiteReplica, row: ImportedRow, before: Agent | None, vectors: NDArray[np.float32]
    ) -> ImportResult:
        try:
            await self._agents.write(replica, AgentWrite(row.agent, row.profile, row.status, before), vectors)
        except MatcherError as obstacle:
            return ImportResult(row.row, row.agent, ImportAction.REJECTED, obstacle)
        return ImportResult(row.row, row.agent, _action(before))


def _action(before: Agent | None) -> ImportAction:
    return ImportAction.UPDATED if before else ImportAction.CREATED
