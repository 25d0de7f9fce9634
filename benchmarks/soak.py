"""Soak: what grows in half an hour at 60 % of the peak, a third of the routes cancelled, sites coming and going.

    python -m benchmarks.soak [--minutes 30 --plot docs/soak.png]

The peak is what callers in a closed loop reach for a few seconds. What is sampled: resident memory, descriptors and
tasks of the server, the series of its metrics, memory and keys of the store. Contacts, requests and decisions are kept
for a minute here and not for a day, so that the store has a steady state. A slope is Theil's and Sen's median of the
slopes between all pairs of samples, with its 95 % interval, over what follows the first fifth of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.duration_pb2 import Duration
from matplotlib.figure import Figure
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from scipy.stats import theilslopes

from benchmarks.alone import say
from benchmarks.machine import describe, resident_mb
from benchmarks.plots import BLUE
from benchmarks.sizes import ROOT
from benchmarks.stores import Service, service
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster

AGENTS: Final = 200
TEXTS: Final = ("My bees have swarmed and the veil is torn.", "The sail has a hole.", "Hello?", "Where is my order?")
INTERESTS: Final = ("I keep bees.", "I sail small boats.", "I bake bread.", "I climb boulders.", "I play the cello.")
SHORT_LIVES: Final = {
    "MATCHER_REQUEST_ID_WINDOW_SECONDS": "60",
    "MATCHER_KEEP_SECONDS": "60",
    "MATCHER_DECISION_SECONDS": "60",
    "MATCHER_EVENTS_KEPT": "1000",
    "MATCHER_MODEL_CACHE": os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models")),
}
PEAK_SECONDS: Final = 10.0
PEAK_CALLERS: Final = 24
SHARE: Final = 0.6
SAMPLE_SECONDS: Final = 5.0
SITE_SECONDS: Final = 5.0
WARMING: Final = 0.2
"""The share of the time that the slopes leave out."""
OUT: Final = ROOT / "build" / "soak.json"
NAMES: Final = {
    "memory_mb": "memory of the server, MiB",
    "descriptors": "descriptors of the server",
    "tasks": "tasks of its event loop",
    "series": "series of its metrics",
    "store_mb": "memory of the store, MiB",
    "store_keys": "keys of the store",
}


class Load:
    """Contacts at a rate, a third of them cancelled within milliseconds, and sites that come and go."""

    def __init__(self, target: str, client: MatcherClient, seed: int) -> None:
        self._target = target
        self._client = client
        self._draw = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    async def peak(self) -> float:
        """Return the contacts a second that callers in a closed loop reach."""
        end, done = time.monotonic() + PEAK_SECONDS, 0

        async def caller() -> None:
            nonlocal done
            while time.monotonic() < end:
                await self._served()
                done += 1

        await asyncio.gather(*(caller() for _ in range(PEAK_CALLERS)))
        return done / PEAK_SECONDS

    async def contacts(self, rate: float, until: float) -> None:
        """Begin contacts at a rate until a time of the monotonic clock."""
        due, tasks = time.monotonic(), set[asyncio.Task[None]]()
        while due < until:
            given_up = self._draw.random() < 1 / 3
            task = asyncio.create_task(self._given_up() if given_up else self._served())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due += self._draw.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*tasks)

    async def sites(self, until: float) -> None:
        """Create a site, use and watch it, and delete it, again and again."""
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                await self._site(f"guest-{number}")
                self.counts["sites"] += 1
            except MatcherCallError as error:
                self.failures.append(f"site: {error}")
            await asyncio.sleep(SITE_SECONDS)

    async def _site(self, site: str) -> None:
        await self._client.create_site(site)
        async with MatcherClient(self._target, site=site) as client:
            await hire(client, 5)
            async with aclosing(client.watch_events()) as events:
                await anext(events)
                for _ in range(3):
                    await client.route(self._draw.choice(TEXTS), auto_accept=True, wait=True)
        await self._client.delete_site(site, force=True)

    async def _served(self) -> None:
        try:
            answer = await self._client.route(self._draw.choice(TEXTS), auto_accept=True)
            if answer.HasField("reservation"):
                await self._client.complete(answer.reservation.name)
                self.counts["served"] += 1
            else:
                self.counts["unmatched"] += 1
        except MatcherCallError as error:
            self.failures.append(f"route or complete: {error}")

    async def _given_up(self) -> None:
        call = asyncio.ensure_future(self._client.route(self._draw.choice(TEXTS)))
        await asyncio.sleep(self._draw.uniform(0.0, 0.015))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, MatcherCallError):
            await call
        self.counts["cancelled"] += 1


async def hire(client: MatcherClient, count: int) -> None:
    """Create agents who are online; offers lapse after two seconds, and set nobody AWAY."""
    policy = roster.Pool(name="default", offer_duration=Duration(seconds=2), max_missed=0)
    await client.update_pool(policy, ["offer_duration", "max_missed"])
    capacity = roster.Capacity(total=2, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    for number in range(count):
        agent = roster.Agent(interests=[INTERESTS[number % 5]], capacity=capacity, status=roster.ONLINE)
        await client.create_agent(f"a{number}", agent)


async def sample(running: Service, redis: Redis) -> dict[str, float]:
    """Return what is measured of the server and its store now."""
    (address,) = running.metrics_addresses()
    page = await asyncio.to_thread(_page, address)
    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    return {
        "memory_mb": resident_mb(running.pid),
        "descriptors": float(len(os.listdir(f"/proc/{running.pid}/fd"))),  # noqa: PTH208  # no disk is read
        "tasks": next(each.value for each in samples if each.name == "matcher_tasks"),
        "series": float(len(samples)),
        "store_mb": (await redis.info("memory"))["used_memory"] / 2**20,
        "store_keys": float(await redis.dbsize()),
    }


def _page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        return str(page.read().decode())


def slopes(minutes: list[float], samples: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return of each measure the median, and what it grows by in an hour, with the 95 % interval."""
    kept = [at for at, minute in enumerate(minutes) if minute >= WARMING * minutes[-1]]
    hours = np.array([minutes[at] for at in kept]) / 60
    found = {}
    for name in NAMES:
        values = np.array([samples[at][name] for at in kept])
        slope, _, low, high = theilslopes(values, hours, 0.95)
        found[name] = {
            "median": round(float(np.median(values)), 1),
            "an_hour": round(float(slope), 2),
            "low": round(float(low), 2),
            "high": round(float(high), 2),
        }
    return found


def plot(minutes: list[float], samples: list[dict[str, float]]) -> Figure:
    """Draw each measure over the minutes."""
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    for panel, (name, title) in zip(figure.subplots(2, 3).flat, NAMES.items(), strict=True):
        values = [each[name] for each in samples]
        panel.plot(minutes, values, color=BLUE, linewidth=1.2)
        panel.axvspan(0, WARMING * minutes[-1], color="#000000", alpha=0.05, linewidth=0)
        panel.set_ylim(0, 1.25 * max(values))
        panel.set_title(title, fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_xlabel("minutes")
    return figure


async def measure(minutes: float, rate: float, seed: int) -> tuple[dict[str, Any], Figure]:
    """Load a service for some minutes; rate: contacts a second, 0: 60 % of the peak."""
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        async with service(Path(folder) / "data", SHORT_LIVES) as running, Redis.from_url(running.store_url) as redis:
            async with MatcherClient(running.target) as client:
                await hire(client, AGENTS)
                load = Load(running.target, client, seed)
                peak = await load.peak()
                rate = rate or SHARE * peak
                say(f"peak {peak:.0f} contacts a second; {minutes:g} minutes at {rate:.0f}")
                began = time.monotonic()
                until = began + 60 * minutes
                work = [asyncio.create_task(load.contacts(rate, until)), asyncio.create_task(load.sites(until))]
                at, samples = list[float](), list[dict[str, float]]()
                while time.monotonic() < until:
                    samples.append(await sample(running, redis))
                    at.append((time.monotonic() - began) / 60)
                    await asyncio.sleep(SAMPLE_SECONDS)
                await asyncio.gather(*work)
            logged = [line for line in running.log.read_text("utf-8").splitlines() if '"traceback"' in line]
    report = {
        **describe(),
        "minutes": minutes,
        "peak_a_second": round(peak, 1),
        "rate_a_second": round(rate, 1),
        "counts": dict(load.counts),
        "failures": len(load.failures),
        "failures_named": load.failures[:10],
        "logged_faults": len(logged),
        "slopes": slopes(at, samples),
    }
    return report, plot(at, samples)


def main() -> int:
    """Load, report and draw; return 1 where a call failed or the service logged a fault of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=0.0, help="contacts a second; 0: 60 %% of the peak")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--plot", type=Path, default=OUT.with_suffix(".png"))
    options = parser.parse_args()
    report, drawn = asyncio.run(measure(options.minutes, options.rate, options.seed))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    drawn.savefig(options.plot, dpi=90)
    print(json.dumps(report, indent=2))
    return 1 if report["failures"] or report["logged_faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
