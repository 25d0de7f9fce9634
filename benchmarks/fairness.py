"""Fairness: what honest callers keep of what they have alone, while one caller floods the service or hoards its offers.

    python -m benchmarks.fairness [--seconds 6 --pairs 10] [--without-quotas]

The honest caller routes, accepts and completes at a fixed rate; the attacker begins ten times as many calls, and in the
hoard answers no offer. Both are paced, in processes of their own. The same flood on a bare echo says how much of the
loss is the machine's. Arms alternate (A B B A); a share is the decisions in time over those of the arm alone beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.echo import echo_server
from benchmarks.paced import Job, Outcome
from benchmarks.sizes import ROOT
from benchmarks.slices import Figures, estimate, interleave, ratio, to_json
from benchmarks.stores import connected, service
from matcher.auth.access_keys import new_access_key
from matcher.auth.key_cache import StoredKeys
from matcher.auth.principal import Grant, Role
from matcher.client import MatcherClient
from matcher.store.access_keys import AccessKeyStore
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.v1 import roster_pb2 as roster

AGENTS: Final = 40
TIMES: Final = 10
"""How many calls the attacker begins for each of the honest caller."""
QUOTAS: Final = {"MATCHER_PRINCIPAL_OPEN_OFFERS": "8", "MATCHER_PRINCIPAL_WAITING": "8"}
OUTPUT: Final = ROOT / "build" / "fairness.json"


@dataclass(frozen=True)
class Process:
    """A paced caller with a key of its own."""

    process: asyncio.subprocess.Process

    async def run(self, job: Job) -> Outcome:
        """Run a job to its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        line = await self.process.stdout.readline()
        assert line, "the caller ended"
        return Outcome(**json.loads(line))


@asynccontextmanager
async def caller(token: str) -> AsyncIterator[Process]:
    """Run a paced caller who shows a key."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.paced"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"MATCHER_TOKEN": token},
        limit=2**24,
    )
    assert process.stdin is not None
    try:
        yield Process(process)
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def guarded(settings: dict[str, str]) -> AsyncIterator[tuple[str, int, list[str]]]:
    """Run a service that asks who calls, with agents; yield its address, its process and the keys of both."""
    both = (Grant(Role.PLATFORM), Grant(Role.ADMIN))
    made = [new_access_key(name, both, 1) for name in ("honest", "attacker")]
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        data_dir = Path(folder) / "data"
        store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
        try:
            async with connected(store.url) as connection:
                assert await AccessKeyStore(connection).change(StoredKeys(b"", ()), [key for key, _ in made])
            async with service(data_dir, {"MATCHER_AUTH": "keys", **settings}) as running:
                keys = [text for _, text in made]
                async with MatcherClient(running.target, token=keys[0]) as client:
                    await _hire(client)
                yield running.target, running.pid, keys
        finally:
            await store.close()


async def _hire(client: MatcherClient) -> None:
    one = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    pastimes = ("sailing", "baking bread", "climbing", "keeping bees")
    rows = [
        roster.ImportRow(
            row=number,
            agent_id=f"agent-{number}",
            agent=roster.Agent(interests=[f"I like {pastimes[number % 4]}."], capacity=one, status=roster.ONLINE),
        )
        for number in range(1, AGENTS + 1)
    ]
    assert len([answer async for answer in client.import_agents(rows)]) == AGENTS


async def measure(rate: float, seconds: float, pairs: int, settings: dict[str, str]) -> Figures:
    """Measure what the honest caller keeps."""
    async with AsyncExitStack() as stack:
        target, _, keys = await stack.enter_async_context(guarded(settings))
        echo = await stack.enter_async_context(echo_server())
        honest, attacker = [await stack.enter_async_context(caller(key)) for key in keys]
        p95: dict[str, list[float]] = {}
        attacks: dict[str, list[Outcome]] = {}

        def arm(name: str, attack: str, on: str = target) -> Any:
            kind: Any = "echo" if on == echo.target else "serve"

            async def run() -> float:
                work = [honest.run(Job(on, kind, rate, seconds))]
                if attack:
                    work.append(attacker.run(Job(on, attack, TIMES * rate, seconds)))  # type: ignore[arg-type]
                outcome, *attacked = await asyncio.gather(*work)
                attacks.setdefault(name, []).extend(attacked)
                p95.setdefault(name, []).append(sorted(outcome.seconds or [0.0])[int(0.95 * len(outcome.seconds))])
                return outcome.got / outcome.begun

            return run

        arms = {
            "alone": arm("alone", ""),
            "flooded": arm("flooded", "serve"),
            "hoarded": arm("hoarded", "hoard"),
            "again": arm("again", ""),
            "echo_alone": arm("echo_alone", "", echo.target),
            "echo_flooded": arm("echo_flooded", "echo", echo.target),
        }
        await arms["alone"]()  # the first calls warm the service up
        got = await interleave(arms, pairs)
    figures: Figures = {
        "honest_calls_per_second": rate,
        "attacker_calls_per_second": TIMES * rate,
        "blocks_of_each_arm": 2 * pairs,
        "load_of_the_machine": os.getloadavg()[0],
        "alone_got": estimate(got["alone"]).median,
        **ratio(got["flooded"], got["alone"]).figures("flood_kept"),
        **ratio(got["hoarded"], got["alone"]).figures("hoard_kept"),
        **ratio(got["again"], got["alone"]).figures("aa_kept"),
        **ratio(got["echo_flooded"], got["echo_alone"]).figures("echo_flood_kept"),
        **{f"{name}_p95_ms": 1_000 * estimate(values).median for name, values in p95.items()},
    }
    for name in ("flooded", "hoarded"):
        outcomes = attacks[name]
        figures[f"{name}_attacker_got"] = sum(one.got for one in outcomes)
        figures[f"{name}_attacker_refused"] = sum(sum(one.failed.values()) for one in outcomes)
    return figures


def main() -> None:
    """Measure, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second of the honest caller")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a block")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--without-quotas", action="store_true", help="show what the hoarder takes then")
    parser.add_argument("--out", type=Path, default=OUTPUT)
    given = parser.parse_args()
    settings = {} if given.without_quotas else QUOTAS
    text = to_json(asyncio.run(measure(given.rate, given.seconds, given.pairs, settings)))
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
