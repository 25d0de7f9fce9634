"""A server that misses events of a change stream."""

from __future__ import annotations

import signal

import pytest

from matcher.client import MatcherCallError
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


async def test_a_customer_who_was_forgotten_while_a_server_was_stopped_is_not_told_as_lost(pair: Pair) -> None:
    """The server misses the end of the contact, which went with its customer: the store has lost nothing."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"anna": person("I watch the moons of Jupiter.")})
        assert (await other.suggest(TEXT)).candidates
        talk = await one.route(TEXT, contact_id="c1", customer="ada", auto_accept=True)

        async def seen() -> bool:
            return not (await other.suggest(TEXT)).candidates

        await wait_until(seen, "the other server has seen that anna talks to ada")

        pair.other.send(signal.SIGSTOP)
        try:
            await one.create_agent("boris", person("I watch the moons of Saturn."))  # its read has its answer
            await one.complete(talk.reservation.name)
            await one.forget_handle("ada")
        finally:
            pair.other.send(signal.SIGCONT)

        async def read_again() -> bool:
            return any(site in line and "fell behind" in line for line in pair.other.log().splitlines())

        await wait_until(read_again, "the other server has read the site again")
        assert (await other.suggest(TEXT)).candidates
        with pytest.raises(MatcherCallError) as unknown:
            await other.contact("c1")
        assert unknown.value.reason == "CONTACT_NOT_FOUND"
        assert not any(site in line and "lost what it had" in line for line in pair.other.log().splitlines())
