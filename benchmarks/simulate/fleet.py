"""The processes of a day: a store and servers, which can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.sizes import ROOT
from matcher.store.embedded.process import find_binary

START_SECONDS: Final = 300.0
"""The first start compiles the model."""
STOP_SECONDS: Final = 30.0
SERVING: Final = b"serving on "


@dataclass
class StoreProcess:
    """A Valkey that writes every change to disk before it answers."""

    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The store's address for MATCHER_STORE_URL."""
        return f"unix://{self.folder / 's'}"

    async def start(self) -> None:
        """Start the store on its existing data, and wait until it answers."""
        options = {
            "port": "0", "unixsocket": str(self.folder / "s"), "dir": str(self.folder), "appendonly": "yes",
            "appendfsync": "always", "save": "",
        }  # fmt: skip
        self.process = await asyncio.create_subprocess_exec(
            str(find_binary(None, str(self.folder))),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        async with asyncio.timeout(START_SECONDS), Redis(unix_socket_path=str(self.folder / "s")) as redis:
            while True:
                try:
                    await redis.ping()
                except (RedisError, OSError):
                    # The process has not started yet, or is still loading its data.
                    await asyncio.sleep(0.05)
                else:
                    return

    async def kill(self) -> None:
        """Kill the process as a crash would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Replica:
    """A server of the service, whose address stays the same after a restart."""

    command: Sequence[str]
    settings: Mapping[str, str]
    log: Path
    target: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the server and wait until it serves; raise RuntimeError where it does not."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
        with self.log.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**inherited, **self.settings, "MATCHER_LISTEN": self.target or "127.0.0.1:0"},
                start_new_session=True,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            async for line in self.process.stdout:
                if line.startswith(SERVING):
                    self.target = line.removeprefix(SERVING).decode().strip()
                    return
        await self.process.communicate()
        raise RuntimeError(f"a server did not start: {self.log.read_text('utf-8', errors='replace')[-2000:]}")

    async def kill(self) -> None:
        """Kill the server as a crash would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()

    async def stop(self) -> None:
        """Stop the server gracefully."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.communicate()
        except TimeoutError:
            await self.kill()


class Fleet:
    """A store and its replicas; `async with` starts and ends them."""

    def __init__(self, folder: Path, replicas: int, bug: str = "") -> None:
        """Set up the processes with a folder for their data; bug: the bug that is planted in every replica."""
        self.store = StoreProcess(folder)
        launcher = ["-m", "benchmarks.simulate.planted", bug] if bug else ["server.py"]
        self.replicas = [
            Replica(
                (sys.executable, *launcher),
                {
                    "MATCHER_DATA_DIR": str(folder / f"replica-{number}"),
                    "MATCHER_METRICS_LISTEN": "",
                    "MATCHER_MODEL_CACHE": os.environ.get("MATCHER_MODEL_CACHE", str(ROOT / "build" / "models")),
                    "MATCHER_LOG_FORMAT": "json",
                    "MATCHER_STORE_URL": self.store.url,
                    "MATCHER_SEAL_KEYS_FILE": str(folder / "keyring"),
                    "MATCHER_ENCODER_THREADS": "1",
                },
                folder / f"replica-{number}.log",
            )
            for number in range(replicas)
        ]

    @property
    def targets(self) -> list[str]:
        """The addresses of the replicas."""
        return [replica.target for replica in self.replicas]

    async def __aenter__(self) -> Fleet:
        try:
            await self.store.start()
            # Started before the others, because the first replica may have to compile the model.
            await self.replicas[0].start()
            await asyncio.gather(*(replica.start() for replica in self.replicas[1:]))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        await self._end()

    async def _end(self) -> None:
        await asyncio.gather(*(replica.kill() for replica in self.replicas))
        await self.store.kill()

    def faults(self) -> list[str]:
        """Return the log lines that report a fault of the service itself."""
        marks = ("INTERNAL_FAULT", "Traceback (most recent call last)", '"traceback"', "never awaited")
        return [
            line
            for replica in self.replicas
            for line in replica.log.read_text("utf-8", errors="replace").splitlines()
            if any(mark in line for mark in marks)
        ]
