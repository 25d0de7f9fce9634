"""The end of streams: what ends server-sent events when the process is told to stop.

A stream has no end of its own, so the server would wait for it until its patience ends, and then break it off.
Here a stream ends as a whole answer does, without `event: end`: an EventSource comes back by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(slots=True)
class Streams:
    """The streams of this process."""

    stopped: bool = False
    _running: set[asyncio.Task[object]] = field(default_factory=set)
    _ended: set[asyncio.Task[object]] = field(default_factory=set)

    def begin(self, task: asyncio.Task[object]) -> None:
        """Take a request whose answer turned out to be a stream; end it at once where the process stops already."""
        self._running.add(task)
        if self.stopped:
            self._end(task)

    def stop(self) -> None:
        """End all streams, and each that begins later."""
        self.stopped = True
        for task in tuple(self._running):
            self._end(task)

    def was_ended(self, task: asyncio.Task[object]) -> bool:
        """Return whether a request was cancelled by `stop`, and by nobody else."""
        return task in self._ended and task.uncancel() == 0

    def forget(self, task: asyncio.Task[object]) -> None:
        """Forget a request that is over."""
        self._running.discard(task)
        self._ended.discard(task)

    def _end(self, task: asyncio.Task[object]) -> None:
        if task not in self._ended:
            self._ended.add(task)
            task.cancel()


@dataclass(frozen=True, slots=True)
class EndStreams:
    """Lets an application's streams end with the process: cancels what makes them, and completes their answers."""

    app: ASGIApp
    streams: Streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return

        async def passed(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start" and _is_stream(message):
                self.streams.begin(task)

        try:
            await self.app(scope, receive, passed)
        except asyncio.CancelledError:
            if not self.streams.was_ended(task):
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.streams.forget(task)


def _is_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )
