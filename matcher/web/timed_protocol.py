"""HTTP of a connection whose other end must keep moving: slow senders and stuck readers are cut off.

uvicorn itself only limits how long a connection may be silent between two requests.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""From a connection's beginning, or the first byte of a later request, to the end of the request's headers."""
WHOLE_SECONDS: Final = 30.0
"""From the end of the headers to the end of the body, also where the answer has been sent before it."""
IDLE_SECONDS: Final = 75
"""After this time without a request a connection is closed; a proxy in front keeps its own for a minute."""
STUCK_SECONDS: Final = 60.0
"""How long an answer may wait for a reader who takes nothing of it."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 by h11, with a limit on every wait for the other end."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    whole_seconds: ClassVar[float] = WHOLE_SECONDS
    stuck_seconds: ClassVar[float] = STUCK_SECONDS

    _request_due: asyncio.TimerHandle | None = None
    _reader_due: asyncio.TimerHandle | None = None
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Expect the first request."""
        super().connection_made(transport)
        self._expect_within(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect_nothing()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, and expect the rest of it."""
        if self._request_due is None:
            self._expect_within(self.head_seconds)
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            if not self._in_body:
                self._expect_within(self.whole_seconds)
            self._in_body = True
            return
        if state is not h11.IDLE:
            self._expect_nothing()
        elif self._in_body:  # the rest of a request that had its answer before its end
            self._expect_within(IDLE_SECONDS)
        self._in_body = False

    def pause_writing(self) -> None:
        """Wait for the reader, but not for ever."""
        super().pause_writing()
        self._reader_due = self.loop.call_later(self.stuck_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the reader has taken what there was."""
        super().resume_writing()
        if self._reader_due is not None:
            self._reader_due.cancel()
            self._reader_due = None

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._request_due = self.loop.call_later(seconds, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._request_due is not None:
            self._request_due.cancel()
            self._request_due = None
