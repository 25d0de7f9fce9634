"""The registry of the console's pages, in the order of the navigation: the first is where a visitor arrives."""

from __future__ import annotations

from typing import Final

from matcher.web.console.page import Page
from matcher.web.console.pages import (
    coverage,
    desk,
    impact,
    interest_map,
    live,
    people,
    pools,
    praise,
    system,
    try_it,
    why,
)

PAGES: Final[tuple[Page, ...]] = (
    live.PAGE,
    try_it.PAGE,
    why.PAGE,
    people.PAGE,
    interest_map.PAGE,
    coverage.PAGE,
    impact.PAGE,
    praise.PAGE,
    pools.PAGE,
    desk.PAGE,
    system.PAGE,
)
