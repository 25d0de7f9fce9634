"""What a person sees of a page of the console: judged by axe, in light and dark, and by what must never appear."""

from __future__ import annotations

from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

SERIOUS: Final = ("serious", "critical")
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


async def seen(page: Page) -> None:
    """Judge the page as it is now: axe finds nothing serious, light or dark; nothing is wider than the window."""
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        results = (await Axe().run(page)).response
        assert [_said(one, theme) for one in results["violations"] if one["impact"] in SERIOUS] == []
    await page.emulate_media(color_scheme="light")


async def fits(page: Page, width: int = 360) -> None:
    """Judge whether a page fits a window of a width: nobody scrolls sideways to read a sentence."""
    await page.set_viewport_size({"width": width, "height": 800})
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"the page is {wide} px wide in a window of {width}"


def _said(found: dict[str, Any], theme: str) -> str:
    nodes = "; ".join(node["html"][:160] for node in found["nodes"][:3])
    return f"{theme}: {found['id']}: {found['help']}: {nodes}"
