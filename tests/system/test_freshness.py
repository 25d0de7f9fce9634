"""Freshness: a change that one server has acknowledged comes into force at the other, and none is skipped."""

from __future__ import annotations

from functools import partial

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as pb
from tests.people import person, wait_until
from tests.system.conftest import Pair

TRIALS = 40
TEXT = "I was restoring my old sailing boat when the varnish ran out."


async def shown(client: MatcherClient) -> str:
    """Return the name under which this server ranks the agent, "" if the agent is not available."""
    found = await client.suggest(TEXT)
    return found.candidates[0].display_name if found.candidates else ""


async def shows(client: MatcherClient, expected: str) -> bool:
    """Return whether this server ranks the agent under a name."""
    return await shown(client) == expected


async def test_a_change_at_one_server_is_in_force_at_the_other(pair: Pair) -> None:
    """Changes of status and profile alternate; how long each takes is measured by `python -m benchmarks.freshness`."""
    site = await pair.one.site()
    async with pair.one.client(site) as writer, pair.other.client(site) as reader:
        await writer.create_agent("maya", person("I restore wooden sailing boats.", display_name="name 0"))
        assert await shown(reader) == "name 0"
        for trial in range(TRIALS):
            match trial % 4:
                case 0:
                    expected = ""
                    await writer.set_agent_status("maya", pb.OFFLINE)
                case 1:
                    expected = f"name {trial - 1}"
                    await writer.set_agent_status("maya", pb.ONLINE)
                case _:
                    expected = f"name {trial - trial % 4 + 4 if trial % 4 == 3 else trial}"
                    interests = [f"I restore wooden sailing boats, {trial} of them so far."]
                    change = pb.Agent(name="maya", display_name=expected, interests=interests)
                    await writer.update_agent(change, ["display_name", "interests"])
            await wait_until(partial(shows, reader, expected), f"change {trial} is in force")
