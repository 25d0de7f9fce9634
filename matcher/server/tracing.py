"""Traces of the process: begun as the settings say, and sent before it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from matcher.config import Settings
from matcher.errors import SettingsWrong
from matcher.telemetry.tracing import Tracer, TracingUnusable, open_tracer, use_tracer

log = structlog.get_logger(__name__)

SEND_SECONDS: Final = 3.0
"""How long the end of the process waits until the last spans are sent."""


@asynccontextmanager
async def tracing(settings: Settings) -> AsyncIterator[None]:
    """Make the spans of this process during the block. Raises SettingsWrong where OpenTelemetry is not installed."""
    try:
        tracer = open_tracer(settings.tracing)
    except TracingUnusable as fault:
        raise SettingsWrong(f"MATCHER_TRACING: {settings.tracing} cannot be used: {fault}") from None
    before = use_tracer(tracer)
    try:
        yield
    finally:
        use_tracer(before)
        if tracer is not None:
            await _close(tracer)


async def _close(tracer: Tracer) -> None:
    """Send the last spans, for a while: where nobody takes them, a thread tries on that does not keep the process."""
    loop, sent = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        tracer.close()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(sent.set)

    threading.Thread(target=close, name="last-spans", daemon=True).start()
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await sent.wait()
    except TimeoutError:
        log.warning("the last spans were not sent", seconds=SEND_SECONDS)
