"""The handlers of the map: the page, the picture alone, and the facts as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from matcher.v1.coverage_pb2 import CoverageEntry, GetCoverageRequest
from matcher.v1.roster_pb2 import GetInterestMapRequest, GetPoolRequest, InterestMap
from matcher.web.console.page import Get, Page
from matcher.web.console.pages.interest_map.picture import HEIGHT, WIDTH, Picture, picture
from matcher.web.console.pages.people.listing import pools_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

ROWS: Final = 300
"""Interests in the table of the page; the CSV has all that the service returns."""
COVERAGE_SECONDS: Final = 10.0
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


async def show(visitor: Visitor) -> Response:
    """Show the map."""
    pools = await pools_of(visitor)
    pool = visitor.request.query_params.get("pool", "") or ("default" if "default" in pools or not pools else pools[0])
    drawn, entries, listening = await _read(visitor, pool)
    return visitor.page(
        "map.html",
        pool=pool,
        pools=pools if pool in pools else (pool, *pools),
        picture=picture(drawn, entries),
        drawn=drawn,
        listening=listening,
        rows=ROWS,
        width=WIDTH,
        height=HEIGHT,
    )


async def show_picture(visitor: Visitor) -> Response:
    """Give the picture alone, as SVG."""
    pool = visitor.request.query_params.get("pool", "") or "default"
    drawn, entries, _ = await _read(visitor, pool)
    values = {"picture": picture(drawn, entries), "width": WIDTH, "height": HEIGHT, "alone": True}
    return Response(visitor.text("map_picture.html", values), media_type="image/svg+xml")


async def show_csv(visitor: Visitor) -> Response:
    """Give the facts as CSV."""
    pool = visitor.request.query_params.get("pool", "") or "default"
    drawn, entries, _ = await _read(visitor, pool)
    headers = {"content-disposition": 'attachment; filename="interests.csv"'}
    return Response(csv_of(drawn, picture(drawn, entries)), headers=headers, media_type="text/csv; charset=utf-8")


def csv_of(drawn: InterestMap, seen: Picture) -> str:
    """Return the facts of the map as CSV: agents' interests, and what customers bring up."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(("kind", "what", "near", "x", "y", "agents", "who", "contacts"))
    for one, dot in zip(drawn.interests, seen.dots, strict=True):
        place = (f"{one.x:.3f}", f"{one.y:.3f}")
        writer.writerow(("interest", _cell(one.interest), dot.near, *place, one.agent_count, " ".join(dot.names), ""))
    for heat in seen.heat:
        kind = "gap" if heat.gap else "brought up"
        writer.writerow((kind, _cell(heat.name), _cell(heat.name), "", "", heat.sharing, "", heat.contacts))
    return out.getvalue()


async def _read(visitor: Visitor, pool: str) -> tuple[InterestMap, Sequence[CoverageEntry], bool]:
    """Return the map, what customers bring up, and whether the pool listens."""
    name = f"{visitor.site_name}/pools/{pool}"
    request = GetInterestMapRequest(parent=visitor.site_name, pool=name)
    drawn = await visitor.ask(visitor.stubs.roster.GetInterestMap, request)
    try:
        if not (await visitor.ask(visitor.stubs.roster.GetPool, GetPoolRequest(name=name))).listening:
            return drawn, (), False
        asked = GetCoverageRequest(parent=visitor.site_name, pool=name)
        return drawn, (await visitor.ask(visitor.stubs.feedback.GetCoverage, asked, COVERAGE_SECONDS)).entries, True
    except Fault:
        return drawn, (), False


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


PAGE: Final = Page(
    "map",
    "Map",
    needs=("RosterService/GetInterestMap",),
    routes=(Get("", show), Get("picture.svg", show_picture), Get("interests.csv", show_csv)),
)
