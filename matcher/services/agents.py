"""Agents: create, read, change and remove them, so that the next route knows what was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.errors import (
    AgentHasHolds,
    AgentNotFound,
    MatcherError,
    PoolNotFound,
    ReservationLapsed,
    ReservationStateWrong,
)
from matcher.model import PAGE_BYTES, Agent, AgentChange, Page, PoolPolicy, Profile
from matcher.model.lifecycle import AgentStatus, Cause
from matcher.model.resource_names import agent_name, pool_name
from matcher.model.scope import scope_of_call
from matcher.replica.interest_vectors import encode_interests, silent_interests, texts_of, vectors_for_update
from matcher.replica.site_registry import SiteRegistry, wait_for_successor
from matcher.replica.site_replica import SiteReplica
from matcher.services.departures import AwayReason, handle_away, withdraw_pending
from matcher.services.etags import check_etag, overtaken, retry_write
from matcher.store.audit import AuditStore
from matcher.store.clock import Clocks
from matcher.store.pages import page_of
from matcher.store.presence import PresenceStore
from matcher.store.reservations import NO_FENCE, ReservationStore
from matcher.store.roster import MUST_NOT_EXIST, RosterStore

FIRST_READ: Final = 50
"""Agents of a page that are read first: the page that is asked for most has no more."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AgentWrite:
    """An agent as it is to be written.

    status None: as before, OFFLINE for a new agent; before: the agent as it was read, None where it must not exist;
    imported: by a file, which does not know who is at the desk.
    """

    agent: str
    profile: Profile
    status: AgentStatus | None
    before: Agent | None
    imported: bool = False


class AgentService:
    """Keep the agents of each site. Every method raises MatcherErrors, those of the store among them."""

    def __init__(
        self,
        store: RosterStore,
        reservations: ReservationStore,
        presence: PresenceStore,
        sites: SiteRegistry,
        clocks: Clocks,
        audit: AuditStore,
        on_away: Callable[[str, AwayReason], None] = lambda _site, _reason: None,
    ) -> None:
        """on_away: called with the site of each agent whom the service sets AWAY, and the reason."""
        self._store = store
        self._audit = audit
        self._reservations = reservations
        self._presence = presence
        self._sites = sites
        self._clocks = clocks
        self._on_away = on_away

    async def create_agent(self, site: str, agent: str, profile: Profile, status: AgentStatus) -> Agent:
        """Add an agent; its interests are encoded before the call returns."""
        replica = await self._sites.replica(site)
        vectors = await encode_interests(replica.matching.encoder, profile.interests)
        return _with_silent(
            replica, await self.write(replica, AgentWrite(agent, profile, status, before=None), vectors)
        )

    async def agent(self, site: str, agent: str) -> Agent:
        """Read an agent with its holds."""
        stored = await self._store.agent(site, agent, self._clocks.of(site).now_ms())
        replica = await self._sites.replica(site)
        if stored is None or not scope_of_call().reaches(stored.profile.pools, agent):
            raise AgentNotFound(agent_name(site, agent))
        return _with_silent(replica, stored)

    async def _whole(self, site: str, agent: str) -> Agent:
        """Read an agent who is to be changed or removed: the caller must reach each of the agent's pools."""
        found = await self.agent(site, agent)
        if not scope_of_call().holds(found.profile.pools):
            raise AgentNotFound(agent_name(site, agent))
        return found

    async def agents(
        self, site: str, most: int, after: str, pool: str | None, status: AgentStatus | None, *, with_holds: bool
    ) -> Page[Agent]:
        """List agents by id; with a filter a page may hold fewer than `most`. Raises PoolNotFound.

        Those whom the caller does not reach are left out.
        """
        replica = await self._sites.replica(site)
        if pool is not None:
            await replica.pools.pool(pool)
        scope = scope_of_call()

        async def read(after: str) -> Page[Agent]:
            return await self._page(site, most, after)

        def fits(agent: Agent) -> bool:
            is_there = (pool is None or pool in agent.profile.pools) and scope.reaches(agent.profile.pools)
            return is_there and (status is None or agent.status is status)

        if scope.pools is None:
            page = await read(after)
            listed = [agent for agent in page.items if fits(agent)]
        else:
            page = await page_of(read, after, fits)
            listed = list(page.items)
        listed = [_with_silent(replica, agent) for agent in listed]
        if with_holds:
            holds = await self._store.holds(site, [agent.id for agent in listed], self._clocks.of(site).now_ms())
            listed = [replace(agent, holds=held) for agent, held in zip(listed, holds, strict=True)]
        return Page(tuple(listed), page.next, tuple(agent.id for agent in listed))

    async def _page(self, site: str, most: int, after: str) -> Page[Agent]:
        """Read a page of all agents of a site; it ends early where an answer cannot hold more."""
        ids = await self._store.agent_ids(site, most, after)
        stored, read = await self._read(site, ids.items)
        following = ids.next if read == len(ids.items) else ids.items[read - 1]
        return Page(tuple(stored), following, tuple(agent.id for agent in stored))

    async def _read(self, site: str, ids: Sequence[str]) -> tuple[list[Agent], int]:
        """Read the first of some agents, as many as an answer can hold; return them, and how many ids were read.

        Two round trips: the first agents tell how many more fit. A page of fat agents is not read a dozen times.
        """
        stored: list[Agent] = []
        read, size, count = 0, 0, FIRST_READ
        while read < len(ids) and size < PAGE_BYTES:
            batch = ids[read : read + count]
            found = [agent for agent in await self._store.agents(site, batch) if agent is not None]
            stored += found
            read += len(batch)
            size += sum(len(interest) for agent in found for interest in agent.profile.interests)
            count = max(FIRST_READ, (PAGE_BYTES - size) * read // max(1, size))
        return stored, read

    async def update_agent(self, site: str, agent: str, change: AgentChange, etag: str) -> Agent:
        """Change an agent; only new interests are encoded."""
        replica = await self._sites.replica(site)
        fields = ("display_name", "interests", "skills", "languages", "capacity", "pools", "manager")
        changed: dict[str, Any] = {name: value for name in fields if (value := getattr(change, name)) is not None}

        async def update() -> Agent:
            before = await self._whole(site, agent)
            check_etag(agent_name(site, agent), etag, before.version)
            profile = replace(before.profile, **changed)
            for pool in profile.pools:
                if not scope_of_call().holds((pool,)):
                    raise PoolNotFound(pool_name(site, pool))
            if profile == before.profile and change.status in {None, before.status}:
                return before
            (vectors,) = await vectors_for_update(self._store, site, replica.matching.encoder, [(profile, before)])
            return await self.write(replica, AgentWrite(agent, profile, change.status, before), vectors)

        return _with_silent(replica, await retry_write(update, overtaken(etag)))

    async def delete_agent(self, site: str, agent: str, etag: str, force: bool) -> None:
        """Remove an agent; with `force` its contacts go back first."""
        replica = await self._sites.replica(site)

        async def delete() -> None:
            before = await self._whole(site, agent)
            check_etag(agent_name(site, agent), etag, before.version)
            if force and before.holds:
                before = await self._release(replica, before)
            # `before.profile.pools` names the member sets that lose the agent: another version may have other pools.
            await self._store.delete_agent(
                site, agent, expected=before.version, pools=before.profile.pools, before=before
            )
            replica.apply_own_removal(agent, before.version)

        await retry_write(delete, (*overtaken(etag), AgentHasHolds) if force else overtaken(etag))
        await wait_for_successor(replica)

    async def set_status(self, site: str, agent: str, status: AgentStatus, reason: str = "") -> Agent:
        """Set an agent's status; reason: why, "": nothing is said of it."""
        replica = await self._sites.replica(site)
        written = await self._store.put_status(site, agent, status, scope_of_call(), reason=reason)
        replica.apply_own_status(written)
        await self._withdraw_if_gone(written, site)
        await wait_for_successor(replica)
        return written

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        """Record a heartbeat of an agent's desk; return until when it counts (ms), and the agent's status."""
        replica = await self._sites.replica(site)
        within_ms = _return_within_ms(replica, agent)
        beat = await self._presence.beat(site, agent, ttl_ms, within_ms, scope_of_call())
        if beat.away:
            self._on_away(site, AwayReason.SILENT)
            await handle_away(self._reservations, site, agent, AwayReason.SILENT, self._clocks.of(site).now_ms())
        return beat.until_ms, beat.status

    async def write(self, replica: SiteReplica, written: AgentWrite, vectors: NDArray[np.float32]) -> Agent:
        """Write an agent with the vectors [interests, dimension] of its interests, to the store and the replica.

        Raises AgentExists, AgentNotFound, EtagMismatch or PoolNotFound; nothing is written then.
        """
        before, site = written.before, replica.site
        pools_before: Sequence[str] = before.profile.pools if before else ()
        agent = await self._store.put_agent(
            site,
            written.agent,
            written.profile,
            written.status,
            model=replica.matching.model,
            vectors=vectors,
            expected=before.version if before else MUST_NOT_EXIST,
            pools_before=pools_before,
            before=before,
            imported=written.imported,
            texts_of=texts_of(replica.matching.encoder),
        )
        replica.apply_own_agent(agent, vectors)
        if written.status is not None and pools_before:
            await self._withdraw_if_gone(agent, site)
        await wait_for_successor(replica)
        return agent

    async def _withdraw_if_gone(self, agent: Agent, site: str) -> None:
        """Withdraw the offers of an agent who is OFFLINE or AWAY; accepted reservations continue."""
        if agent.status in {AgentStatus.OFFLINE, AgentStatus.AWAY}:
            await withdraw_pending(self._reservations, site, agent.id, Cause.AGENT_LEFT, self._clocks.of(site).now_ms())

    async def _release(self, replica: SiteReplica, agent: Agent) -> Agent:
        """Set the agent OFFLINE, free holds that no reservation backs, withdraw offers and conversations.

        The contacts go back to the queue, or are RETURNED. A reservation in wrap-up cannot be withdrawn: its wrap-up
        ends.
        """
        replica.apply_own_status(await self._store.put_status(replica.site, agent.id, AgentStatus.OFFLINE))
        for repair in await self._audit.free_unbacked(replica.site, agent.id):
            log.warning("a hold without a reservation was freed", site=replica.site, agent=agent.id, id=repair.id)
        now = self._clocks.of(replica.site).now_ms()
        await withdraw_pending(self._reservations, replica.site, agent.id, Cause.AGENT_REMOVED, now)
        for hold in agent.holds:
            with suppress(MatcherError):
                reservation = await self._reservations.reference(replica.site, hold.reservation)
                try:
                    await self._reservations.withdraw(reservation, Cause.AGENT_REMOVED)
                except (ReservationLapsed, ReservationStateWrong):
                    await self._reservations.end_wrap_up(reservation, NO_FENCE)
        return await self.agent(replica.site, agent.id)


def _return_within_ms(replica: SiteReplica, agent: str) -> int:
    """Return the longest silence after which a heartbeat brings an agent back: the shortest of the agent's pools."""
    known, pools = replica.index.agent(agent), replica.pools.known
    policies = [pools[pool].policy for pool in (known.profile.pools if known else ()) if pool in pools]
    return min((policy.return_within_ms for policy in policies), default=PoolPolicy().return_within_ms)


def _with_silent(replica: SiteReplica, agent: Agent) -> Agent:
    """Return an agent with the interests that no message can meet by the serving model."""
    silent = silent_interests(replica.matching.encoder, agent.profile.interests)
    return replace(agent, silent=silent) if silent else agent
