"""Invalid requests of RosterService, each with its wrong fields."""

from __future__ import annotations

from typing import Any, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from matcher.v1 import roster_pb2 as people

SITE = "sites/default"
MAYA = "sites/default/agents/maya"
BILLING = "sites/default/pools/billing"


def agent(**fields: Any) -> people.Agent:
    """Return a valid agent with these fields."""
    return people.Agent(**{"interests": ["I bake dark rye."], **fields})


def capacity(total: int, *channels: tuple[str, int, int]) -> people.Capacity:
    """Return a capacity of channels (channel, cost, max)."""
    return people.Capacity(
        total=total, channels=[people.ChannelCapacity(channel=c, cost=cost, max=most) for c, cost, most in channels]
    )


def create(agent: people.Agent, **fields: Any) -> people.CreateAgentRequest:
    """Return a valid request with this agent and these fields."""
    return people.CreateAgentRequest(**{"parent": SITE, "agent_id": "maya", "agent": agent, **fields})


def update(agent: people.Agent, *paths: str) -> people.UpdateAgentRequest:
    """Return a change of an agent with the paths as its mask."""
    return people.UpdateAgentRequest(agent=agent, update_mask=FieldMask(paths=paths))


def policy(*paths: str, **fields: Any) -> people.UpdatePoolRequest:
    """Return a change of the pool "billing"."""
    return people.UpdatePoolRequest(pool=people.Pool(name=BILLING, **fields), update_mask=FieldMask(paths=paths))


ROSTER_CASES: dict[str, tuple[Any, set[str]]] = {
    "no agent to forget": (people.ForgetAgentRequest(name="maya"), {"name"}),
    "an agent without anything": (people.CreateAgentRequest(), {"parent", "agent_id", "agent"}),
    "everything wrong in an agent": (
        create(
            agent(
                display_name="n" * 129,
                interests=["I run.", "", "i RUN. ", "x" * 513],
                skills=[
                    people.Skill(skill="billing", level=0),
                    people.Skill(skill="billing", level=101),
                    people.Skill(skill="Billing", level=1),
                ],
                languages=["en", "EN", "e n"],
                capacity=capacity(-1, ("chat", 0, -1), ("chat", 1, 0), ("", 1_000_001, 0)),
                pools=["sites/other/pools/billing", BILLING, BILLING],
                manager="Dana Reyes",
                status=9,
            ),
            agent_id="Maya",
        ),
        {
            "agent_id",
            "agent.display_name",
            "agent.manager",
            "agent.interests[1]",
            "agent.interests[2]",
            "agent.interests[3]",
            "agent.skills[0].level",
            "agent.skills[1]",
            "agent.skills[1].level",
            "agent.skills[2].skill",
            "agent.languages[1]",
            "agent.languages[2]",
            "agent.capacity.total",
            "agent.capacity.channels[0].cost",
            "agent.capacity.channels[0].max",
            "agent.capacity.channels[1]",
            "agent.capacity.channels[2].channel",
            "agent.capacity.channels[2].cost",
            "agent.pools[0]",
            "agent.pools[2]",
            "agent.status",
        },
    ),
    "no interests": (create(people.Agent()), {"agent.interests"}),
    "65 interests": (create(agent(interests=[f"I know {n}." for n in range(65)])), {"agent.interests"}),
    "too much of everything": (
        create(
            agent(
                skills=[people.Skill(skill=f"s{n}", level=1) for n in range(65)],
                languages=[f"x-a{n}" for n in range(65)],
                capacity=capacity(1_000_001, *((f"c{n}", 1, 0) for n in range(33))),
                pools=[f"sites/default/pools/p{n}" for n in range(65)],
            )
        ),
        {"agent.skills", "agent.languages", "agent.capacity.total", "agent.capacity.channels", "agent.pools"},
    ),
    "no agent to read": (people.GetAgentRequest(name="sites/default/agents/"), {"name"}),
    "an agent id with a slash": (people.GetAgentRequest(name="sites/default/agents/a/b"), {"name"}),
    "a page of agents that is none": (
        people.ListAgentsRequest(
            parent=SITE,
            page_size=-5,
            page_token="bWF5YQ==",
            pool="sites/x/pools/y",
            status=cast("people.AgentStatus.ValueType", 7),
        ),
        {"page_size", "page_token", "pool", "status"},
    ),
    "an unknown path in a mask": (
        update(agent(name=MAYA), "interests", "capacity.total", "name"),
        {"update_mask.paths[1]", "update_mask.paths[2]"},
    ),
    "a star among other paths": (update(agent(name=MAYA), "*", "interests"), {"update_mask.paths[0]"}),
    "a mask that empties the interests": (update(people.Agent(name=MAYA), "interests"), {"agent.interests"}),
    "a mask that empties the status": (update(people.Agent(name=MAYA), "status"), {"agent.status"}),
    "a change without an agent": (people.UpdateAgentRequest(), {"agent.name"}),
    "a change with a wrong value outside the mask too": (
        update(agent(name=MAYA, capacity=capacity(-4), etag="e" * 129), "capacity"),
        {"agent.capacity.total", "agent.etag"},
    ),
    "a removal without an agent": (people.DeleteAgentRequest(etag="e" * 129), {"name", "etag"}),
    "a status that is not set": (people.SetAgentStatusRequest(name=MAYA), {"status"}),
    "a status that is unknown": (
        people.SetAgentStatusRequest(name=MAYA, status=cast("people.AgentStatus.ValueType", 9)),
        {"status"},
    ),
    "a reason of a status that is too long": (
        people.SetAgentStatusRequest(name=MAYA, status=people.AWAY, reason="x" * 129),
        {"reason"},
    ),
    "a reason of a status that is not printable": (
        people.SetAgentStatusRequest(name=MAYA, status=people.AWAY, reason="lunch\n"),
        {"reason"},
    ),
    "a pool without anything": (people.CreatePoolRequest(), {"parent", "pool_id", "pool"}),
    "everything wrong in a pool": (
        people.CreatePoolRequest(
            parent=SITE,
            pool_id="billing team",
            pool=people.Pool(
                display_name="n" * 129,
                offer_duration=Duration(),
                accepted_duration=Duration(seconds=7 * 86400 + 1),
                wrap_up_duration=Duration(seconds=-1),
                affinity_floor=float("nan"),
                affinity_tolerance=1.5,
            ),
        ),
        {
            "pool_id",
            "pool.display_name",
            "pool.offer_duration",
            "pool.accepted_duration",
            "pool.wrap_up_duration",
            "pool.affinity_floor",
            "pool.affinity_tolerance",
        },
    ),
    "too many declined offers, and a return after more than a week": (
        people.UpdatePoolRequest(
            pool=people.Pool(name=BILLING, max_declined=1001, return_within_duration=Duration(seconds=7 * 86400 + 1))
        ),
        {"pool.max_declined", "pool.return_within_duration"},
    ),
    "a wrap-up that is too long, and a negative one": (
        people.UpdatePoolRequest(
            pool=people.Pool(
                name=BILLING,
                wrap_up=people.WrapUp(after_cancel=Duration(seconds=3601), after_transfer=Duration(seconds=-1)),
            )
        ),
        {"pool.wrap_up.after_cancel", "pool.wrap_up.after_transfer"},
    ),
    "no pool to read": (people.GetPoolRequest(name=MAYA), {"name"}),
    "a page of pools without a site": (people.ListPoolsRequest(page_token="!"), {"parent", "page_token"}),
    "an unknown path in a pool's mask": (policy("etag", "offer_ms"), {"update_mask.paths[0]", "update_mask.paths[1]"}),
    "a floor below nothing": (policy(affinity_floor=-0.1), {"pool.affinity_floor"}),
    "a removal of no pool": (people.DeletePoolRequest(), {"name"}),
    "a site id with a brace": (people.CreateSiteRequest(site_id="a{b"), {"site_id"}),
    "a page of sites of negative size": (people.ListSitesRequest(page_size=-1), {"page_size"}),
    "the usage of no site": (people.GetUsageRequest(name="acme"), {"name"}),
    "a map of no pool": (people.GetInterestMapRequest(parent="acme", pool="sites/acme"), {"parent", "pool"}),
    "a map of too many interests": (
        people.GetInterestMapRequest(parent="sites/acme", max_interests=3_001),
        {"max_interests"},
    ),
    "a removal of no site": (people.DeleteSiteRequest(name="sites/"), {"name"}),
}
