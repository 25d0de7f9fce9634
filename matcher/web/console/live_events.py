"""Server-sent events of a page: what moves by itself, made of streams of the service that are opened again for ever.

A browser's EventSource gives up for good on an answer other than 200, so a service that is away is waited for here.
Only a refusal, told before the first event, keeps its own code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.responses import Response, StreamingResponse

from matcher.web.faults import Fault

AGAIN_SECONDS: Final = 1.0
"""How long to wait before a stream that broke off is opened again."""
FIRST_SECONDS: Final = 1.0
"""How long the first event is awaited, so that a refusal keeps its HTTP code."""
QUIET_SECONDS: Final = 10.0
"""After this time without an event a page is told that the connection lives; it looks again after three of them."""
PASSING: Final = frozenset({429, 499, 500, 502, 503, 504})
"""HTTP codes of faults that pass by themselves."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a page; id: the place after which a browser that comes back goes on, "" where there is none."""

    name: str
    data: str
    id: str = ""

    def text(self) -> str:
        """Return the event as it is sent."""
        head = f"id: {self.id}\n" if self.id.isprintable() and self.id else ""
        lines = "".join(f"data: {line}\n" for line in self.data.splitlines() or [""])
        return f"{head}event: {self.name}\n{lines}\n"


AWAY: Final = Event("away", "The service is away.")
Source: TypeAlias = "Callable[[], AsyncGenerator[Event, None]]"


async def respond(sources: Sequence[Source], quiet: Callable[[], Event]) -> Response:
    """Send the events of some sources. quiet: makes the sign of life. Raises Fault where the first event does."""
    events = _merged([_lasting(source) for source in sources], quiet)
    first = asyncio.ensure_future(anext(events))
    await asyncio.wait({first}, timeout=FIRST_SECONDS)
    if first.done() and first.exception() is not None:
        await events.aclose()
        first.result()
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_texts(events, first), media_type="text/event-stream", headers=headers)


async def _texts(events: AsyncGenerator[Event, None], first: asyncio.Task[Event]) -> AsyncIterator[str]:
    try:
        yield "retry: 1000\n\n"
        yield (await first).text()
        async for event in events:
            yield event.text()
    except Fault:
        # Refused while it ran: the browser comes back, and is told why by the code of the answer.
        return
    finally:
        first.cancel()
        await asyncio.wait({first})
        await events.aclose()


async def _lasting(source: Source) -> AsyncGenerator[Event, None]:
    """Yield the events of a source for ever. Raises Fault where the service refuses it."""
    while True:
        try:
            async with aclosing(source()) as stream:
                async for event in stream:
                    yield event
        except Fault as fault:
            if fault.http not in PASSING:
                raise
            yield AWAY
        await asyncio.sleep(AGAIN_SECONDS)


async def _merged(
    streams: Sequence[AsyncGenerator[Event, None]], quiet: Callable[[], Event]
) -> AsyncGenerator[Event, None]:
    """Yield the events of several streams as they come, and a sign of life where none does."""
    reading = {asyncio.ensure_future(anext(stream)): stream for stream in streams}
    try:
        while True:
            done, _ = await asyncio.wait(reading, timeout=QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                yield quiet()
            for read in done:
                stream = reading.pop(read)
                event = read.result()
                reading[asyncio.ensure_future(anext(stream))] = stream
                yield event
    finally:
        for read in reading:
            read.cancel()
        if reading:
            await asyncio.wait(reading)
        for stream in streams:
            await stream.aclose()
