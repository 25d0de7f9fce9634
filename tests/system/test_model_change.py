"""The model is changed while agents work and customers write."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from matcher.encoder import EncoderSettings, open_encoder
from matcher.v1 import roster_pb2
from tests.conftest import StartServer
from tests.people import PASTIMES, hire, person, wait_until
from tests.processes import ROOT, Server, Store, metric, model_cache

MESSAGE = "My bees have swarmed, and the veil you sent is torn."
CROWD = 400


@pytest.fixture(scope="session")
async def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of another model: the same each time, so that it is compiled once."""
    folder = tmp_path_factory.mktemp("model") / "other"
    script = Path(__file__).with_name("other_model.py")
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(script), str(folder)), cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert await made.wait() == 0
    # Compiled before anybody waits for it; from then on it is in the cache of all test sessions.
    encoder = await open_encoder(EncoderSettings(cache_dir=model_cache(), model=str(folder)), lambda _: None)
    await encoder.close()
    return folder


@pytest.fixture
async def fresh_store(tmp_path: Path) -> AsyncIterator[Store]:
    """Give a store nobody else uses: which model answers is a matter of the whole store."""
    store = Store(tmp_path)
    await store.start()
    yield store
    await store.end()


async def changed(server: Server) -> None:
    """Wait until a server answers by the model of its settings."""

    async def said() -> bool:
        return '"model changed"' in server.log()

    await wait_until(said, "the model is changed")


async def encoded(store: Store) -> Mapping[str, int]:
    """Count the agents with vectors, by model."""
    counts: dict[str, int] = {}
    async with store.client() as redis:
        async for key in redis.scan_iter("m:{default}:vec:*", count=1000):
            model = key.decode().split(":")[3]
            counts[model] = counts.get(model, 0) + 1
    return counts


async def test_one_server_answers_by_the_former_model_until_the_roster_is_encoded_by_the_new_one(
    launch: StartServer, fresh_store: Store, other_model: Path
) -> None:
    """Routes are answered all the while; what is written meanwhile is right under both; a decision names its model."""
    settings = {"MATCHER_STORE_URL": fresh_store.url}
    before = await launch(settings)
    async with before.client() as client:
        await hire(client, {f"a{number}": person(f"I like {PASTIMES[number % 18]}.") for number in range(CROWD)})
        await client.create_agent("bea", person("I keep bees.", most=1000))
        first = await client.route(MESSAGE, auto_accept=True)
        former = (await client.decision(first.decision)).model
    assert first.candidate.display_name == ""
    assert await before.stop() == 0

    after = await launch(settings | {"MATCHER_MODEL": str(other_model)})
    routed: list[str] = []
    async with after.client() as client, contextlib.AsyncExitStack() as stack:

        async def keep_asking() -> None:
            while True:
                answer = await client.route(MESSAGE, auto_accept=True)
                routed.append((await client.decision(answer.decision)).model)

        asking = asyncio.create_task(keep_asking())
        stack.callback(asking.cancel)
        await client.update_agent(roster_pb2.Agent(name="a7", interests=["I tune church organs."]))
        await client.create_agent("new", person("I race vintage lawn mowers."))
        await changed(after)
        asked = len(routed)
        await wait_until(lambda: _more(routed, asked + 5), "routes by the new model")
        assert not asking.done()
        assert routed[0] == former
        assert len(set(routed)) == 2
        switch = routed.index(routed[-1])
        assert set(routed[switch:]) == {routed[-1]}
        for words, agent in (("I tune church organs.", "a7"), ("I race vintage lawn mowers.", "new")):
            found = await client.suggest(words)
            assert found.candidates[0].agent.endswith(f"/{agent}")
            assert found.candidates[0].reasons[0].similarity > 0.99
    log = after.log()
    assert log.index('"serving"') < log.index('"agents_done": 0') < log.index('"model changed"')
    everybody = CROWD + 2
    assert await metric(after, "matcher_model_change_agents", state="done") >= CROWD + 1
    assert await encoded(fresh_store) == {former: everybody, routed[-1]: everybody}
    assert await after.stop() == 0
    again = await launch(settings | {"MATCHER_MODEL": str(other_model)})
    assert "encoding the roster" not in again.log()
    assert "interests encoded" not in again.log()


async def _more(found: list[str], than: int) -> bool:
    return len(found) > than
