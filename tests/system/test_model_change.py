"""A change of the model while agents work and customers write."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from matcher.client import MatcherClient
from matcher.encoder import PACKAGED_MODEL, PACKAGED_PAIR, EncoderSettings, fingerprint_of, open_encoder
from matcher.v1 import roster_pb2
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import PASTIMES, hire, person, wait_until
from tests.processes import ROOT, Server, ServerDidNotStart, Store, metric, model_cache

MESSAGE = "My bees have swarmed, and the veil you sent is torn."
GERMAN_MESSAGE = "Meine Bienen sind ausgeschwärmt, und der Schleier ist zerrissen."
JAPANESE_MESSAGE = "蜂が巣から逃げて、届いた網も破れていました。"
CROWD = 400


@pytest.fixture(scope="session")
async def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of another model, always the same one, so that it is compiled once."""
    folder = tmp_path_factory.mktemp("model") / "other"
    script = Path(__file__).with_name("other_model.py")
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(script), str(folder)), cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert await made.wait() == 0
    # Compiled before a test waits for it; later test sessions find it in the cache.
    encoder = await open_encoder(EncoderSettings(cache_dir=model_cache(), model=str(folder)), lambda _: None)
    await encoder.close()
    return folder


@pytest.fixture
async def fresh_store(tmp_path: Path) -> AsyncIterator[Store]:
    """Give a store that no other test uses: the store as a whole has one model that answers."""
    store = Store(tmp_path)
    await store.start()
    yield store
    await store.end()


async def changed(server: Server) -> None:
    """Wait until the model of a server's settings answers."""

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


async def test_the_former_model_answers_until_the_roster_is_encoded_by_the_new_one(
    launch: StartServer, fresh_store: Store, other_model: Path
) -> None:
    """Routes are answered meanwhile; agents written meanwhile are right under both; a decision names its model."""
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
            # The contacts that were routed meanwhile may have taken an agent's whole capacity.
            found = await client.suggest(words, ignore_availability=True)
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


async def test_a_roster_moves_from_one_model_to_the_pair_while_routes_are_answered(
    launch: StartServer, fresh_store: Store
) -> None:
    """The one model answers until the pair has every agent; then customers are understood in other languages, too."""
    settings = {"MATCHER_STORE_URL": fresh_store.url}
    before = await launch(settings | {"MATCHER_MODEL": PACKAGED_MODEL})
    async with before.client() as client:
        await hire(client, {f"a{number}": person(f"I like {PASTIMES[number % 18]}.") for number in range(80)})
        await client.create_agent("bea", person("I keep bees.", most=1000))
        await client.create_agent("ole", person("Jeg spiller trekkspill.", most=1000))
        await client.update_pool(roster_pb2.Pool(name="default", affinity_floor=0.05))
    assert await before.stop() == 0
    after = await launch(settings | {"MATCHER_MODEL": PACKAGED_PAIR})
    async with after.client() as client:
        models = {(await client.decision((await client.route(MESSAGE, auto_accept=True)).decision)).model}
        await changed(after)
        answers = [await client.route(words, auto_accept=True) for words in (MESSAGE, GERMAN_MESSAGE, JAPANESE_MESSAGE)]
        keepers = {"bea", *(f"a{number}" for number in range(80) if "bees" in PASTIMES[number % 18])}
        assert {answer.candidate.agent.rpartition("/")[2] for answer in answers} <= keepers
        assert all(0.3 < one.candidate.reasons[0].similarity <= 1 for one in answers)
        models |= {(await client.decision(answers[0].decision)).model}
        assert (await client.pool("default")).scorer_serving == "packaged"
    assert await encoded(fresh_store) == dict.fromkeys(models, 82)
    assert models >= {await fingerprint_of(PACKAGED_PAIR)}
    listed = await matcher("models", "list", environment=settings)
    assert PACKAGED_PAIR in listed.out


async def _more(found: list[str], than: int) -> bool:
    return len(found) > than


async def test_two_servers_with_different_models_find_what_the_other_writes(
    launch: StartServer, fresh_store: Store, other_model: Path
) -> None:
    """As in a rolling restart: both servers find an agent that either wrote, each by vectors of its own model."""
    settings = {"MATCHER_STORE_URL": fresh_store.url}
    old = await launch(settings)
    async with old.client() as client:
        await hire(client, {f"a{number}": person(f"I like {PASTIMES[number % 18]}.") for number in range(40)})
    new = await launch(settings | {"MATCHER_MODEL": str(other_model)})
    await changed(new)
    async with old.client() as here, new.client() as there:
        for writer, reader, words in ((here, there, "I tune church organs."), (there, here, "I race lawn mowers.")):
            await writer.update_agent(roster_pb2.Agent(name="a7", interests=[words]))
            await writer.create_agent("new", person(f"{words} At night, too."))

            async def found(asked: MatcherClient = reader, words: str = words) -> bool:
                seen = [one.agent.rpartition("/")[2] for one in (await asked.suggest(words)).candidates[:2]]
                return set(seen) == {"a7", "new"}

            await wait_until(found, "the other server knows")
            assert await found(writer)
            await writer.delete_agent("new")
        assert await old.stop() == 0
        answer = await there.route("I race lawn mowers.", auto_accept=True)
        assert answer.candidate.agent.endswith("/a7")
    assert len(await encoded(fresh_store)) == 2


async def test_a_wanted_model_that_cannot_be_opened_stops_the_start_and_a_former_one_does_not(
    launch: StartServer, fresh_store: Store, other_model: Path, tmp_path: Path
) -> None:
    """A wrong setting is one line; if the former folder is gone, routes wait for the roster, and the log says so."""
    moved = tmp_path / "moved"
    shutil.copytree(other_model, moved)
    settings = {"MATCHER_STORE_URL": fresh_store.url}
    before = await launch(settings | {"MATCHER_MODEL": str(moved)})
    async with before.client() as client:
        await client.create_agent("bea", person("I keep bees."))
    assert await before.stop() == 0
    with pytest.raises(ServerDidNotStart) as refused:
        await launch(settings | {"MATCHER_MODEL": str(tmp_path / "nowhere")})
    assert "nowhere is neither packaged (all-MiniLM-L6-v2, " in refused.value.output
    assert "Traceback" not in refused.value.output
    shutil.rmtree(moved)
    after = await launch(settings)
    async with after.client() as client:
        answer = await client.route(MESSAGE)
    assert answer.candidate.agent.endswith("/bea")
    assert "no route until the roster is encoded" in after.log()
    assert '"agents_done": 1' in after.log()


async def test_a_roster_can_be_encoded_before_the_model_is_changed_and_the_old_vectors_removed_after(
    launch: StartServer, fresh_store: Store, other_model: Path
) -> None:
    """The command runs beside the service; the change then encodes nothing; vectors of the model in use stay."""
    settings = {"MATCHER_STORE_URL": fresh_store.url, "MATCHER_MODEL_CACHE": str(model_cache())}
    before = await launch(settings)
    async with before.client() as client:
        await hire(client, {f"a{number}": person(f"I like {PASTIMES[number % 18]}.") for number in range(40)})
    said = await matcher("models", "encode", str(other_model), environment=settings)
    assert said.code == 0, said.err
    assert "encoding the roster: 40 of 40" in said.err
    counts = await encoded(fresh_store)
    assert sorted(counts.values()) == [40, 40]
    assert await before.stop() == 0
    after = await launch(settings | {"MATCHER_MODEL": str(other_model)})
    await changed(after)
    assert "interests encoded" not in after.log()
    listed = (await matcher("models", "list", "--json", environment=settings)).documents()
    assert {one["model"]: one["answers"] for one in listed} == {PACKAGED_PAIR: False, str(other_model): True}
    kept = await matcher("models", "forget", str(other_model), environment=settings)
    assert (kept.code, kept.err) == (1, f"error: the service answers by {other_model}: its vectors cannot be removed\n")
    assert (await matcher("models", "forget", PACKAGED_PAIR, environment=settings)).code == 0
    (left,) = await encoded(fresh_store)
    assert left == next(one["fingerprint"] for one in listed if one["answers"])
