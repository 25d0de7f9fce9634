"""Scorers of pools: each pool is ranked by the scorer that its policy names."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from matcher.affinity.kinds import Others
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import Provenance, write
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as pb
from tests.cli.command import matcher
from tests.people import PASTIMES, hire, person, wait_until
from tests.processes import Server

TEXT: Final = "My card was swallowed by the machine. Tonight I meant to play the cello with friends."
LENIENT: Final = Scorer(threshold=0.1, saturation=1.0, halves=(384, 512), others=Others(0.1))
MEASURED: Final = 300.0
"""Seconds in which the floors by a new scorer are surely measured, on a busy machine, too."""


async def encoded(server: Server) -> float:
    """Return how many texts the encoder has encoded."""
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as answer:  # noqa: ASYNC210 - a short call
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    family = families["matcher_encoder_batch_size"]
    return next(sample.value for sample in family.samples if sample.name.endswith("_sum"))


async def affinities(client: MatcherClient, pool: str) -> dict[str, float]:
    """Return each agent's affinity with the message in a pool."""
    found = await client.suggest(TEXT, pool=pool, max_candidates=20, ignore_availability=True)
    return {one.agent.rpartition("/")[2]: one.affinity for one in found.candidates}


async def test_two_pools_of_a_site_are_ranked_by_their_own_scorers(
    launch: Callable[[Mapping[str, str]], Awaitable[Server]], tmp_path: Path
) -> None:
    """UpdatePool changes the closest agent at once, and after a restart too, and encodes no interest."""
    folder = tmp_path / "scorers"
    folder.mkdir()
    settings = {"MATCHER_SCORERS": str(folder)}
    server = await launch(settings)
    async with server.client() as client:
        first = [await client.create_pool(pool, pb.Pool()) for pool in ("north", "south")]
        both = [pool.name for pool in first]
        await hire(client, {f"a{n}": person(f"I love {line}.", pools=both) for n, line in enumerate(PASTIMES)})
        usual = await affinities(client, "north")
        assert usual == await affinities(client, "south")
        routed = await client.route(TEXT, pool="south")
        before = await client.decision(routed.decision)
        write(folder / "lenient.npz", LENIENT, Provenance(before.model, (), "", "", {}))
        write(folder / "theirs.npz", LENIENT, Provenance("0" * 16, (), "", "", {}))
        floor = (await client.pool("north")).effective_affinity_floor
        # The first pool with a scorer waits until its floors are measured.
        await client.update_pool(pb.Pool(name="south", scorer="lenient"), deadline=MEASURED)
        await client.update_pool(pb.Pool(name="south"), ["scorer"])
        texts = await encoded(server)
        changed = await client.update_pool(pb.Pool(name="north", scorer="lenient"))
        assert (changed.scorer, await encoded(server)) == ("lenient", texts)
        assert changed.effective_affinity_floor != floor == (await client.pool("south")).effective_affinity_floor
        lenient = await affinities(client, "north")
        assert set(lenient) > set(usual)
        assert await affinities(client, "south") == usual
        records = [await client.decision((await client.route(TEXT, pool=pool)).decision) for pool in ("north", "south")]
        assert [record.scorer for record in records] == [LENIENT.fingerprint, before.scorer]
        with pytest.raises(MatcherCallError, match=r"pool\.scorer names no scorer; there are packaged, untrained, len"):
            await client.update_pool(pb.Pool(name="south", scorer="strict"))
        with pytest.raises(MatcherCallError, match=r"theirs\.npz was learned from the vectors of another") as refused:
            await client.create_pool("west", pb.Pool(scorer="theirs"))
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [one.field for one in refused.value.violations] == ["pool.scorer"]
    assert await server.stop() == 0
    again = await launch(settings)
    async with again.client() as client:
        assert await affinities(client, "north") == pytest.approx(lenient, abs=1e-6)
        await client.update_pool(pb.Pool(name="north"), ["scorer"])
        assert await affinities(client, "north") == pytest.approx(usual, abs=1e-6)


async def test_another_server_ranks_by_the_new_scorer_if_it_has_the_file(
    launch: Callable[[Mapping[str, str]], Awaitable[Server]], store_url: str, tmp_path: Path
) -> None:
    """A change at one server is in force at the other; a server without the file logs that and uses the default."""
    folder = tmp_path / "scorers"
    folder.mkdir()
    settings = {"MATCHER_STORE_URL": store_url, "MATCHER_SCORERS": str(folder)}
    one, other, bare = await asyncio.gather(
        launch(settings), launch(settings), launch({"MATCHER_STORE_URL": store_url, "MATCHER_SCORER": "untrained"})
    )
    site = await one.site()
    async with one.client(site) as here, other.client(site) as there, bare.client(site) as without:
        north = await here.create_pool("north", pb.Pool())
        await hire(here, {f"a{n}": person(f"I love {line}.", pools=[north.name]) for n, line in enumerate(PASTIMES)})
        usual, untrained = await affinities(there, "north"), await affinities(without, "north")
        model = (await here.decision((await here.route(TEXT, pool="north")).decision)).model
        write(folder / "lenient.npz", LENIENT, Provenance(model, (), "", "", {}))
        await here.update_pool(pb.Pool(name="north", scorer="lenient"), deadline=MEASURED)
        lenient = await affinities(here, "north")

        async def changed() -> bool:
            return await affinities(there, "north") == pytest.approx(lenient, abs=1e-6)

        await wait_until(changed, "the other server ranks by the scorer that was put in force here")
        await here.update_pool(pb.Pool(name="north"), ["scorer"])

        async def back() -> bool:
            return await affinities(there, "north") == pytest.approx(usual, abs=1e-6)

        await wait_until(back, "the other server ranks by the service's scorer again")
        await here.update_pool(pb.Pool(name="north", scorer="lenient"))

        async def said() -> bool:
            return "a pool's scorer is not available" in bare.log()

        await wait_until(said, "the server without the file says so")
        assert await affinities(without, "north") == pytest.approx(untrained, abs=1e-6)
        assert [(await client.pool("north")).scorer_serving for client in (here, without)] == ["lenient", "untrained"]
        shown = await matcher("pools", "get", "north", "--server", bare.target, "--site", site)
        assert "lenient; untrained ranks now" in shown.out
