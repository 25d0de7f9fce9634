"""The service as a process of its own on a temporary store, for as long as a demo or a load test takes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from matcher.cli.session import CommandError
from matcher.errors import SettingsWrong

KEPT = ("MODEL", "ENCODER_", "LOG_LEVEL", "AFFINITY_TOLERANCE", "TEXT_CACHE_SIZE")
"""Settings of the caller's environment that a demo takes over; where it listens and stores is its own."""

SERVING = "serving on "
START_SECONDS = 900.0
"""The first start makes the compiled model, which can take minutes on a slow machine."""
STOP_SECONDS = 30.0
LINES_KEPT = 12
ENCODER_EVENT = "encoder"
METRICS_EVENT = "metrics"


@dataclass(frozen=True, slots=True)
class RunningService:
    """Where a service answers; `metrics` fills with the address of each process's /metrics as it is logged."""

    target: str
    metrics: Sequence[str]


@asynccontextmanager
async def running_service(
    say: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> AsyncIterator[RunningService]:
    """Start the service and yield where it is once it serves; stop it and remove its data at the end.

    `say` is told each step of the model's first compilation; `settings` are MATCHER_* variables that come before the
    caller's.
    """
    with tempfile.TemporaryDirectory(prefix="matcher-demo-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "matcher.cli", "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(Path(folder)) | dict(settings or {}),
            # A Ctrl-C on the terminal is for the caller, which then stops the service.
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        last: deque[str] = deque(maxlen=LINES_KEPT)
        metrics: list[str] = []
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        readers = (
            asyncio.create_task(_read_log(process.stderr, last, metrics, say)),
            asyncio.create_task(_read_output(process.stdout, address)),
        )
        # Told to end, the caller still ends the service: cancelled, it comes by the lines below.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            yield RunningService(await _started(address, last), metrics)
        finally:
            await _stop(process)
            await asyncio.gather(*readers)


def _environment(data_dir: Path) -> dict[str, str]:
    # Only `serve`, `config` and `demo` need the settings and what they bring with them.
    from matcher.config import PREFIX, load

    try:
        models = load().models_dir
    except SettingsWrong as error:
        raise CommandError(error.message) from None
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX).startswith(KEPT)
    }
    return kept | {
        "MATCHER_DATA_DIR": str(data_dir),
        "MATCHER_MODEL_CACHE": str(models),
        "MATCHER_LISTEN": "127.0.0.1:0",
        "MATCHER_METRICS_LISTEN": "",
        "MATCHER_LOG_FORMAT": "json",
    }


async def _read_output(output: asyncio.StreamReader, address: asyncio.Future[str]) -> None:
    """Read to the end, so that the service never waits for us; the address is "" where it did not serve."""
    async for line in output:
        said = line.decode(errors="replace")
        if said.startswith(SERVING) and not address.done():
            address.set_result(said.removeprefix(SERVING).strip())
    if not address.done():
        address.set_result("")


async def _read_log(
    log: asyncio.StreamReader, last: deque[str], metrics: list[str], say: Callable[[str], None]
) -> None:
    async for line in log:
        said = line.decode(errors="replace").strip()
        last.append(said)
        try:
            entry = json.loads(said)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        if entry.get("event") == ENCODER_EVENT:
            say(str(entry.get("step", "")))
        elif entry.get("event") == METRICS_EVENT:
            metrics.append(str(entry.get("address", "")))


async def _started(address: asyncio.Future[str], last: deque[str]) -> str:
    try:
        found = await asyncio.wait_for(address, START_SECONDS)
    except TimeoutError:
        raise CommandError(f"the service did not serve within {START_SECONDS:g} s") from None
    if not found:
        raise CommandError(f"the service ended before it served: {' | '.join(last) or 'it said nothing'}")
    return found


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
