"""The generator processes of a run: starts them at one moment, reads their reports, and always ends them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from matcher.loadtest.generator import READY, Job
from matcher.loadtest.plan import MOST_IN_FLIGHT, Plan, Target
from matcher.loadtest.tally import Report

LONGEST_LINE: Final = 64 * 1024 * 1024
READY_SECONDS: Final = 120.0
LEAD_SECONDS: Final = 0.5
"""Seconds from the message that starts the generators to the first request, so that all of them get it in time."""

Process = asyncio.subprocess.Process


class GeneratorFailed(Exception):
    """A generator ended before its work was done; the message is its last line of output."""


def jobs(plan: Plan, target: Target, site: str, texts: Sequence[str]) -> list[Job]:
    """Divide a plan among its processes: rates, channels, texts and the limit of calls in flight."""
    count = plan.processes
    return [
        Job(
            process=number,
            target=target,
            site=site,
            ramp=plan.ramp.share(count),
            seed=(plan.seed, number),
            texts=tuple(texts[number::count]) or tuple(texts),
            channels=plan.channels_each,
            most_in_flight=max(1, MOST_IN_FLIGHT // count),
            hold_seconds=plan.hold_seconds,
            deadline_seconds=plan.deadline_seconds,
        )
        for number in range(count)
    ]


async def generate(work: Sequence[Job], on_report: Callable[[Report], None]) -> None:
    """Run one process for each job and call `on_report` with each report; raise GeneratorFailed if a process fails."""
    async with _started(work) as processes:
        async with asyncio.timeout(READY_SECONDS):
            await asyncio.gather(*(_is_ready(process) for process in processes))
        # All processes of a machine share its monotonic clock, which is also asyncio's.
        start = f"{time.monotonic() + LEAD_SECONDS!r}\n".encode()
        for process in processes:
            _stdin(process).write(start)
        await asyncio.gather(*(_listen(process, on_report) for process in processes))


@asynccontextmanager
async def _started(work: Sequence[Job]) -> AsyncIterator[list[Process]]:
    processes: list[Process] = []
    try:
        for job in work:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "matcher.loadtest.generator"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                # Ctrl-C on the terminal must reach only the parent, which then ends its generators.
                start_new_session=True,
            )
            processes.append(process)
            _stdin(process).write(msgspec.json.encode(job) + b"\n")
        await asyncio.gather(*(_stdin(process).drain() for process in processes))
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.wait() for process in processes))


async def _is_ready(process: Process) -> None:
    assert process.stdout is not None
    if await process.stdout.readline() != READY:
        raise await _failure(process)


async def _listen(process: Process, on_report: Callable[[Report], None]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        on_report(msgspec.json.decode(line, type=Report))
    if await process.wait():
        raise await _failure(process)


async def _failure(process: Process) -> GeneratorFailed:
    assert process.stderr is not None
    output = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    return GeneratorFailed(f"a generator ended early: {output[-1] if output else 'without any output'}")


def _stdin(process: Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin
