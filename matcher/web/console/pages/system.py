"""The page System: how much of each quota is used."""

from __future__ import annotations

from starlette.responses import Response

from matcher.v1.roster_pb2 import GetUsageRequest
from matcher.web.console.page import Get, Page
from matcher.web.console.visitor import Visitor


async def show(visitor: Visitor) -> Response:
    """Show the page."""
    usage = await visitor.ask(visitor.stubs.roster.GetUsage, GetUsageRequest(name=visitor.site_name))
    return visitor.page("system.html", usage=usage.quotas)


PAGE = Page("system", "System", needs=("RosterService/GetUsage",), routes=(Get("", show),))
