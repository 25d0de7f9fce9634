"""A step that holds the event loop up is measured and named in the log."""

from __future__ import annotations

import asyncio
import time

from structlog.testing import capture_logs

from matcher.aio import cancel_and_wait
from matcher.server import loop_watchdog
from matcher.server.loop_watchdog import LoopWatchdog


def hold_the_loop_up(watchdog: LoopWatchdog) -> None:
    """Work on the loop, without a pause, until the watchdog has noticed."""
    ends = time.monotonic() + 30
    while not watchdog._held_up_by and time.monotonic() < ends:
        pass


async def test_a_step_that_holds_the_loop_up_is_named() -> None:
    """The log line names the function, and the lag is measured."""
    lags: list[float] = []
    measured = asyncio.Event()

    def on_lag(lag: float) -> None:
        lags.append(lag)
        if lag > loop_watchdog.HELD_UP_SECONDS:
            measured.set()

    watchdog = LoopWatchdog(on_lag)
    with capture_logs() as lines:
        task = asyncio.create_task(watchdog.run())
        await asyncio.sleep(0)
        hold_the_loop_up(watchdog)
        await measured.wait()
        await asyncio.sleep(0)
        await cancel_and_wait(task)
    held_up = [line for line in lines if line["event"] == "the event loop was held up"]
    assert "hold_the_loop_up" in " ".join(held_up[0]["at"])
    assert max(lags) > loop_watchdog.HELD_UP_SECONDS
