"""The page Live and its stream of changes."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.responses import HTMLResponse, Response, StreamingResponse

from matcher.v1.roster_pb2 import ListAgentsRequest
from matcher.web.console.advice import refusal_of
from matcher.web.console.page import Get, Page
from matcher.web.console.pages.live.board import STATES, WORDS, Shown, board_of
from matcher.web.console.pages.live.drawing import Drawn, told
from matcher.web.console.pages.live.follower import DENIALS
from matcher.web.console.pages.live.viewing import Viewing, viewing_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

AT_ONCE_SECONDS: Final = 0.2
"""How long a page waits for the first reading of a site; after it the head of the page is sent, and painted."""
ASK_SECONDS: Final = 1.0
"""How long the service has to say that there is no such site, or no right to see it, before the head is sent."""
ANSWER_SECONDS: Final = 5.0
"""How long the rest of the page waits until the service has given the first agents, or refused them."""
FIRST_SECONDS: Final = 0.5
"""How long the rest waits then for the whole first reading of a site; a larger roster comes by the stream."""
REST: Final = '<main id="main"'
"""Where the rest of a page begins."""
PACE_SECONDS: Final = 1.0
"""The least time between two changes of a page: what happens in between comes together."""
LARGE: Final = 3_000
LARGE_PACE_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 10.0
AS_IT_COMES: Final = {"x-accel-buffering": "no"}
"""By this header nginx passes on what it gets, at once."""


async def show(visitor: Visitor) -> Response:
    """Show the floor as it is now. Raises the Fault by which the service refuses it."""
    viewing = viewing_of(visitor)
    follower = viewing.follower
    if not await _comes(follower.ready, AT_ONCE_SECONDS) and not follower.answered.is_set():
        await _permitted(visitor)
        return StreamingResponse(_arriving(visitor, viewing), media_type="text/html", headers=AS_IT_COMES)
    if follower.denied is not None:
        raise follower.denied
    return HTMLResponse(_page(visitor, viewing))


async def _arriving(visitor: Visitor, viewing: Viewing) -> AsyncIterator[str]:
    """Yield the head of the page, and the rest once the service has answered: the browser paints the head meanwhile."""
    follower = viewing.follower
    head, _, _ = _page(visitor, viewing).partition(REST)
    yield head
    if await _comes(follower.answered, ANSWER_SECONDS):
        await _comes(follower.ready, FIRST_SECONDS)
    if follower.denied is None:
        page = _page(visitor, viewing)
    else:
        page = visitor.text("refusal.html", {"refusal": refusal_of(follower.denied)})
    _, begin, rest = page.partition(REST)
    yield begin + rest


async def _permitted(visitor: Visitor) -> None:
    """Ask whether the visitor may see the agents, which the code of the answer says. Raises Fault where not."""
    request = ListAgentsRequest(parent=visitor.site_name, page_size=1)
    try:
        await visitor.ask(visitor.stubs.roster.ListAgents, request, ASK_SECONDS)
    except Fault as fault:
        if fault.http in DENIALS:
            raise
        # The service is away or slow: the page says so, and goes on by itself.


async def _comes(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _page(visitor: Visitor, viewing: Viewing) -> str:
    follower = viewing.follower
    shown = _shown(visitor)
    board = board_of(follower.floor, shown, follower.lines)
    drawn = viewing.pencil.draw(board)
    token = secrets.token_urlsafe(9)
    viewing.remember(token, drawn)
    values = {
        "drawn": drawn,
        "told": functools.partial(told, now=time.time()),
        "board": board,
        "shown": shown,
        "token": token,
        "reading": not follower.floor.agents_at and follower.refusal is None,
        "refusal": follower.refusal,
        "states": STATES,
        "words": WORDS,
        "query": visitor.request.url.query,
    }
    return visitor.text("live.html", values)


async def stream(visitor: Visitor) -> Response:
    """Send what changes, as pieces that take the place of those that the page has."""
    viewing = viewing_of(visitor)
    before = viewing.recall(visitor.request.query_params.get("token", ""))
    return StreamingResponse(
        _changes(visitor, viewing, before),
        media_type="text/event-stream",
        headers=AS_IT_COMES,
    )


async def _changes(visitor: Visitor, viewing: Viewing, before: Drawn | None) -> AsyncIterator[str]:
    shown = _shown(visitor)
    follower = viewing.follower
    link, version = "", -1
    yield "retry: 1000\n\n"
    while visitor.is_here():
        if await follower.changed(version, QUIET_SECONDS):
            version = follower.version
            pieces = []
            if follower.floor.agents_at:
                drawn = viewing.pencil.draw(board_of(follower.floor, shown, follower.lines))
                pieces = list(viewing.pencil.changes(before, drawn))
                before = drawn
            state = visitor.text("live_link.html", {"refusal": follower.refusal, "reading": False})
            if state != link:
                link = state
                pieces.append(state)
            if pieces:
                yield _event(told("".join(pieces), time.time()))
        else:
            yield "event: beat\ndata:\n\n"
        await asyncio.sleep(LARGE_PACE_SECONDS if len(follower.floor.agents) > LARGE else PACE_SECONDS)
    yield _event(visitor.text("live_link.html", {"refusal": None, "gone": True, "reading": False}))


def _shown(visitor: Visitor) -> Shown:
    asked = visitor.request.query_params
    return Shown(asked.get("pool", "")[:63], asked.get("only", "")[:80], asked.get("find", "")[:128].strip())


def _event(html: str) -> str:
    lines = "\n".join(f"data: {line}" for line in html.splitlines())
    return f"event: board\n{lines}\n\n"


PAGE = Page("live", "Live", needs=("RosterService/ListAgents",), routes=(Get("", show), Get("stream", stream)))
