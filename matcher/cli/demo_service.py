"""The service as a process of its own on a temporary store, for as long as a demo takes."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from matcher.cli.session import CommandError
from matcher.config import PREFIX, load
from matcher.errors import SettingsWrong

KEPT = ("MODEL", "ENCODER_", "LOG_LEVEL", "AFFINITY_TOLERANCE", "TEXT_CACHE_SIZE")
"""Settings of the caller's environment that a demo takes over; where it listens and stores is its own."""

SERVING = "serving on "
START_SECONDS = 900.0
"""The first start makes the compiled model, which can take minutes on a slow machine."""
STOP_SECONDS = 30.0
LINES_SHOWN = 12


@asynccontextmanager
async def running_service() -> AsyncIterator[str]:
    """Start the service and yield its address once it serves; stop it and remove its data at the end."""
    with tempfile.TemporaryDirectory(prefix="matcher-demo-") as folder:
        log = Path(folder) / "service.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "matcher.cli", "serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=_environment(Path(folder) / "data"),
                # A Ctrl-C on the terminal is for the demo, which then stops the service.
                start_new_session=True,
            )
        try:
            yield await _address(process, log)
        finally:
            await _stop(process)


def _environment(data_dir: Path) -> dict[str, str]:
    try:
        models = load().models_dir
    except SettingsWrong as error:
        raise CommandError(str(error)) from None
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
    }


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                if line.decode(errors="replace").startswith(SERVING):
                    return line.decode().removeprefix(SERVING).strip()
    except TimeoutError:
        raise CommandError(f"the service did not serve within {START_SECONDS:g} s") from None
    raise CommandError(f"the service ended before it served: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES_SHOWN:]
    return " | ".join(lines) or "it said nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        # What it still prints is read, so that it never waits for us.
        async with asyncio.timeout(STOP_SECONDS):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
