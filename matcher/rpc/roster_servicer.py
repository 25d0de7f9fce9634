"""matcher.v1.RosterService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from google.protobuf.empty_pb2 import Empty

from matcher.model import Pool
from matcher.rpc import convert
from matcher.rpc.convert_interest_map import interest_map, interest_map_request
from matcher.rpc.grpc_types import Context
from matcher.rpc.import_agents import answers
from matcher.rpc.open_streams import OpenStreams
from matcher.rpc.page_bytes import first_fitting, fitting
from matcher.rpc.ports import Services
from matcher.rpc.quotas import PrincipalQuotas
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import roster as check
from matcher.rpc.validation.violations import resource
from matcher.v1 import roster_pb2 as pb
from matcher.v1 import roster_pb2_grpc

_AGENTS: Final = "agents"
_POOLS: Final = "pools"
_SITES: Final = "sites"


class RosterServicer(roster_pb2_grpc.RosterServiceServicer):
    """Serves agents, pools and sites."""

    def __init__(self, services: Services, streams: OpenStreams, quotas: PrincipalQuotas) -> None:
        self._streams = streams
        self._quotas = quotas
        self._agents = services.agents
        self._imports = services.imports
        self._pools = services.pools
        self._sites = services.sites
        self._contacts = services.contacts
        self._watch = services.watch
        self._forgetting = services.forgetting
        self._interest_map = services.interest_map

    async def CreateAgent(self, request: pb.CreateAgentRequest, _context: Context) -> pb.Agent:
        """Add an agent."""
        site, agent, profile, status = check.create_agent(request)
        return convert.agent(site, await self._agents.create_agent(site, agent, profile, status))

    async def GetAgent(self, request: pb.GetAgentRequest, _context: Context) -> pb.Agent:
        """Read an agent, with the agent's holds."""
        site, agent = resource(request.name, Kind.AGENT)
        return convert.agent(site, await self._agents.agent(site, agent), with_holds=True)

    async def ListAgents(self, request: pb.ListAgentsRequest, _context: Context) -> pb.ListAgentsResponse:
        """List a site's agents by id."""
        site, most, after, pool, status = check.agents(request, _AGENTS)
        page = await self._agents.agents(site, most, after, pool, status, with_holds=request.with_holds)
        listed, token = fitting(page, _AGENTS, lambda agent: convert.agent(site, agent, with_holds=request.with_holds))
        return pb.ListAgentsResponse(agents=listed, next_page_token=token)

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, _context: Context) -> pb.Agent:
        """Change the fields of an agent that the mask names."""
        site, agent, change, etag = check.update_agent(request)
        return convert.agent(site, await self._agents.update_agent(site, agent, change, etag))

    async def DeleteAgent(self, request: pb.DeleteAgentRequest, _context: Context) -> Empty:
        """Remove an agent."""
        site, agent, etag = check.delete(request.name, Kind.AGENT, request.etag)
        await self._agents.delete_agent(site, agent, etag, request.force)
        return Empty()

    async def ForgetAgent(self, request: pb.ForgetAgentRequest, _context: Context) -> Empty:
        """Remove an agent and every trace of the agent."""
        site, agent = resource(request.name, Kind.AGENT)
        await self._forgetting.forget_agent(site, agent, force=request.force)
        return Empty()

    async def ImportAgents(
        self, requests: AsyncIterator[pb.ImportAgentsRequest], _context: Context
    ) -> AsyncGenerator[pb.ImportAgentsResponse, None]:
        """Import a roster row by row, and answer each row when it is done."""
        imports = self._streams.imports
        with imports.of_process():
            async with aclosing(answers(self._imports, requests, imports.of_site)) as results:
                async for result in results:
                    yield result

    async def SetAgentStatus(self, request: pb.SetAgentStatusRequest, _context: Context) -> pb.Agent:
        """Set an agent's status."""
        site, agent, status = check.set_status(request)
        return convert.agent(site, await self._agents.set_status(site, agent, status, request.reason))

    async def BeatAgent(self, request: pb.BeatAgentRequest, _context: Context) -> pb.BeatAgentResponse:
        """Record a heartbeat of an agent's desk."""
        site, agent, ttl_ms = check.beat(request)
        return convert.beat(*await self._agents.beat(site, agent, ttl_ms))

    async def WatchReservations(
        self, request: pb.WatchReservationsRequest, _context: Context
    ) -> AsyncGenerator[pb.WatchReservationsResponse, None]:
        """Stream an agent's reservations as they change."""
        site, agent = check.watch_reservations(request)
        with self._streams.of_site(site):
            async with aclosing(self._watch.reservations(site, agent)) as changes:
                async for record in changes:
                    changed = convert.reservation(site, record, at_desk=True) if record else None
                    yield pb.WatchReservationsResponse(reservation=changed)

    async def CreatePool(self, request: pb.CreatePoolRequest, _context: Context) -> pb.Pool:
        """Add a pool."""
        site, pool, policy = check.create_pool(request)
        return await self._pool(site, await self._pools.create_pool(site, pool, policy))

    async def GetPool(self, request: pb.GetPoolRequest, _context: Context) -> pb.Pool:
        """Read a pool with its policy."""
        site, pool = resource(request.name, Kind.POOL)
        answer = await self._pool(site, await self._pools.pool(site, pool))
        answer.waiting = (await self._contacts.waiting(site)).get(pool, 0)
        return answer

    async def ListPools(self, request: pb.ListPoolsRequest, _context: Context) -> pb.ListPoolsResponse:
        """List a site's pools by id."""
        site, most, after = check.pools(request, _POOLS)
        page = await self._pools.pools(site, most, after)
        floors = await self._pools.effective_floors(site, page.items)
        pools = [await self._pool(site, pool, floor) for pool, floor in zip(page.items, floors, strict=True)]
        listed, token = first_fitting(page, _POOLS, pools)
        return pb.ListPoolsResponse(pools=listed, next_page_token=token)

    async def UpdatePool(self, request: pb.UpdatePoolRequest, _context: Context) -> pb.Pool:
        """Change the fields of a pool that the mask names."""
        site, pool, change, etag = check.update_pool(request)
        return await self._pool(site, await self._pools.update_pool(site, pool, change, etag))

    async def DeletePool(self, request: pb.DeletePoolRequest, _context: Context) -> Empty:
        """Remove a pool that no agent is in."""
        site, pool, etag = check.delete(request.name, Kind.POOL, request.etag)
        await self._pools.delete_pool(site, pool, etag)
        return Empty()

    async def CreateSite(self, request: pb.CreateSiteRequest, _context: Context) -> pb.Site:
        """Add a site with its default pool."""
        site = check.create_site(request)
        return convert.site(await self._sites.create_site(site))

    async def ListSites(self, request: pb.ListSitesRequest, _context: Context) -> pb.ListSitesResponse:
        """List the sites by id."""
        page = await self._sites.sites(*check.sites(request, _SITES))
        listed, token = fitting(page, _SITES, convert.site)
        return pb.ListSitesResponse(sites=listed, next_page_token=token)

    async def DeleteSite(self, request: pb.DeleteSiteRequest, _context: Context) -> Empty:
        """Remove a site."""
        await self._sites.delete_site(check.site("name", request.name), request.force)
        return Empty()

    async def GetUsage(self, request: pb.GetUsageRequest, _context: Context) -> pb.Usage:
        """Say how much of the quotas is used."""
        used = [*await self._sites.usage(check.site("name", request.name)), *self._quotas.used()]
        return pb.Usage(quotas=(pb.QuotaUse(quota=one.quota, used=one.used, limit=one.limit) for one in used))

    async def GetInterestMap(self, request: pb.GetInterestMapRequest, _context: Context) -> pb.InterestMap:
        """Draw the interests of a pool's agents in two dimensions."""
        site, pool, most = interest_map_request(request)
        return interest_map(site, await self._interest_map.interest_map(site, pool, most))

    async def _pool(self, site: str, pool: Pool, floor: float | None = None) -> pb.Pool:
        return convert.pool(
            site,
            pool,
            floor=await self._pools.effective_floor(site, pool) if floor is None else floor,
            tolerance=self._pools.effective_tolerance(pool),
            scorer=await self._pools.effective_scorer(site, pool),
        )
