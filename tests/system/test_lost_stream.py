"""A server that misses events of a change stream."""

from __future__ import annotations

import signal

from matcher.v1 import roster_pb2 as pb
from tests.people import hire, person, wait_until
from tests.system.conftest import Pair

TEXT = "My telescope shows two moons of Jupiter, and one should be four."


async def test_a_server_that_missed_events_reads_the_site_again(pair: Pair) -> None:
    """Events that were trimmed while a server was stopped are in force there once it runs again."""
    site = await pair.one.site()
    roster, load = f"m:{{{site}}}:roster", f"m:{{{site}}}:load"
    async with pair.one.client(site) as one, pair.other.client(site) as other, pair.store.client() as redis:
        people = {name: person("I watch the moons of Jupiter.") for name in ("anna", "boris", "carla", "dora")}
        await hire(one, people)
        assert len((await other.suggest(TEXT)).candidates) == 4

        pair.other.send(signal.SIGSTOP)
        try:
            held = await one.route(TEXT, excluded_agents=["boris", "carla", "dora"])
            await one.set_agent_status("boris", pb.OFFLINE)
            await one.delete_agent("carla")
            await one.create_agent("emil", person("I watch the moons of Saturn."))
            await redis.xtrim(roster, maxlen=0)
            await redis.xtrim(load, maxlen=0)
            await one.create_agent("fanny", person("I watch the moons of Mars."))
        finally:
            pair.other.send(signal.SIGCONT)

        async def right() -> bool:
            ranked = {one.agent.rpartition("/")[2] for one in (await other.suggest(TEXT)).candidates}
            return ranked == {"dora", "emil", "fanny"}

        await wait_until(right, "the other server knows who is free")
        assert any(site in line and "fell behind" in line for line in pair.other.log().splitlines())
        assert held.reservation.agent == one.name("agents", "anna")
        left_out = await other.suggest(TEXT, explain_left_out=True)
        assert {agent.agent.rpartition("/")[2] for agent in left_out.left_out_agents} == {"anna", "boris"}
