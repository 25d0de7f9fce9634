"""A small world on a service: two sites with two pools each, and an agent with an offered contact in each pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import grpc

from matcher.auth.principal import ALL, Grant, Role
from matcher.v1 import roster_pb2, routing_pb2
from tests.auth.asked import METHODS, Place
from tests.auth.guarded import Guarded

LEADERS: Final = [role for role in Role if role is not Role.AGENT]


@dataclass(frozen=True)
class World:
    """A service with two sites, each with two pools; an agent and an offered contact are in each pool."""

    service: Guarded
    billing: Place
    sales: Place
    elsewhere: Place

    def limited(self, role: Role) -> str:
        """Return a caller of the role for the pool billing of its first site; an agent at maya's desk."""
        own = frozenset({"billing"}) if role is not Role.AGENT else ALL
        agent = self.billing.agents if role is Role.AGENT else None
        return self.service.caller(role, sites=frozenset({self.billing.site}), pools=own, agent=agent)

    def of_site(self, role: Role) -> str:
        """Return a caller of the role for all of its first site."""
        agent = self.billing.agents if role is Role.AGENT else None
        return self.service.caller(role, sites=frozenset({self.billing.site}), agent=agent)

    async def ask(self, caller: str, method: str, *requests: Any) -> Any:
        """Call a method by its service and name, as "RosterService/GetAgent"."""
        return await self.service.call(METHODS[f"/matcher.v1.{method}"], caller, *requests)

    async def refusal(self, caller: str, method: str, *requests: Any) -> tuple[grpc.StatusCode, str]:
        """Return the code and the sentence of the answer to a call."""
        return await self.service.refusal(METHODS[f"/matcher.v1.{method}"], caller, *requests)


def root_of(service: Guarded) -> str:
    """Return a caller who has every role but `agent` everywhere."""
    return service.callers.add("root", *(Grant(role) for role in LEADERS))


async def settled(service: Guarded, site: str, elsewhere: str) -> World:
    """Make two sites with something in each pool."""
    root, places = root_of(service), {}
    for one in (site, elsewhere):
        await _ask(service, root, "RosterService/CreateSite", roster_pb2.CreateSiteRequest(site_id=one))
        for pool, agent in (("billing", "maya"), ("sales", "tom")):
            places[one, pool] = await _settle(service, root, one, pool, agent)
    return World(service, places[site, "billing"], places[site, "sales"], places[elsewhere, "billing"])


async def _ask(service: Guarded, caller: str, method: str, request: Any) -> Any:
    return await service.call(METHODS[f"/matcher.v1.{method}"], caller, request)


async def _settle(service: Guarded, root: str, site: str, pool: str, agent: str) -> Place:
    """Make a pool with an agent and a contact that is offered to the agent."""
    parent, name = f"sites/{site}", f"sites/{site}/pools/{pool}"
    policy = roster_pb2.Pool()
    policy.offer_duration.FromSeconds(3_600)
    made = roster_pb2.CreatePoolRequest(parent=parent, pool_id=pool, pool=policy)
    await _ask(service, root, "RosterService/CreatePool", made)
    person = roster_pb2.Agent(interests=["I repair shoes."], pools=[name], status=roster_pb2.ONLINE)
    joined = roster_pb2.CreateAgentRequest(parent=parent, agent_id=agent, agent=person)
    await _ask(service, root, "RosterService/CreateAgent", joined)
    message = routing_pb2.Message(text="My shoes have a hole.", customer="anna@example.com")
    routed = routing_pb2.RouteMessageRequest(parent=parent, pool=name, message=message, contact_id=f"c-{pool}")
    offer = (await _ask(service, root, "RoutingService/RouteMessage", routed)).reservation
    assert offer.agent == f"{parent}/agents/{agent}"
    return Place(site, pool, agent, f"c-{pool}", offer.name.rpartition("/")[2], offer.decision.rpartition("/")[2])
