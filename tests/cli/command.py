"""Runs the command line as a process, the way a person does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOWHERE = "/nonexistent"
"""Where a command finds no running service, unless a test says otherwise."""
LONGEST = 300
"""Seconds after which a command has hung: the slowest takes 60 s on a busy machine."""


@dataclass(frozen=True, slots=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    def documents(self) -> list[Any]:
        """Return the JSON documents of stdout; fails where stdout holds anything else."""
        return [json.loads(line) for line in self.out.splitlines()]


async def matcher(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Result:
    """Run `matcher` to its end; fails where it prints a traceback, and with its threads' stacks where it hangs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=inherited
        | {"XDG_STATE_HOME": NOWHERE, "COLUMNS": "240", "PYTHONFAULTHANDLER": "1"}
        | dict(environment or {}),
    )
    ended = asyncio.ensure_future(process.communicate(stdin))
    if not (await asyncio.wait({ended}, timeout=LONGEST))[0]:
        process.send_signal(signal.SIGABRT)
    out, err = await ended
    assert process.returncode != -signal.SIGABRT, err.decode()
    result = Result(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in result.err
    return result


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `matcher` during the block, whose reader takes the lines of its output as they come."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited | {"COLUMNS": "240"},
    )
    try:
        async with asyncio.timeout(LONGEST):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def printed(stream: asyncio.StreamReader | None) -> str:
    """Return the next line of a running command."""
    assert stream is not None
    return (await stream.readline()).decode().rstrip("\n")


def lines(records: Sequence[Mapping[str, object]]) -> bytes:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


class Person:
    """A person at a terminal, with one site."""

    def __init__(self, target: str, site: str) -> None:
        self._options = ("--server", target, "--site", site)

    async def types(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Result:
        """Run a command against the site."""
        return await matcher(*arguments, *self._options, stdin=stdin, environment=environment)

    async def imports(self, *options: str, data: bytes) -> Result:
        """Import JSON lines with `--json`."""
        return await self.types("agents", "import", "-", "--json", *options, stdin=data)
