"""The page Live and its stream of changes."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.responses import Response, StreamingResponse

from matcher.web.console.page import Get, Page
from matcher.web.console.pages.live.board import STATES, WORDS, Shown, board_of
from matcher.web.console.pages.live.drawing import Drawn, told
from matcher.web.console.pages.live.viewing import Viewing, viewing_of
from matcher.web.console.visitor import Visitor

ANSWER_SECONDS: Final = 5.0
"""How long a page waits until the service has given the first agents, or refused them."""
FIRST_SECONDS: Final = 0.5
"""How long it waits then for the whole first reading of a site; a larger roster comes by the stream."""
PACE_SECONDS: Final = 1.0
"""The least time between two changes of a page: what happens in between comes together."""
LARGE: Final = 3_000
LARGE_PACE_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 10.0


async def show(visitor: Visitor) -> Response:
    """Show the floor as it is now. Raises the Fault by which the service refuses it."""
    viewing = viewing_of(visitor)
    follower = viewing.follower
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await follower.answered.wait()
        async with asyncio.timeout(FIRST_SECONDS):
            await follower.ready.wait()
    if follower.denied is not None:
        raise follower.denied
    shown = _shown(visitor)
    board = board_of(follower.floor, shown, follower.lines)
    drawn = viewing.pencil.draw(board)
    token = secrets.token_urlsafe(9)
    viewing.remember(token, drawn)
    return visitor.page(
        "live.html",
        drawn=drawn,
        told=functools.partial(told, now=time.time()),
        board=board,
        shown=shown,
        token=token,
        reading=not follower.floor.agents_at and follower.refusal is None,
        refusal=follower.refusal,
        states=STATES,
        words=WORDS,
        query=visitor.request.url.query,
    )


async def stream(visitor: Visitor) -> Response:
    """Send what changes, as pieces that take the place of those that the page has."""
    viewing = viewing_of(visitor)
    before = viewing.recall(visitor.request.query_params.get("token", ""))
    return StreamingResponse(
        _changes(visitor, viewing, before),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},  # nginx passes on what it gets, at once
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
