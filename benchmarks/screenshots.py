"""Pictures of every page of the console at three widths, for docs/console: `python -m benchmarks.screenshots`.

--web is a `matcher web` before a service with people in it, such as `make serve` after `matcher agents import`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Browser, async_playwright

from matcher.web.console.registry import PAGES

WIDTHS: Final = (360, 1280, 2560)
HEIGHTS: Final = {360: 760, 1280: 860, 2560: 1440}
SETTLED: Final = 1_500.0
"""Milliseconds after which a page has what its stream brings."""
COLOURS: Final = 64
"""A page has few colours: with these its picture is a third as large."""
FOLDER: Final = Path("docs/console")


async def take(browser: Browser, web: str, site: str, page: str, width: int, folder: Path) -> None:
    """Write the picture of a page in a window of a width."""
    # The wide window is drawn at half its size: the picture shows how a wall is used, and stays small.
    scale = 0.5 if width > 2_000 else 1.0
    context = await browser.new_context(
        base_url=web, viewport={"width": width, "height": HEIGHTS[width]}, device_scale_factor=scale
    )
    window = await context.new_page()
    await window.goto(f"/console/sites/{site}/{page}")
    await window.wait_for_timeout(SETTLED)
    picture = Image.open(BytesIO(await window.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(folder / f"{page}-{width}.png", optimize=True)
    await context.close()


async def main(web: str, site: str, folder: Path, only: list[str]) -> None:
    """Write the pictures of the pages."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for page in PAGES:
            if only and page.path not in only:
                continue
            for width in WIDTHS:
                await take(browser, web, site, page.path, width, folder)
                print(folder / f"{page.path}-{width}.png")
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--web", default="http://127.0.0.1:8080")
    parser.add_argument("--site", default="default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("pages", nargs="*", help="only these pages")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(given.web, given.site, given.folder, given.pages))
