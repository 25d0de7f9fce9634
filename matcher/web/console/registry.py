"""The registry of the console's pages, in the order of the navigation: the first is where a visitor arrives."""

from __future__ import annotations

from typing import Final

from matcher.web.console.page import Page
from matcher.web.console.pages import coverage, impact, interest_map, live, people, system

PAGES: Final[tuple[Page, ...]] = (
    live.PAGE,
    people.PAGE,
    interest_map.PAGE,
    coverage.PAGE,
    impact.PAGE,
    system.PAGE,
)
