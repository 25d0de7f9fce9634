"""Supervisor of several worker processes on one port: each is a whole service; the parent restarts them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from matcher.config import PREFIX, Settings, explain
from matcher.encoder.settings import usable_cores
from matcher.errors import SettingsWrong

log = structlog.get_logger(__name__)

WORKER: Final = "import sys; from matcher.server.app import main; sys.exit(main())"
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
STEADY_SECONDS: Final = 30.0
"""A worker that ran for this time is replaced after the first pause again."""
KILL_AFTER_SECONDS: Final = 10.0
"""How long after its own `drain_seconds` a worker that does not end is killed."""


async def supervise(settings: Settings, stopping: asyncio.Event, on_address: Callable[[str], None]) -> None:
    """Run `settings.workers` processes until `stopping` is set, and replace a process that ends before that.

    Prints the address once all of them serve, after it has called on_address. Raises SettingsWrong if a worker cannot
    start the first time.
    """
    host, _, port = settings.listen.rpartition(":")
    with _reserved_port(host.strip("[]"), int(port)) as reserved:
        address = f"{host}:{reserved.getsockname()[1]}"
        workers = [_Worker(number, address, settings, stopping) for number in range(1, settings.workers + 1)]
        running = [asyncio.create_task(worker.keep_running()) for worker in workers]
        serving = asyncio.create_task(_all_serving(workers))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([*running, serving, stop], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                on_address(address)
                print(f"serving on {address}", flush=True)
            await asyncio.wait([*running, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.set()
            serving.cancel()
            stop.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def _all_serving(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        await worker.serving.wait()


def stop_with_parent(stopping: asyncio.Event) -> None:
    """Set `stopping` when the parent process has ended, also by a crash: that closes its end of the standard input."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stopping.set()

    loop.add_reader(sys.stdin.fileno(), read)


class _Worker:
    """One worker: its process, and the next process when that one ends."""

    def __init__(self, number: int, address: str, settings: Settings, stopping: asyncio.Event) -> None:
        self.serving = asyncio.Event()
        self._number = number
        self._environment = {**os.environ, **_environment(settings, number, address)}
        self._stopping = stopping
        self._patience = settings.drain_seconds + KILL_AFTER_SECONDS

    async def keep_running(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            code = await self._run()
            if asyncio.get_running_loop().time() - began >= STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if self._stopping.is_set():
                return
            if not self.serving.is_set():
                raise SettingsWrong(f"worker {self._number} could not start (exit code {code}): see the line above")
            log.warning("a worker ended and is replaced", worker=self._number, exit_code=code)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _run(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        ended = asyncio.create_task(self._listen(process))
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._patience if self._stopping.is_set() else None):
                await ended
                return await process.wait()
        except TimeoutError:
            log.warning("a worker did not end and is killed", worker=self._number, seconds=self._patience)
            with suppress(ProcessLookupError):
                process.kill()
            return await process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Read the worker's output until it ends; its one line means that it serves."""
        while process.stdout is not None and (line := await process.stdout.readline()):
            if line.startswith(b"serving on"):
                log.info("worker serves", worker=self._number, process=process.pid)
                self.serving.set()


def _environment(settings: Settings, number: int, address: str) -> dict[str, str]:
    """Return the environment variables of the settings of one worker."""
    host, _, port = settings.metrics_listen.rpartition(":")
    own = {
        "listen": address,
        "workers": 1,
        "worker": f"{number}/{settings.workers}",
        "reuse_port": True,
        # Workers that each used every core would only wait for each other.
        "encoder_threads": settings.encoder_threads or max(1, usable_cores() // settings.workers),
        "metrics_listen": f"{host}:{int(port) + number - 1 if int(port) else 0}" if settings.metrics_listen else "",
    }
    variables = {}
    # What this process has read of files the workers read there, too.
    from_files = {row.name for row in explain() if row.source == "file"}
    for name in Settings.model_fields.keys() - from_files:
        value = own.get(name, getattr(settings, name))
        if value is None:
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        variables[PREFIX + name.upper()] = str(value.absolute() if isinstance(value, Path) else value)
    return variables


def _reserved_port(host: str, port: int) -> socket.socket:
    """Bind the port without listening on it, so that no other process gets it while the workers share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as fault:
        reserved.close()
        raise SettingsWrong(f"cannot listen on {host}:{port}: {fault.strerror}") from fault
    return reserved
