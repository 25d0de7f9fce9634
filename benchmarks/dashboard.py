"""The dashboard of deploy/grafana over a recorded run: a real Prometheus answers each panel's query, and we draw it.

Needs Debian's package prometheus: `python -m benchmarks.dashboard docs/dashboard.png`, about two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import socket
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from benchmarks.alone import say
from benchmarks.sizes import ROOT
from benchmarks.stores import end_server, start_server
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster

DASHBOARD: Final = ROOT / "deploy" / "grafana" / "matcher.json"
SCRAPE_SECONDS: Final = 1
WINDOW: Final = "10s"
"""In place of Grafana's $__rate_interval, which is four scrapes at least."""
START_SECONDS: Final = 60.0
CUSTOMERS: Final = 14
"""Who call again and again; the agents can serve ten at once, so now and then some wait."""
WORDS: Final = ("bees", "sailing", "old clocks", "sourdough bread", "chess", "mountain huts")


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel with its queries, each with the pattern of its legend."""

    title: str
    kind: str
    unit: str
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What Prometheus answered for one series: the seconds of a run, and the values."""

    name: str
    seconds: list[float]
    values: list[float]


def panels(site: str = ".*", window: str = WINDOW) -> Iterator[Panel]:
    """Yield the panels of the dashboard; its variables are replaced."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        if panel["type"] != "row":
            queries = tuple(
                (target["expr"].replace("$__rate_interval", window).replace("$site", site), target["legendFormat"])
                for target in panel["targets"]
            )
            yield Panel(panel["title"], panel["type"], panel["fieldConfig"]["defaults"]["unit"], queries)


class Prometheus:
    """A Prometheus that reads the metrics of some addresses."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def lines(self, panel: Panel, start: float, end: float) -> list[Line]:
        """Return what the queries of a panel answer between two times (seconds since 1970)."""
        lines = []
        for query, legend in panel.queries:
            asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": SCRAPE_SECONDS})
            answer = await asyncio.to_thread(self._get, f"/api/v1/query_range?{asked}")
            for series in answer["data"]["result"]:
                told = [(float(at) - start, float(value)) for at, value in series["values"] if value != "NaN"]
                name = legend
                for label, value in series["metric"].items():
                    name = name.replace(f"{{{{{label}}}}}", value)
                if told:
                    name = re.sub(r"\{\{\w+\}\}", "", name).strip() or "none"
                    lines.append(Line(name, [at for at, _ in told], [value for _, value in told]))
        return lines

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError):
                    await asyncio.to_thread(self._get, "/api/v1/query?query=up")
                    return
                await asyncio.sleep(0.1)

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=START_SECONDS) as answer:
            return json.loads(answer.read())


@asynccontextmanager
async def prometheus(folder: Path, targets: list[str]) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that reads these addresses every second, with the alerts of deploy/."""
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("prometheus is missing: it is in Debian's package of that name")
    config = folder / "prometheus.yaml"
    scraped = {"job_name": "matcher", "scrape_interval": f"{SCRAPE_SECONDS}s", "static_configs": [{"targets": targets}]}
    rules = [str(ROOT / "deploy" / "prometheus" / "alerts.yaml")]
    config.write_text(json.dumps({"rule_files": rules, "scrape_configs": [scraped]}))  # JSON is YAML, too
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        *(program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"),
        f"--web.listen-address={address}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        reader = Prometheus(address)
        await reader.ready()
        yield reader
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def day(target: str, seconds: float) -> None:
    """Play a short day: customers who are served, wait, get no answer, or find nobody; an agent who goes away."""
    async with MatcherClient(target) as client:
        await client.create_pool("night", roster.Pool(offer_duration=Duration(seconds=2), max_missed=3))
        capacity = roster.Capacity(total=2, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
        for number, word in enumerate(WORDS):
            agent = roster.Agent(
                interests=[f"I like {word}."],
                capacity=capacity,
                status=roster.ONLINE,
                pools=[client.name("pools", "night" if number == 0 else "default")],
            )
            await client.create_agent(f"a{number}", agent)
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(_customers(client, number, until) for number in range(CUSTOMERS)),
            _night(client, until),
            _nobody(client, until),
        )


async def _customers(client: MatcherClient, number: int, until: float) -> None:
    """Route, accept and complete, one conversation after another; where nobody is free, wait."""
    text, turn = f"My {WORDS[1 + number % (len(WORDS) - 1)]} went wrong.", 0
    while time.monotonic() < until:
        contact, turn = f"c{number}-{turn}", turn + 1
        await client.route(text, contact_id=contact, auto_accept=True, wait=True)
        await asyncio.sleep(0.3)
        while not (held := (await client.contact(contact)).reservation):
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.2)
        with suppress(MatcherCallError):
            await client.accept(held)
        await client.complete(held)
        await asyncio.sleep(0.05 * (number % 7))


async def _night(client: MatcherClient, until: float) -> None:
    """Let contacts wait for one agent who never answers: the offers lapse, until the service sets the agent AWAY."""
    while time.monotonic() < until:
        await client.route("Is anybody there?", pool="night", wait=True)
        await asyncio.sleep(1.5)


async def _nobody(client: MatcherClient, until: float) -> None:
    """Ask for a skill that nobody has, and for an agent who is not there."""
    while time.monotonic() < until:
        await client.route("Who can weld?", required_skills={"welding": 1})
        with suppress(MatcherCallError):
            await client.agent("nobody")
        await asyncio.sleep(1)


async def record(seconds: float, settings: dict[str, str]) -> tuple[float, dict[str, list[Line]], list[str]]:
    """Record a run; return its seconds, the lines of each panel, and the alerts that fire at its end."""
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            metrics = f"127.0.0.1:{free.getsockname()[1]}"
        process, target = await start_server(folder, folder / "log", {**settings, "MATCHER_METRICS_LISTEN": metrics})
        try:
            async with prometheus(folder, [metrics]) as reader:
                begun = time.time()
                await day(target, seconds)
                await asyncio.sleep(2 * SCRAPE_SECONDS)
                ended = time.time()
                answered = {panel.title: await reader.lines(panel, begun, ended) for panel in panels()}
                alerts = Panel("", "", "", (('ALERTS{alertstate="firing"}', "{{alertname}}"),))
                firing = await reader.lines(alerts, ended, ended)
        finally:
            await end_server(process)
    return ended - begun, answered, [line.name for line in firing]


def draw(answered: dict[str, list[Line]], seconds: float, path: Path) -> None:
    """Draw the panels as Grafana would, three in a row."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = list(panels())
    rows = -(-len(shown) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(18, 3.1 * rows), layout="constrained")
    for panel, axis in zip(shown, axes.flat, strict=False):
        axis.set_title(f"{panel.title} ({panel.unit})", fontsize=11, loc="left")
        for line in answered[panel.title]:
            axis.plot(line.seconds, line.values, label=line.name, linewidth=1.4)
        axis.set_xlim(0, seconds)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        if answered[panel.title]:
            axis.legend(fontsize=7, loc="upper left", ncols=2)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    figure.supxlabel("seconds")
    figure.savefig(path, dpi=70)


def main() -> None:
    """Record a run, draw the dashboard, and fail where a panel has no answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=90)
    options = parser.parse_args()
    cache = os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models"))
    seconds, answered, firing = asyncio.run(record(options.seconds, {"MATCHER_MODEL_CACHE": cache}))
    draw(answered, seconds, options.picture)
    say(f"alerts that fire: {', '.join(firing) or 'none'}")
    silent = [title for title, lines in answered.items() if not lines]
    if silent:
        raise SystemExit(f"no answer for: {', '.join(silent)}")


if __name__ == "__main__":
    main()
