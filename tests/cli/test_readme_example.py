"""README's commands and its program leave the service as they found it: a second reader gets the same answers."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path
from typing import Final

from tests.cli.command import Result, matcher
from tests.conftest import StartServer
from tests.processes import ROOT, Server

README: Final = (ROOT / "README.md").read_text("utf-8")
COMMANDS: Final = [
    shlex.split(line, comments=True)[2:]
    for line in README.partition("## Who needs what")[0].splitlines()
    if line.startswith("$ matcher ")
]
PROGRAM: Final = README.partition("```python\n")[2].partition("```")[0]


async def read_and_type(server: Server) -> list[Result]:
    """Type the README's commands one after another, with the reservation that was printed."""
    results: list[Result] = []
    for words in COMMANDS:
        printed = re.search(r"^reservation +(\S+)", results[-1].out, re.MULTILINE) if results else None
        given = [printed[1] if printed and word == "RESERVATION" else word for word in words]
        results.append(await matcher(*given, "--server", server.target, folder=ROOT))
        assert results[-1].code == 0, results[-1].err
    return results


async def run_program(server: Server, folder: Path) -> str:
    """Run the README's program against a server; return what it printed, without the reservation's id."""
    file = folder / "example.py"
    file.write_text(PROGRAM.replace("localhost:50051", server.target), "utf-8")
    process = await asyncio.create_subprocess_exec(sys.executable, str(file), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return re.sub(r"sites/\S+", "", output.decode())


async def test_the_second_reader_of_the_readme_gets_the_same_answers(launch: StartServer, tmp_path: Path) -> None:
    """Jonas, who keeps bees, is named each time, and holds nothing at the end."""
    server = await launch({})
    first, second = [await read_and_type(server) for _ in range(2)]
    assert [words[0] for words in COMMANDS] == ["agents", "suggest", "route", "complete"]
    assert (first[0].out, second[0].out) == ("60 created\n", "60 unchanged\n")
    assert first[1].out == second[1].out
    for result in (first[2], second[2]):
        assert re.search(r"^agent +jonas-weidner$", result.out, re.MULTILINE)
    assert "COMPLETED" in first[3].out
    programs = {await run_program(server, tmp_path) for _ in range(2)}
    assert len(programs) == 1
    assert "'My bees have swarmed, and the veil you sent is torn.' met 'I keep four hives of bees" in programs.pop()
    async with server.client() as client:
        assert (await client.agent("jonas-weidner")).load == 0
