"""A comparison of two trees: the CPU that a decision costs their servers, in blocks that take turns.

    python -m benchmarks.trees --before DIR --after DIR

Each server runs from its own checkout, on a store of its own, with the same roster. The tree before has two servers.
The server of the tree after takes its turns between them (A B A, A B A) and is compared with the mean of both; how far
those two lie apart says how quiet the machine was. A decision is a RouteMessage that accepts at once and the
CompleteReservation that gives the slot back; the nth block has the same messages for every server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import uvloop
from redis.asyncio import Redis

from benchmarks.alone import say
from benchmarks.generator import Generator, generator
from benchmarks.load import Routes, handle
from benchmarks.machine import cpu_seconds, describe, keep_to_two_cores
from benchmarks.material import INTERESTS, SEED, Material, read_material
from benchmarks.route import CACHE_SIZE, CACHED_TEXTS, IN_FLIGHT, SETTLE_SECONDS
from benchmarks.sizes import ROOT, default_suite
from benchmarks.slices import Estimate, Figures, interleave, ratio, to_json
from benchmarks.stores import Service, end_server, plain_store, server_clock, start_server
from matcher.auth.access_keys import AccessKey, new_access_key
from matcher.auth.key_cache import StoredKeys
from matcher.auth.principal import Grant, Role
from matcher.client import MatcherClient, token_of_environment
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import customers_pb2
from matcher.v1 import roster_pb2 as pb

OUTPUT: Final = ROOT / "build" / "trees.json"
SLICE: Final = 100
"""Decisions that a server makes before it is another's turn: a machine that wanders does so over seconds."""
COSTS: Final = ("server", "outside_encoder", "store")
"""The server's process; the same without its encoder's threads; the store's process."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout, and the Python that has what it needs."""

    folder: Path
    python: Path

    @property
    def commit(self) -> str:
        """Name the commit, with a + where files differ from it; "" where the folder is no checkout."""
        said = subprocess.run(
            ["git", "-C", self.folder, "describe", "--always", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared, and how much of it."""

    before: Tree
    after: Tree
    suite: Path
    blocks: int
    decisions: int
    agents: int
    bound: float
    cached: bool
    known: int = 0
    """Customers whose interests the server after knows, and whom its caller names."""
    after_settings: Mapping[str, str] = field(default_factory=dict)
    """Of the server of the tree after, beside those of all servers."""
    key: AccessKey | None = None
    """Stands in every store before its server starts: its text is in MATCHER_TOKEN, which every caller shows."""


@dataclass(slots=True)
class Arm:
    """A server, who calls it, and what each slice cost it: CPU seconds a decision."""

    service: Service
    caller: Generator
    routes: Routes
    costs: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COSTS})

    async def slice(self) -> float:
        """Make the decisions of a slice; return what one cost the server."""
        server, store = self.service.clock.read(), cpu_seconds(self.service.store_pid)
        done = await self.caller.run(self.routes)
        await asyncio.sleep(SETTLE_SECONDS)
        spent = self.service.clock.read() - server
        stored = cpu_seconds(self.service.store_pid) - store
        assert done.held == self.routes.calls, done
        assert not done.failed, done
        for name, seconds in zip(COSTS, (spent.total, spent.outside_encoder, stored), strict=True):
            self.costs[name].append(seconds / done.held)
        return self.costs["server"][-1]

    def blocks(self, slices: int) -> dict[str, list[float]]:
        """Return what each block of so many slices cost."""
        return {name: np.reshape(costs, (-1, slices)).mean(1).tolist() for name, costs in self.costs.items()}

    def runs(self) -> dict[str, Any]:
        """Return by what the server computes: compiled or not, it must be the same for both trees."""
        for line in self.service.log.read_text("utf-8").splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "serving":
                return {name: said[name] for name in ("kernels", "scan") if name in said}
        return {}


@asynccontextmanager
async def open_arm(
    plan: Plan,
    tree: Tree,
    material: Material,
    agents: Sequence[pb.ImportRow],
    more: Mapping[str, str],
    known: int = 0,
) -> AsyncIterator[Arm]:
    """Start a tree's server on a store of its own, and import the roster; more: settings of this server.

    known: so many customers are remembered first, and the messages name them.
    """
    cache = os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models"))
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        log = Path(folder) / "server.log"
        async with plain_store() as url, generator(material.messages) as caller:
            async with Redis.from_url(url) as redis:
                store_pid = int((await redis.info("server"))["process_id"])
            if plan.key is not None:
                await put_key(url, plan.key)
            settings = {
                "MATCHER_STORE_URL": url,
                "MATCHER_MODEL_CACHE": cache,
                "MATCHER_TEXT_CACHE_SIZE": str(CACHE_SIZE if plan.cached else 0),
                "PYTHONPATH": str(tree.folder),
                "PYTHONHASHSEED": "0",  # else each process has dicts of its own
                **more,
            }
            process, target = await start_server(Path(folder), log, settings, tree=tree.folder, python=tree.python)
            try:
                clock = await server_clock(process.pid, target)
                await _import(target, agents)
                await _put_customers(target, material, known)
                cached = CACHED_TEXTS if plan.cached else 0
                routes = Routes(target, SLICE, IN_FLIGHT, "at once", cached, customers=known)
                yield Arm(Service(target, process.pid, url, store_pid, log, clock, Path(folder)), caller, routes)
            finally:
                await end_server(process)


async def put_key(url: str, key: AccessKey) -> None:
    """Write an access key into a store without any."""
    connection = StoreClient(url)
    await connection.start()
    assert await AccessKeyStore(connection).change(StoredKeys(b"", ()), [key])
    await connection.close()


async def _import(target: str, agents: Sequence[pb.ImportRow]) -> None:
    async with MatcherClient(target, token=token_of_environment()) as client:
        refused = [
            answer async for answer in client.import_agents(agents) if answer.action != pb.ImportAgentsResponse.CREATED
        ]
    assert not refused, refused[:3]


async def _put_customers(target: str, material: Material, known: int) -> None:
    chance, now = np.random.default_rng(SEED), int(time.time())
    async with MatcherClient(target, token=token_of_environment()) as client:
        for number in range(known):
            drawn = chance.choice(len(material.lines), INTERESTS, replace=False).tolist()
            consent = customers_pb2.Consent(basis="benchmark")
            consent.time.FromSeconds(now - 60)
            consent.expire_time.FromSeconds(now + 86_400)
            interests = [customers_pb2.CustomerInterest(text=material.lines[line]) for line in drawn]
            await client.put_customer(
                customers_pb2.Customer(handles=[handle(number)], interests=interests, consent=consent)
            )


def make_agents(material: Material, agents: int) -> list[pb.ImportRow]:
    """Make a roster of people who are online and take a chat at a time, of interests that people wrote."""
    chance = np.random.default_rng(SEED)
    rows = []
    for number in range(agents):
        drawn = chance.choice(len(material.lines), INTERESTS, replace=False).tolist()
        agent = pb.Agent(interests=[material.lines[line] for line in drawn], status=pb.ONLINE)
        rows.append(pb.ImportRow(row=1 + number, agent_id=f"a{number:06d}", agent=agent))
    return rows


async def compare(plan: Plan) -> dict[str, Any]:
    """Run the blocks; return the figures, and under `blocks` what each cost in µs a decision."""
    material = read_material(plan.suite)
    agents = make_agents(material, plan.agents)
    async with AsyncExitStack() as stack:
        arms: dict[str, Arm] = {}
        for name, tree in (("before", plan.before), ("after", plan.after), ("again", plan.before)):
            say(f"trees: starting the server {name} and importing {plan.agents} agents")
            more, known = (plan.after_settings, plan.known) if name == "after" else ({}, 0)
            arms[name] = await stack.enter_async_context(open_arm(plan, tree, material, agents, more, known))
        slices = plan.decisions // SLICE
        say(f"trees: {plan.blocks} blocks of {plan.decisions} decisions for each of {len(arms)} servers")
        # The first block of each is not counted: caches fill, and grpc opens its connections.
        await interleave({name: arm.slice for name, arm in arms.items()}, (1 + plan.blocks) * slices // 2)
        runs = {name: arm.runs() for name, arm in arms.items()}
    costs = {name: {cost: values[1:] for cost, values in arm.blocks(slices).items()} for name, arm in arms.items()}
    blocks = {
        name: {cost: [round(1e6 * one, 1) for one in values] for cost, values in of_arm.items()}
        for name, of_arm in costs.items()
    }
    return {**json.loads(to_json(figures(plan, costs, runs))), "blocks": blocks}


def figures(
    plan: Plan, costs: Mapping[str, Mapping[str, Sequence[float]]], runs: Mapping[str, Mapping[str, Any]]
) -> Figures:
    """Return the ratios of each cost, after over before and before over itself, and what follows from the server's."""
    found: Figures = {
        **describe(),
        "before_commit": plan.before.commit,
        "after_commit": plan.after.commit,
        "suite": plan.suite.name,
        "blocks_each": plan.blocks,
        "decisions_a_block": plan.decisions,
        "agents": plan.agents,
        "bound": plan.bound,
        "cached": plan.cached,
        "known_customers": plan.known,
    }
    for name, of_arm in runs.items():
        found |= {f"{name}_{what}": by for what, by in of_arm.items()}
    compared, same = {}, {}
    for cost in COSTS:
        before, after, again = (costs[name][cost] for name in ("before", "after", "again"))
        between = np.mean([before, again], axis=0).tolist()
        compared[cost], same[cost] = ratio(after, between), ratio(again, before)
        found[f"{cost}_before_usec"] = 1e6 * float(np.median(between))
        found |= compared[cost].figures(f"{cost}_after_over_before") | same[cost].figures(f"{cost}_aa")
    found["verdict"] = verdict(compared["server"], same["server"], plan.bound)
    if runs["before"] != runs["after"]:
        found["verdict"] = "void: the trees are compiled differently"
    return found


def verdict(judged: Estimate, same: Estimate, bound: float) -> str:
    """Return "missed" where the interval's lower end lies beyond the bound, else "within".

    The run is void where the interval of the tree before, beside itself, reaches further from 1 than the bound does.
    """
    width = bound - 1
    if not (same.low >= 1 - width and same.high <= 1 + width):
        return "void: the same tree differed from itself by more than the bound"
    return "missed" if judged.low > bound else "within"


def show(document: Mapping[str, Any]) -> None:
    """Print a row for each pair of blocks, and the medians."""
    costs = {name: document["blocks"][name]["server"] for name in ("before", "after", "again")}
    print("block  before µs  after µs  again µs  after/before  before/before")
    for number, (before, after, again) in enumerate(zip(*costs.values(), strict=True), 1):
        ratios = f"{2 * after / (before + again):12.4f}  {again / before:13.4f}"
        print(f"{number:5}  {before:9.1f}  {after:8.1f}  {again:8.1f}  {ratios}")
    for cost in COSTS:
        parts = [f"{cost.replace('_', ' ')}: {document[f'{cost}_before_usec']:.0f} µs a decision before"]
        for key, words in ((f"{cost}_after_over_before", "after/before"), (f"{cost}_aa", "before/before")):
            median, low, high = (document[f"{key}{end}"] for end in ("", "_low", "_high"))
            parts.append(f"{words} {median:.4f} ({low:.4f}-{high:.4f})")
        print(" · ".join(parts))
    print(f"{document['before_commit']} → {document['after_commit']}, bound {document['bound']}: {document['verdict']}")


def main() -> int:
    """Compare by the command line; 1 where the bound is missed, 2 where the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout of the tree before")
    parser.add_argument("--after", type=Path, required=True, help="checkout of the tree after")
    parser.add_argument("--before-python", type=Path, help="its Python; default: its .venv, else this one")
    parser.add_argument("--after-python", type=Path, help="likewise")
    parser.add_argument("--blocks", type=int, default=20, help="blocks of each server")
    parser.add_argument("--decisions", type=int, default=1_000, help="decisions of a block")
    parser.add_argument("--agents", type=int, default=1_000, help="agents, all free, with 5 interests each")
    parser.add_argument("--suite", type=Path, help="folder of the messages and interests; default: what is there")
    parser.add_argument("--cached", action="store_true", help="route a few texts whose vectors the servers keep")
    parser.add_argument(
        "--known",
        type=int,
        default=0,
        metavar="N",
        help="the server after knows the interests of N customers, whom its caller names",
    )
    parser.add_argument(
        "--after-setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the server after alone: with the same tree twice, what a setting costs",
    )
    parser.add_argument("--bound", type=float, default=1.03, help="the ratio that must not be exceeded")
    parser.add_argument("--out", type=Path, default=OUTPUT)
    parser.add_argument(
        "--key", action="store_true", help="every caller shows an access key, and the server after asks"
    )
    given = parser.parse_args()
    if given.blocks < 1 or given.decisions % (2 * SLICE):
        parser.error(f"there must be at least one block, of a multiple of {2 * SLICE} decisions")
    keep_to_two_cores()
    after_settings, key = dict(setting.partition("=")[::2] for setting in given.after_setting), None
    if given.key:
        key, os.environ["MATCHER_TOKEN"] = new_access_key("caller", (Grant(Role.PLATFORM), Grant(Role.ADMIN)), 1)
        after_settings["MATCHER_AUTH"] = "keys"
    plan = Plan(
        before=_tree(given.before, given.before_python),
        after=_tree(given.after, given.after_python),
        suite=given.suite or default_suite(),
        blocks=given.blocks,
        decisions=given.decisions,
        agents=given.agents,
        bound=given.bound,
        cached=given.cached,
        known=given.known,
        after_settings=after_settings,
        key=key,
    )
    document = uvloop.run(compare(plan))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    show(document)
    return 2 if document["verdict"].startswith("void") else int(document["verdict"] == "missed")


def _tree(folder: Path, python: Path | None) -> Tree:
    # Not resolved: the python of an environment is a link, and by its place it knows the environment.
    own = folder.resolve() / ".venv" / "bin" / "python"
    return Tree(folder.resolve(), python.absolute() if python else own if own.exists() else Path(sys.executable))


if __name__ == "__main__":
    sys.exit(main())
