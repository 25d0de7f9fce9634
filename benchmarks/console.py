"""How quick the console is in Chromium: `python -m benchmarks.console` prints tables for docs/console.md.

Starts a service and `matcher web`, and makes three sites: the roster of the demo, 10,000 agents, and 1,000 agents who
are busy. Each page's first paint is the browser's own figure; in every round a bare text of the same process, without
style and scripts, is opened before the pages. Then Live is watched while the busy site has 50 events a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks.web_latency import AGENTS, gateway
from matcher.cli.demo_service import running_service
from matcher.cli.file_access import form_of
from matcher.client import MatcherClient
from matcher.files.roster_file import read_roster
from matcher.v1.roster_pb2 import ONLINE, Agent, Capacity, ChannelCapacity, ImportRow
from matcher.web.console.registry import PAGES

BARE: Final = "/console/static/LICENSE.htmx.txt"
DEMO, LARGE, BUSY = "demo", "large", "busy"
PLACES: Final = {DEMO: "the demo's 60 agents", LARGE: "10,000 agents"}
EVENTS_A_CONTACT: Final = 2
"""An agent is given the contact, and completes it."""
STARTED_SECONDS: Final = 5.0
"""Between the first event and the beginning of the watch."""
TOLD_SECONDS: Final = 60.0
"""How long the page may take to have told the last event."""
PAINTED: Final = "performance.getEntriesByName('first-contentful-paint').length"
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
BYTES: Final = (
    "performance.getEntries().filter(e => 'decodedBodySize' in e).reduce((sum, e) => sum + e.decodedBodySize, 0)"
)
HEARD: Final = re.compile(r"of ([\d,]+) events? since")
WATCH: Final = """seconds => new Promise(done => {
  let last = performance.now(), begun = last, gaps = [], tasks = [];
  const long = new PerformanceObserver(list => tasks.push(...list.getEntries().map(e => e.duration)));
  long.observe({entryTypes: ['longtask']});
  let changes = 0;
  document.addEventListener('htmx:sseMessage', () => changes++);
  const frame = now => {
    gaps.push(now - last); last = now;
    if (now - begun < seconds * 1000) requestAnimationFrame(frame);
    else done({gaps: gaps.slice(1).sort((a, b) => b - a), tasks: tasks.sort((a, b) => b - a), changes});
  };
  requestAnimationFrame(frame);
})"""
"""Frames that the browser drew, and its tasks of more than 50 ms."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that was opened: its first paint in milliseconds, and the bytes of all its parts."""

    paint: float
    size: int


async def open_page(browser: Browser, web: str, path: str) -> Opened:
    """Open a page in a browser that has kept nothing."""
    context = await browser.new_context(base_url=web)
    context.set_default_timeout(180_000)
    page = await context.new_page()
    await page.goto(path)
    await page.wait_for_function(f"() => {PAINTED}")
    opened = Opened(float(await page.evaluate(PAINT)), int(await page.evaluate(BYTES)))
    await context.close()
    return opened


async def paints(browser: Browser, web: str, rounds: int) -> None:
    """Print the first paint of every page of two rosters beside the bare page's."""
    bare: list[float] = []
    found: dict[tuple[str, str], list[Opened]] = {}
    for _ in range(rounds + 1):
        bare.append((await open_page(browser, web, BARE)).paint)
        for page in PAGES:
            for site in PLACES:
                opened = await open_page(browser, web, f"/console/sites/{site}/{page.path}")
                found.setdefault((page.path, site), []).append(opened)
    base = median(bare[1:])
    print(f"\nA bare page: first paint {base:.0f} ms ({min(bare[1:]):.0f} to {max(bare[1:]):.0f}; {rounds} rounds).\n")
    print(
        "| page | " + " | ".join(f"{place}: first visit | later | over bare | kB" for place in PLACES.values()) + " |"
    )
    print("|---" * (1 + 4 * len(PLACES)) + "|")
    for page in PAGES:
        cells = [page.title]
        for site in PLACES:
            first, *later = found[page.path, site]
            usual = median(one.paint for one in later)
            cells += [f"{first.paint:.0f}", f"{usual:.0f}", f"{usual - base:+.0f}", f"{later[-1].size / 1000:.0f}"]
        print(f"| {' | '.join(cells)} |")


async def watch(browser: Browser, web: str, target: str, rate: float, seconds: int) -> None:
    """Print how Live of the busy site does while contacts come and go."""
    page = await browser.new_page(base_url=web, viewport={"width": 1280, "height": 900})
    async with MatcherClient(target, site=BUSY) as client:
        await page.goto(f"/console/sites/{BUSY}/live")
        await page.wait_for_selector("li.t")
        await page.wait_for_timeout(1_000 * STARTED_SECONDS)
        told_before = await _heard(page)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        spent = -await _work(devtools)
        sent = asyncio.create_task(_events(client, rate, seconds + STARTED_SECONDS))
        await asyncio.sleep(STARTED_SECONDS)
        seen: dict[str, Any] = await page.evaluate(WATCH, seconds)
        spent += await _work(devtools)
        events = await sent
        told = 0
        for _ in range(int(TOLD_SECONDS)):
            if (told := await _heard(page) - told_before) >= events:
                break
            await asyncio.sleep(1)
    gaps, tasks = seen["gaps"], seen["tasks"]
    dropped = sum(max(0, round(gap / (1_000 / 60)) - 1) for gap in gaps)
    script, style, layout, all_tasks = spent / (seconds + STARTED_SECONDS) * 1_000
    paced = events / (seconds + STARTED_SECONDS)
    print(
        f"\nLive, 1,000 agents, {paced:.0f} events a second: {events} sent, {told} told, "
        f"in {seconds} s {seen['changes']} changes of the page, {len(gaps)} frames drawn and {dropped} of 60 a "
        f"second dropped, the longest gaps {', '.join(f'{gap:.0f}' for gap in gaps[:3])} ms; {len(tasks)} tasks over "
        f"50 ms, the longest {max(tasks, default=0):.0f} ms. The thread of the page worked {all_tasks:.0f} ms a "
        f"second by its own clock: {script:.0f} in scripts, {style:.0f} for styles, {layout:.0f} for the layout."
    )


async def _work(devtools: CDPSession) -> NDArray[np.float64]:
    """Return the processor time of a page's thread in seconds: scripts, styles, layout, all tasks."""
    found = {one["name"]: one["value"] for one in (await devtools.send("Performance.getMetrics"))["metrics"]}
    return np.array([found[f"{part}Duration"] for part in ("Script", "RecalcStyle", "Layout", "Task")])


async def _heard(page: Page) -> int:
    found = HEARD.search(await page.inner_text("#live-news"))
    return int(found[1].replace(",", "")) if found else 0


async def _events(client: MatcherClient, rate: float, seconds: float) -> int:
    """Route and complete contacts at a pace; return how many events that makes."""
    loop = asyncio.get_running_loop()
    begun, done = loop.time(), 0

    async def serve(number: int) -> None:
        nonlocal done
        reservation = (await client.route(f"My {number}th horse needs a saddle.", auto_accept=True)).reservation
        await asyncio.sleep(2)
        await client.complete(reservation.name)
        done += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds / EVENTS_A_CONTACT)):
            await asyncio.sleep(max(0.0, begun + number * EVENTS_A_CONTACT / rate - loop.time()))
            tasks.create_task(serve(number))
    return done * EVENTS_A_CONTACT


async def make_sites(target: str) -> None:
    """Make the sites."""
    one_chat = Capacity(total=1, channels=[ChannelCapacity(channel="chat", cost=1)])
    for site, number in ((DEMO, 0), (LARGE, 10_000), (BUSY, 1_000)):
        rows: Sequence[ImportRow] = [
            ImportRow(
                row=row + 1,
                agent_id=f"agent-{row:05}",
                agent=Agent(
                    display_name=f"Alexandra Montgomery {row:05}",
                    interests=[("horse riding", "sailing", "chess", "jazz")[row % 4], "gardening"],
                    capacity=one_chat,
                    status=ONLINE,
                ),
            )
            for row in range(number)
        ]
        if site == DEMO:
            rows = [one.row for one in read_roster(AGENTS.read_bytes(), form_of(str(AGENTS), None), site, ONLINE).good]
        async with MatcherClient(target) as client:
            await client.create_site(site)
        async with MatcherClient(target, site=site) as client:
            async for _ in client.import_agents(iter(rows)):
                pass


async def main(only: str, rounds: int, rate: float, seconds: int) -> None:
    """Print the figures."""
    async with (
        running_service(lambda _: None) as service,
        gateway(service.target) as (port, _),
        async_playwright() as playwright,
    ):
        await make_sites(service.target)
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        web = f"http://127.0.0.1:{port}"
        print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
        if only != "live":
            await paints(browser, web, rounds)
        if only != "paints":
            await watch(browser, web, service.target, rate, seconds)
        print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f}.")
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("paints", "live", ""), default="", help="one of both; default: both")
    parser.add_argument("--rounds", type=int, default=5, help="after a first visit of every page")
    parser.add_argument("--rate", type=float, default=50.0, help="events a second")
    parser.add_argument("--seconds", type=int, default=15, help="how long Live is watched")
    given = parser.parse_args()
    asyncio.run(main(given.only, given.rounds, given.rate, given.seconds))
