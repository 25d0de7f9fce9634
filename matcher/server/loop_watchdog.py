"""Watchdog of the event loop: measures how late the loop comes to a timer, and names what held it up."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

log = structlog.get_logger(__name__)

BEAT_SECONDS: Final = 0.05
"""How often the loop is to show that it runs: twenty timers a second cost about 0.1 % of a core."""
LOOK_SECONDS: Final = 0.1
HELD_UP_SECONDS: Final = 0.25
"""A loop that is silent for longer is held up by one step: the step is named in the log."""
MOST_FRAMES: Final = 12


class LoopWatchdog:
    """Measure the event loop's lag; a thread beside it takes the stack of a step that holds the loop up."""

    def __init__(self, on_lag: Callable[[float], None]) -> None:
        """on_lag: called with the seconds by which the loop was late, twenty times a second."""
        self._on_lag = on_lag
        self._stopped = threading.Event()
        self._beat = 0.0
        self._held_up_by: list[str] = []

    async def run(self) -> None:
        """Measure until the task is cancelled."""
        loop = asyncio.get_running_loop()
        self._stopped.clear()
        watcher = threading.Thread(
            target=self._watch, args=(loop.time, threading.get_ident()), name="loop-watchdog", daemon=True
        )
        self._beat = loop.time()
        watcher.start()
        try:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                now = loop.time()
                lag = max(0.0, now - self._beat - BEAT_SECONDS)
                self._beat = now
                self._on_lag(lag)
                if self._held_up_by:
                    log.warning("the event loop was held up", seconds=round(lag, 3), at=self._held_up_by)
                    self._held_up_by = []
        finally:
            self._stopped.set()

    def _watch(self, clock: Callable[[], float], loop_thread: int) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            if not self._held_up_by and clock() - self._beat > HELD_UP_SECONDS + BEAT_SECONDS:
                # Names of functions and lines only: no value, which could be a customer's words.
                self._held_up_by = _names(sys._current_frames().get(loop_thread))  # noqa: SLF001 - the documented way


def _names(frame: FrameType | None) -> list[str]:
    names: list[str] = []
    while frame is not None and len(names) < MOST_FRAMES:
        names.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return names
