"""How quick the console is in Chromium: first paint beside a bare page's, its bytes, and whether Live stutters.

`python -m benchmarks.console --web ADDRESS --large SITE --busy SITE`: --large has 10,000 agents; --busy has 1,000, and
events while it is watched.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from statistics import median
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

ROUNDS: Final = 5
WATCH_SECONDS: Final = 15
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
BYTES: Final = (
    "performance.getEntries().filter(e => 'decodedBodySize' in e).reduce((sum, e) => sum + e.decodedBodySize, 0)"
)
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


async def paint(browser: Browser, web: str, path: str) -> tuple[float, int]:
    """Return the first paint of a page in milliseconds, the median of some rounds, and the bytes of all its parts."""
    times, size = [], 0
    for _ in range(ROUNDS):
        context = await browser.new_context(base_url=web)
        page = await context.new_page()
        await page.goto(path)
        await page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
        times.append(float(await page.evaluate(PAINT)))
        size = int(await page.evaluate(BYTES))
        await context.close()
    return median(times), size


async def watch(page: Page, path: str) -> dict[str, list[float]]:
    """Watch a page that moves by itself."""
    await page.goto(path)
    await page.wait_for_timeout(3_000)
    found: dict[str, list[float]] = await page.evaluate(WATCH, WATCH_SECONDS)
    return found


async def main(web: str, large: str, busy: str) -> None:
    """Print the figures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages = {"a bare page": "/console/nothing", "Live, 10,000 agents": f"/console/sites/{large}/live"}
        for name, path in pages.items():
            milliseconds, size = await paint(browser, web, path)
            print(f"{name}: first paint {milliseconds:.0f} ms, {size / 1000:.0f} kB with style and scripts")
        page = await browser.new_page(base_url=web, viewport={"width": 1280, "height": 900})
        seen = await watch(page, f"/console/sites/{busy}/live")
        gaps, tasks = seen["gaps"], seen["tasks"]
        print(
            f"Live, 1,000 agents: {len(gaps)} frames in {WATCH_SECONDS} s, {seen['changes']} changes; the longest gaps "
            f"{', '.join(f'{gap:.0f}' for gap in gaps[:3])} ms; {len(tasks)} tasks over 50 ms, the longest "
            f"{max(tasks, default=0):.0f} ms"
        )
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--web", default="http://127.0.0.1:8080")
    parser.add_argument("--large", required=True)
    parser.add_argument("--busy", required=True)
    given = parser.parse_args()
    asyncio.run(main(given.web, given.large, given.busy))
