"""Stops at awkward moments: a signal during the start, and a worker that does not end."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from matcher.config import load
from matcher.server import supervisor
from tests.processes import ROOT, server_environment

DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('serving on somewhere', flush=True); time.sleep(600)"
)


async def test_a_signal_during_the_start_ends_the_process(tmp_path: Path) -> None:
    """The store does not answer yet, and the start waits for it: SIGTERM is heard, and the exit code is 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "server.py")),
        env=server_environment(tmp_path, {"MATCHER_STORE_URL": "unix:///no-such-store"}),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    while b'"event": "metrics"' not in (line := await process.stderr.readline()):
        assert line, "the process ended before it began to start"
    process.send_signal(signal.SIGTERM)
    rest = await process.stderr.read()
    assert (await process.wait(), b"stopped before it served" in rest) == (0, True)


async def test_a_worker_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers ignore SIGTERM: the supervisor kills them after its patience, and ends."""
    monkeypatch.setattr(supervisor, "WORKER", DEAF)
    monkeypatch.setattr(supervisor, "KILL_AFTER_SECONDS", 0.1)
    stopping = asyncio.Event()
    settings = load({}, listen="127.0.0.1:0", metrics_listen="", workers=2, drain_seconds=0.0)
    running = asyncio.create_task(supervisor.supervise(settings, stopping, lambda _: None))
    while "serving on" not in capsys.readouterr().out:  # noqa: ASYNC110 - the supervisor prints when all serve
        await asyncio.sleep(0.01)
    stopping.set()
    async with asyncio.timeout(60):
        await running
