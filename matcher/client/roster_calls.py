"""Calls of RosterService: agents, pools and sites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from matcher.client.connection import Connection
from matcher.client.failure import MatcherCallError
from matcher.client.live_reservations import LiveReservations
from matcher.client.resuming import resuming
from matcher.client.spans import duration
from matcher.v1 import roster_pb2 as pb
from matcher.v1.routing_pb2 import GetReservationRequest, Reservation

LONGEST_SECONDS = 60.0
"""The first map of a process waits until the lexicon is encoded."""


class RosterCalls(Connection):
    """Creates, reads, changes, imports and removes agents, pools and sites."""

    async def create_agent(self, agent_id: str, agent: pb.Agent, *, deadline: float | None = None) -> pb.Agent:
        """Add an agent; the next route can choose the agent."""
        request = pb.CreateAgentRequest(parent=self.parent, agent_id=agent_id, agent=agent)
        return await self._call(self._roster.CreateAgent, request, deadline or self.deadlines.write)

    async def agent(self, agent: str, *, deadline: float | None = None) -> pb.Agent:
        """Read an agent, with the agent's holds."""
        request = pb.GetAgentRequest(name=self.name("agents", agent))
        return await self._call(self._roster.GetAgent, request, deadline or self.deadlines.read)

    async def list_agents(
        self,
        *,
        pool: str = "",
        status: pb.AgentStatus.ValueType = pb.AGENT_STATUS_UNSPECIFIED,
        page_size: int = 0,
        page_token: str = "",
        with_holds: bool = False,
        deadline: float | None = None,
    ) -> pb.ListAgentsResponse:
        """Read a page of the site's agents; with_holds: each with load and holds."""
        request = pb.ListAgentsRequest(
            parent=self.parent,
            pool=self.name("pools", pool),
            status=status,
            page_size=page_size,
            page_token=page_token,
            with_holds=with_holds,
        )
        return await self._call(self._roster.ListAgents, request, deadline or self.deadlines.read)

    async def agents(
        self,
        *,
        pool: str = "",
        status: pb.AgentStatus.ValueType = pb.AGENT_STATUS_UNSPECIFIED,
        with_holds: bool = False,
    ) -> AsyncIterator[pb.Agent]:
        """Read all agents of the site, page by page, by id; with_holds: each with load and holds."""
        token = ""
        while True:
            page = await self.list_agents(
                pool=pool, status=status, page_size=1000, page_token=token, with_holds=with_holds
            )
            for agent in page.agents:
                yield agent
            if not (token := page.next_page_token):
                return

    async def update_agent(
        self,
        agent: pb.Agent,
        fields: Iterable[str] = (),
        *,
        deadline: float | None = None,
    ) -> pb.Agent:
        """Change the named fields of the agent; without names, the fields that are set. A set etag must be current.

        Where the answer is lost, the client repeats the call: with an etag only while the agent still has it.
        """
        request = pb.UpdateAgentRequest(agent=agent, update_mask=FieldMask(paths=list(fields)))
        request.agent.name = name = self.name("agents", agent.name)

        async def may_repeat() -> bool:
            return not agent.etag or (await self.agent(name, deadline=deadline)).etag == agent.etag

        return await self._insist(self._roster.UpdateAgent, request, deadline or self.deadlines.write, may_repeat)

    async def delete_agent(
        self,
        agent: str,
        *,
        etag: str = "",
        force: bool = False,
        deadline: float | None = None,
    ) -> None:
        """Remove an agent; with `force` the contacts of the agent's live reservations go back."""
        request = pb.DeleteAgentRequest(name=self.name("agents", agent), etag=etag, force=force)
        await self._call(self._roster.DeleteAgent, request, deadline or self.deadlines.write)

    async def forget_agent(self, agent: str, *, force: bool = False, deadline: float | None = None) -> None:
        """Remove an agent and every trace of the agent; with `force` the agent's contacts go back first."""
        request = pb.ForgetAgentRequest(name=self.name("agents", agent), force=force)
        await self._call(self._roster.ForgetAgent, request, deadline or self.deadlines.forget)

    async def set_agent_status(
        self,
        agent: str,
        status: pb.AgentStatus.ValueType,
        *,
        reason: str = "",
        deadline: float | None = None,
    ) -> pb.Agent:
        """Set an agent's status; reason: why, in a few words for colleagues."""
        request = pb.SetAgentStatusRequest(name=self.name("agents", agent), status=status, reason=reason)
        return await self._call(self._roster.SetAgentStatus, request, deadline or self.deadlines.write)

    async def beat_agent(
        self, agent: str, *, ttl: timedelta | None = None, deadline: float | None = None
    ) -> pb.BeatAgentResponse:
        """Send a heartbeat of an agent's desk, which counts for `ttl`; None: 30 s.

        After the first heartbeat the desk must go on: an agent without one in time is set AWAY.
        """
        request = pb.BeatAgentRequest(name=self.name("agents", agent), ttl=duration(ttl))
        return await self._call(self._roster.BeatAgent, request, deadline or self.deadlines.write)

    async def watch_reservations(
        self, agent: str, *, on_break: Callable[[MatcherCallError], None] = lambda _: None
    ) -> AsyncGenerator[pb.WatchReservationsResponse, None]:
        """Yield an agent's live reservations, then a sign of life, then each reservation as it changes.

        The stream resumes by itself: then come the reservations that changed or ended meanwhile. on_break: called with
        the error each time that the stream breaks off.
        """
        request = pb.WatchReservationsRequest(parent=self.name("agents", agent))
        silence, live = self.deadlines.watch_silence, LiveReservations()

        async def begin() -> AsyncGenerator[pb.WatchReservationsResponse, None]:
            live.begin()
            async with aclosing(self._watch(self._roster.WatchReservations, request, silence)) as answers:
                async for answer in answers:
                    if not answer.HasField("reservation"):
                        for name in live.end_of_snapshot():
                            if (ended := await self._ended(name)) is None:
                                live.forget(name)
                            elif live.note(ended):
                                yield pb.WatchReservationsResponse(reservation=ended)
                        yield answer
                    elif live.note(answer.reservation):
                        yield answer

        async with aclosing(resuming(begin, on_break)) as answers:
            async for answer in answers:
                yield answer

    async def _ended(self, name: str) -> Reservation | None:
        """Read a reservation that ended while no stream was open; None where its record has expired since."""
        request = GetReservationRequest(name=name)
        try:
            return await self._call(self._routing.GetReservation, request, self.deadlines.read)
        except MatcherCallError as error:
            if error.reason != "RESERVATION_NOT_FOUND":
                raise
            return None

    async def import_agents(
        self,
        rows: Iterable[pb.ImportRow],
        *,
        validate_only: bool = False,
        prune: bool = False,
        max_removed: int | None = None,
        update_mask: Sequence[str] = (),
    ) -> AsyncIterator[pb.ImportAgentsResponse]:
        """Send a roster row by row, and yield the result of each row when it is done.

        max_removed: the most agents that `prune` may remove; None: half of the roster. update_mask: what a row changes
        of an agent who exists; empty: all.
        Raises what `rows` raises; the rows before are imported, and nothing is pruned.
        """
        config = pb.ImportConfig(
            parent=self.parent,
            validate_only=validate_only,
            prune=prune,
            max_removed=max_removed,
            update_mask=FieldMask(paths=update_mask),
        )
        own: list[Exception] = []

        async def steps() -> AsyncIterator[pb.ImportAgentsRequest]:
            yield pb.ImportAgentsRequest(config=config)
            try:
                for row in rows:
                    yield pb.ImportAgentsRequest(row=row)
            except Exception as error:
                own.append(error)
                raise
            yield pb.ImportAgentsRequest(end=pb.ImportEnd())

        try:
            async for answer in self._stream(self._roster.ImportAgents, steps(), self.deadlines.import_silence):
                yield answer
        except (asyncio.CancelledError, MatcherCallError):
            if own:  # gRPC cancels the call and keeps the error of the caller's rows to itself
                raise own[0] from None
            raise

    async def create_pool(self, pool_id: str, pool: pb.Pool, *, deadline: float | None = None) -> pb.Pool:
        """Add a pool."""
        request = pb.CreatePoolRequest(parent=self.parent, pool_id=pool_id, pool=pool)
        return await self._call(self._roster.CreatePool, request, deadline or self.deadlines.write)

    async def pool(self, pool: str, *, deadline: float | None = None) -> pb.Pool:
        """Read a pool with its policy."""
        request = pb.GetPoolRequest(name=self.name("pools", pool))
        return await self._call(self._roster.GetPool, request, deadline or self.deadlines.read)

    async def list_pools(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> pb.ListPoolsResponse:
        """Read a page of the site's pools."""
        request = pb.ListPoolsRequest(parent=self.parent, page_size=page_size, page_token=page_token)
        return await self._call(self._roster.ListPools, request, deadline or self.deadlines.read)

    async def pools(self) -> AsyncIterator[pb.Pool]:
        """Read all pools of the site, page by page, by id."""
        token = ""
        while True:
            page = await self.list_pools(page_size=1000, page_token=token)
            for pool in page.pools:
                yield pool
            if not (token := page.next_page_token):
                return

    async def update_pool(
        self,
        pool: pb.Pool,
        fields: Iterable[str] = (),
        *,
        deadline: float | None = None,
    ) -> pb.Pool:
        """Change the named fields of the pool; without names, the fields that are set.

        A named field without a value goes back to its default. Where the answer is lost, the client repeats the call:
        with an etag only while the pool still has it.
        """
        request = pb.UpdatePoolRequest(pool=pool, update_mask=FieldMask(paths=list(fields)))
        request.pool.name = name = self.name("pools", pool.name)

        async def may_repeat() -> bool:
            return not pool.etag or (await self.pool(name, deadline=deadline)).etag == pool.etag

        return await self._insist(self._roster.UpdatePool, request, deadline or self.deadlines.write, may_repeat)

    async def delete_pool(self, pool: str, *, etag: str = "", deadline: float | None = None) -> None:
        """Remove a pool that no agent is in."""
        request = pb.DeletePoolRequest(name=self.name("pools", pool), etag=etag)
        await self._call(self._roster.DeletePool, request, deadline or self.deadlines.write)

    async def create_site(self, site_id: str, *, deadline: float | None = None) -> pb.Site:
        """Add a site with its default pool."""
        request = pb.CreateSiteRequest(site_id=site_id)
        return await self._call(self._roster.CreateSite, request, deadline or self.deadlines.write)

    async def list_sites(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> pb.ListSitesResponse:
        """Read a page of the sites."""
        request = pb.ListSitesRequest(page_size=page_size, page_token=page_token)
        return await self._call(self._roster.ListSites, request, deadline or self.deadlines.read)

    async def sites(self) -> AsyncIterator[pb.Site]:
        """Read all sites, page by page, by id."""
        token = ""
        while True:
            page = await self.list_sites(page_size=1000, page_token=token)
            for site in page.sites:
                yield site
            if not (token := page.next_page_token):
                return

    async def usage(self, site: str = "", *, deadline: float | None = None) -> pb.Usage:
        """Read how much of the quotas is used; site "": this client's own."""
        name = f"sites/{site.removeprefix('sites/')}" if site else self.parent
        return await self._call(self._roster.GetUsage, pb.GetUsageRequest(name=name), deadline or self.deadlines.read)

    async def interest_map(
        self, pool: str = "", *, max_interests: int = 0, deadline: float | None = None
    ) -> pb.InterestMap:
        """Draw the interests of a pool's agents in two dimensions; pool "": the default one, max_interests 0: 2,000."""
        request = pb.GetInterestMapRequest(
            parent=self.parent, pool=self.name("pools", pool), max_interests=max_interests
        )
        return await self._call(self._roster.GetInterestMap, request, deadline or LONGEST_SECONDS)

    async def delete_site(self, site: str, *, force: bool = False, deadline: float | None = None) -> None:
        """Remove a site; `force` also removes everything in it."""
        request = pb.DeleteSiteRequest(name=site if site.startswith("sites/") else f"sites/{site}", force=force)
        await self._call(self._roster.DeleteSite, request, deadline or self.deadlines.write)
