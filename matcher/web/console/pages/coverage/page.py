"""The page Coverage: what the customers of a pool bring up, what nobody shares, and what rises."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from matcher.v1 import coverage_pb2 as pb
from matcher.web.console.page import Get, Page
from matcher.web.console.pages.coverage.words import coverage_words, drawn
from matcher.web.console.pools import pools_of
from matcher.web.console.visitor import Visitor

DAYS: Final = (7, 28, 90)
USUAL_DAYS: Final = 28
SECONDS: Final = 90.0
"""The first report of a process encodes the entries, which takes half a minute."""


async def show(visitor: Visitor) -> Response:
    """Show the report of a pool."""
    pools = await pools_of(visitor)
    asked = visitor.request.query_params
    pool = asked.get("pool") or ("default" if "default" in pools or not pools else pools[0])
    days = next((days for days in DAYS if asked.get("days") == str(days)), USUAL_DAYS)
    request = pb.GetCoverageRequest(parent=visitor.site_name, pool=f"{visitor.site_name}/pools/{pool}", days=days)
    report = await visitor.ask(visitor.stubs.feedback.GetCoverage, request, SECONDS)
    shown = coverage_words(report)
    return visitor.page(
        "coverage.html", pools=pools, pool=pool, days=days, choices=DAYS, shown=shown, bars=drawn(shown.entries)
    )


PAGE: Final = Page("coverage", "Coverage", ("FeedbackService/GetCoverage",), (Get("", show),))
