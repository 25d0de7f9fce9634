"""A generator of load: a process that sends requests and counts their outcomes.

The process reads its job from standard input, opens its channels, writes that it is ready, and reads the time of the
start. Then it writes a report of every second as a JSON line. It ends when standard input closes, because its parent
has then ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from typing import Final

import msgspec

from matcher.client import MatcherCallError
from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.open_loop import OpenLoop
from matcher.loadtest.plan import PlanWrong, Ramp, Target
from matcher.loadtest.routing_caller import RoutingCaller, open_client
from matcher.loadtest.tally import Report, Tally

REPORT_SECONDS: Final = 1.0
READY: Final = b"ready\n"


@dataclass(frozen=True, slots=True, repr=False)
class Job:
    """The work of one process; `ramp` is the process's share. The texts are never shown."""

    process: int
    target: Target
    site: str
    ramp: Ramp
    seed: tuple[int, int]
    texts: tuple[str, ...]
    channels: int
    most_in_flight: int
    hold_seconds: float
    deadline_seconds: float


def main() -> int:
    """Do the job from standard input; return 1, with a line on standard error, where the service cannot be reached."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    try:
        asyncio.run(_generate(job))
    except (MatcherCallError, PlanWrong) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except asyncio.CancelledError:
        return 1
    return 0


async def _generate(job: Job) -> None:
    due = arrivals(job.ramp, job.seed)
    tally = Tally()
    opened = open_client(job.target, job.site, channels=job.channels, deadline_seconds=job.deadline_seconds)
    async with opened as client:
        loop = OpenLoop(
            RoutingCaller(client, job.texts),
            due,
            tally,
            most_in_flight=job.most_in_flight,
            hold_seconds=job.hold_seconds,
        )
        _write(READY)
        start = float(sys.stdin.buffer.readline())
        _end_with_parent()
        reports = asyncio.create_task(_report(job.process, tally, loop, start))
        try:
            await loop.run(start)
        finally:
            reports.cancel()
            await asyncio.gather(reports, return_exceptions=True)


async def _report(process: int, tally: Tally, loop: OpenLoop, start: float) -> None:
    """Write a report of each second since `start`, and, when cancelled, of the rest."""
    clock = asyncio.get_running_loop()
    second, cpu, wall = 0, time.process_time(), start
    running = True
    while running:
        try:
            await asyncio.sleep(max(0.0, start + (second + 1) * REPORT_SECONDS - clock.time()))
        except asyncio.CancelledError:
            running = False
        cpu, cpu_before, wall, wall_before = time.process_time(), cpu, clock.time(), wall
        report = tally.report(process, second, loop.in_flight, cpu - cpu_before, max(wall - wall_before, 0.0))
        _write(msgspec.json.encode(report) + b"\n")
        second += 1


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    """Cancel this task as soon as the parent's end of standard input closes, for whatever reason."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    task = asyncio.current_task()
    assert task is not None

    def read() -> None:
        if not os.read(descriptor, 1024):
            loop.remove_reader(descriptor)
            task.cancel()

    loop.add_reader(descriptor, read)


__all__ = ["READY", "Job", "Report", "main"]

if __name__ == "__main__":
    sys.exit(main())
