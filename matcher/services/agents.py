"""The roster: agents, pools and sites, written so that the next route sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer_registry import ScorerUnknown
from matcher.errors import (
    AgentHasHolds,
    AgentNotFound,
    EtagMismatch,
    FieldsInvalid,
    FieldViolation,
    MatcherError,
    PoolExists,
    PoolInUse,
    PoolNotFound,
    ReservationStateWrong,
    SiteInUse,
    SiteNotFound,
)
from matcher.model import (
    DEFAULT_POOL,
    DEFAULT_SITE,
    Agent,
    AgentChange,
    ImportAction,
    ImportedRow,
    ImportResult,
    Page,
    Pool,
    PoolPolicy,
    Profile,
    etag,
)
from matcher.model.lifecycle import AgentStatus, Cause
from matcher.model.resource_names import agent_name, pool_name, site_name
from matcher.replica.interest_vectors import encode_interests, vectors_for_update
from matcher.replica.site_registry import SiteRegistry, settled
from matcher.replica.site_replica import SiteReplica
from matcher.services.offers import withdraw_pending
from matcher.store.clock import Clocks
from matcher.store.presence import PresenceStore
from matcher.store.reservations import NO_FENCE, ReservationStore
from matcher.store.roster import MUST_NOT_EXIST, RosterStore

WRITE_TRIES: Final = 8
PRUNE_PAGE: Final = 500


class AgentService:
    """Keep agents, pools and sites. Every method raises MatcherErrors by what the store finds."""

    def __init__(
        self,
        store: RosterStore,
        routing: ReservationStore,
        presence: PresenceStore,
        sites: SiteRegistry,
        clocks: Clocks,
        default_tolerance: float,
    ) -> None:
        self._store = store
        self._routing = routing
        self._presence = presence
        self._sites = sites
        self._clocks = clocks
        self._default_tolerance = default_tolerance

    async def create_agent(self, site: str, agent: str, profile: Profile, status: AgentStatus) -> Agent:
        """Add an agent; the interests are encoded before it is acknowledged."""
        replica = await self._sites.replica(site)
        vectors = await encode_interests(replica.matching.encoder, profile.interests)
        return await self._put(replica, agent, profile, status, vectors, MUST_NOT_EXIST, ())

    async def agent(self, site: str, agent: str) -> Agent:
        """Read an agent with what they hold."""
        found = await self._store.agent(site, agent, self._clocks.of(site).now_ms())
        if found is None:
            await self._sites.replica(site)
            raise AgentNotFound(agent_name(site, agent))
        return found

    async def agents(
        self, site: str, most: int, after: str, pool: str | None, status: AgentStatus | None
    ) -> Page[Agent]:
        """List agents by id; with a filter a page may hold fewer than asked."""
        await self._sites.replica(site)
        ids = await self._store.agent_ids(site, most, after)
        found = [agent for agent in await self._store.agents(site, ids.items) if agent is not None]
        wanted = [
            agent
            for agent in found
            if (pool is None or pool in agent.profile.pools) and (status is None or agent.status is status)
        ]
        return Page(tuple(wanted), ids.next)

    async def update_agent(self, site: str, agent: str, change: AgentChange, etag: str) -> Agent:
        """Change an agent; only new interests are encoded."""
        replica = await self._sites.replica(site)
        fields = ("display_name", "interests", "skills", "languages", "capacity", "pools")
        changed: dict[str, Any] = {name: value for name in fields if (value := getattr(change, name)) is not None}
        for attempt in range(WRITE_TRIES):
            before = await self.agent(site, agent)
            self._check_etag(agent_name(site, agent), etag, before.version)
            profile = replace(before.profile, **changed)
            if profile == before.profile and change.status in {None, before.status}:
                return before
            vectors = (await self._vectors(replica, [(profile, before)]))[0]
            try:
                return await self._put(
                    replica, agent, profile, change.status, vectors, before.version, before.profile.pools
                )
            except EtagMismatch:
                if etag or attempt == WRITE_TRIES - 1:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def delete_agent(self, site: str, agent: str, etag: str, force: bool) -> None:
        """Remove an agent; with `force` what the agent holds is canceled first."""
        replica = await self._sites.replica(site)
        for attempt in range(WRITE_TRIES):
            before = await self.agent(site, agent)
            self._check_etag(agent_name(site, agent), etag, before.version)
            if force and before.holds:
                before = await self._release(replica, before)
            try:
                # The member sets to leave are those of the version read: another version means reading again.
                await self._store.delete_agent(site, agent, expected=before.version, pools=before.profile.pools)
            except AgentHasHolds:
                if not force or attempt == WRITE_TRIES - 1:
                    raise
            except EtagMismatch:
                if etag or attempt == WRITE_TRIES - 1:
                    raise
            else:
                replica.remove(agent, before.version)
                await settled(replica)
                return

    async def set_status(self, site: str, agent: str, status: AgentStatus) -> Agent:
        """Declare an agent's status."""
        replica = await self._sites.replica(site)
        written = await self._store.put_status(site, agent, status)
        replica.put_status(written)
        await self._withdraw_if_gone(written, site)
        await settled(replica)
        return written

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        """Note that an agent's desk is alive; return until when that counts, and the status."""
        await self._sites.replica(site)
        return await self._presence.beat(site, agent, ttl_ms)

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        """Add or change agents; the new interests of all rows are encoded together."""
        replica = await self._sites.replica(site)
        found = await self._store.agents(site, [row.agent for row in rows])
        results: list[ImportResult | None] = [None] * len(rows)
        work: list[tuple[int, ImportedRow, Agent | None]] = []
        for place, (row, before) in enumerate(zip(rows, found, strict=True)):
            if before and before.profile == row.profile and row.status in {None, before.status}:
                results[place] = ImportResult(row.row, row.agent, ImportAction.UNCHANGED)
                continue
            unknown = [pool for pool in row.profile.pools if pool not in replica.pools.known]
            if validate_only and unknown:
                obstacle = PoolNotFound(pool_name(site, unknown[0]))
                results[place] = ImportResult(row.row, row.agent, ImportAction.REJECTED, obstacle)
            else:
                work.append((place, row, before))
        if validate_only:
            for place, row, before in work:
                results[place] = ImportResult(row.row, row.agent, _action(before))
        else:
            vectors = await self._vectors(replica, [(row.profile, before) for _, row, before in work])
            done = await asyncio.gather(
                *(
                    self._import_row(replica, row, before, rows_of)
                    for (_, row, before), rows_of in zip(work, vectors, strict=True)
                )
            )
            for (place, _, _), result in zip(work, done, strict=True):
                results[place] = result
        return [result for result in results if result is not None]

    async def prune(self, site: str, keep: frozenset[str], validate_only: bool) -> list[ImportResult]:
        """Remove the agents who are not in `keep`; those who hold something stay."""
        results: list[ImportResult] = []
        after = ""
        while True:
            page = await self._store.agent_ids(site, PRUNE_PAGE, after)
            for agent in page.items:
                if agent in keep:
                    continue
                try:
                    if validate_only:
                        holds = (await self.agent(site, agent)).holds
                        if holds:
                            raise AgentHasHolds(agent_name(site, agent), len(holds))
                    else:
                        await self.delete_agent(site, agent, "", force=False)
                except AgentNotFound:
                    continue
                except MatcherError as obstacle:
                    results.append(ImportResult(0, agent, ImportAction.REJECTED, obstacle))
                else:
                    results.append(ImportResult(0, agent, ImportAction.PRUNED))
            if not page.next:
                return results
            after = page.next

    async def create_pool(self, site: str, pool: str, policy: PoolPolicy) -> Pool:
        """Add a pool."""
        replica = await self._sites.replica(site)
        await self._check_scorer(replica, policy.scorer)
        written = await self._store.put_pool(site, pool, policy, MUST_NOT_EXIST)
        await replica.pools.put(written)
        return written

    async def pool(self, site: str, pool: str) -> Pool:
        """Read a pool."""
        found = await self._store.pool(site, pool)
        if found is None:
            await self._sites.replica(site)
            raise PoolNotFound(pool_name(site, pool))
        return found

    async def pools(self, site: str, most: int, after: str) -> Page[Pool]:
        """List pools by id."""
        await self._sites.replica(site)
        return await self._store.pools(site, most, after)

    async def update_pool(self, site: str, pool: str, change: Mapping[str, object], etag: str) -> Pool:
        """Change a pool's policy; None puts a field back to its default."""
        replica = await self._sites.replica(site)
        usual = PoolPolicy()
        for attempt in range(WRITE_TRIES):
            before = await self.pool(site, pool)
            self._check_etag(pool_name(site, pool), etag, before.version)
            values: dict[str, Any] = {
                name: getattr(usual, name) if value is None else value for name, value in change.items()
            }
            policy = replace(before.policy, **values)
            if policy == before.policy:
                return before
            if policy.scorer != before.policy.scorer:
                await self._check_scorer(replica, policy.scorer)
            try:
                written = await self._store.put_pool(site, pool, policy, before.version)
            except EtagMismatch:
                if etag or attempt == WRITE_TRIES - 1:
                    raise
            else:
                await replica.pools.put(written)
                return written
        raise AssertionError("unreachable: the last try returns or raises")

    async def delete_pool(self, site: str, pool: str, etag: str) -> None:
        """Remove a pool that no agent is in; the default pool stays."""
        replica = await self._sites.replica(site)
        if pool == DEFAULT_POOL:
            raise PoolInUse(pool_name(site, pool), 0)
        expected = None
        if etag:
            before = await self.pool(site, pool)
            self._check_etag(pool_name(site, pool), etag, before.version)
            expected = before.version
        await self._store.delete_pool(site, pool, expected)
        replica.pools.remove(pool)

    async def effective_floor(self, site: str, pool: Pool) -> float:
        """Return the affinity floor in force."""
        return await (await self._sites.replica(site)).floor(pool)

    def effective_tolerance(self, pool: Pool) -> float:
        """Return the affinity tolerance in force."""
        return pool.policy.tolerance(self._default_tolerance)

    async def create_site(self, site: str) -> None:
        """Add a site with its default pool."""
        with suppress(PoolExists):
            await self._store.put_pool(site, DEFAULT_POOL, PoolPolicy(), MUST_NOT_EXIST)
        await self._store.add_site(site)

    async def sites(self, most: int, after: str) -> Page[str]:
        """List sites by id."""
        return await self._store.sites(most, after)

    async def delete_site(self, site: str, force: bool) -> None:
        """Remove a site; the default site stays, and without `force` one with agents."""
        if site == DEFAULT_SITE:
            raise SiteInUse(site_name(site), 0)
        if not await self._store.site_exists(site):
            raise SiteNotFound(site_name(site))
        agents = await self._store.agents_on(site)
        if agents and not force:
            raise SiteInUse(site_name(site), agents)
        await self._store.delete_site(site)
        await self._sites.drop(site)

    async def _put(
        self,
        replica: SiteReplica,
        agent: str,
        profile: Profile,
        status: AgentStatus | None,
        vectors: NDArray[np.float32],
        expected: int,
        pools_before: Sequence[str],
    ) -> Agent:
        written = await self._store.put_agent(
            replica.site,
            agent,
            profile,
            status,
            model=replica.matching.model,
            vectors=vectors,
            expected=expected,
            pools_before=pools_before,
        )
        replica.put(written, vectors)
        if status is not None and pools_before:
            await self._withdraw_if_gone(written, replica.site)
        await settled(replica)
        return written

    async def _vectors(
        self, replica: SiteReplica, wanted: Sequence[tuple[Profile, Agent | None]]
    ) -> list[NDArray[np.float32]]:
        return await vectors_for_update(self._store, replica.site, replica.matching.encoder, wanted)

    async def _withdraw_if_gone(self, agent: Agent, site: str) -> None:
        """Take back what an agent was offered who takes no contacts any more; what was accepted goes on."""
        if agent.status in {AgentStatus.OFFLINE, AgentStatus.AWAY}:
            await withdraw_pending(self._routing, site, agent.id, Cause.AGENT_LEFT, self._clocks.of(site).now_ms())

    async def _import_row(
        self, replica: SiteReplica, row: ImportedRow, before: Agent | None, vectors: NDArray[np.float32]
    ) -> ImportResult:
        try:
            expected = before.version if before else MUST_NOT_EXIST
            pools_before = before.profile.pools if before else ()
            await self._put(replica, row.agent, row.profile, row.status, vectors, expected, pools_before)
        except MatcherError as obstacle:
            return ImportResult(row.row, row.agent, ImportAction.REJECTED, obstacle)
        return ImportResult(row.row, row.agent, _action(before))

    async def _release(self, replica: SiteReplica, agent: Agent) -> Agent:
        """Take the agent out of reach, and what was offered back; then cancel what was accepted.

        A wrap-up has nothing to cancel: it ends.
        """
        replica.put_status(await self._store.put_status(replica.site, agent.id, AgentStatus.OFFLINE))
        now = self._clocks.of(replica.site).now_ms()
        await withdraw_pending(self._routing, replica.site, agent.id, Cause.AGENT_REMOVED, now)
        for hold in agent.holds:
            with suppress(MatcherError):
                slot = await self._routing.slot(replica.site, hold.reservation)
                try:
                    await self._routing.cancel(slot, NO_FENCE, Cause.AGENT_REMOVED)
                except ReservationStateWrong:
                    await self._routing.complete(slot, NO_FENCE, 0)
        return await self.agent(replica.site, agent.id)

    @staticmethod
    async def _check_scorer(replica: SiteReplica, scorer: str) -> None:
        """Read what a pool is to be ranked by. Raises FieldsInvalid."""
        try:
            await asyncio.to_thread(replica.matching.scorers.named, scorer)
        except ScorerUnknown as why:
            raise FieldsInvalid([FieldViolation("pool.scorer", str(why))]) from why

    @staticmethod
    def _check_etag(name: str, wanted: str, version: int) -> None:
        if wanted and wanted != etag(version):
            raise EtagMismatch(name, etag(version))


def _action(before: Agent | None) -> ImportAction:
    return ImportAction.UPDATED if before else ImportAction.CREATED
