"""A service process with a temporary store, for the time of a demo or a load test."""

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

INHERITED = ("MODEL", "ENCODER_", "LOG_LEVEL", "AFFINITY_TOLERANCE", "TEXT_CACHE_SIZE")
"""Settings that the service inherits from the caller's environment; its address and its store are its own."""

SERVING = "serving on "
START_SECONDS = 900.0
"""The first start compiles the model, which can take minutes on a slow machine."""
STOP_SECONDS = 30.0
LINES_KEPT = 12
ENCODER_EVENT = "encoder"
METRICS_EVENT = "metrics"


@dataclass(frozen=True, slots=True)
class RunningService:
    """The addresses of a running service; `metrics` grows as each process logs the address of its /metrics."""

    target: str
    metrics: Sequence[str]


@asynccontextmanager
async def running_service(
    say: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> AsyncIterator[RunningService]:
    """Start the service, yield its addresses once it serves, and at the end stop it and remove its data.

    say: called with each step of the model's first compilation. settings: MATCHER_* variables that override the
    caller's environment. Raises CommandError where the service does not start.
    """
    with tempfile.TemporaryDirectory(prefix="matcher-demo-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "matcher.cli", "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(Path(folder) / "data") | dict(settings or {}),
            # Ctrl-C on the terminal must reach only the caller, which then stops the service.
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
        # SIGTERM cancels the caller's task, so that the `finally` below stops the service.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            yield RunningService(await _started(address, last), metrics)
        finally:
            await _stop(process)
            await asyncio.gather(*readers)


def _environment(data_dir: Path) -> dict[str, str]:
    # Imported here, because the settings and their libraries would slow down the start of every other command.
    from matcher.cli.service_settings import with_models_of_service
    from matcher.config import PREFIX

    try:
        models = with_models_of_service().models_dir
    except SettingsWrong as error:
        raise CommandError(error.message) from None
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX).startswith(INHERITED)
    }
    return inherited | {
        "MATCHER_DATA_DIR": str(data_dir),
        "MATCHER_MODEL_CACHE": str(models),
        "MATCHER_LISTEN": "127.0.0.1:0",
        "MATCHER_METRICS_LISTEN": "",
        "MATCHER_LOG_FORMAT": "json",
        # Announced where no tool looks: a tool means the service that was started to stay.
        "XDG_STATE_HOME": str(data_dir.with_name("state")),
    }


async def _read_output(output: asyncio.StreamReader, address: asyncio.Future[str]) -> None:
    """Read the output to its end, so that the pipe never blocks the service; set the address, "" if it never served."""
    async for line in output:
        text = line.decode(errors="replace")
        if text.startswith(SERVING) and not address.done():
            address.set_result(text.removeprefix(SERVING).strip())
    if not address.done():
        address.set_result("")


async def _read_log(
    log: asyncio.StreamReader, last: deque[str], metrics: list[str], say: Callable[[str], None]
) -> None:
    async for line in log:
        text = line.decode(errors="replace").strip()
        last.append(text)
        try:
            entry = json.loads(text)
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
        target = await asyncio.wait_for(address, START_SECONDS)
    except TimeoutError:
        raise CommandError(f"the service did not start within {START_SECONDS:g} s") from None
    if not target:
        raise CommandError(f"the service ended during its start: {' | '.join(last) or 'without any output'}")
    return target


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
