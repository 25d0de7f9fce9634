"""Mixed versions: the version before and this one on one store, killed in turns while the shipped client calls both.

    python -m benchmarks.mixed --before COMMIT [--kills 20 --rate 10]

The version before runs from its own files, as `git archive` has them. The load and its laws are those of
`benchmarks.rolling`. At the end both servers must read the same of agents, pools and contacts, and neither may have
logged a record that it cannot read.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from benchmarks.chaos.arena import Arena
from benchmarks.chaos.processes import Replica
from benchmarks.rolling import conclude, measure
from benchmarks.sizes import ROOT
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster

BEFORE: Final = "eedfc58d"
"""The last commit before the newest change of records: sealed vectors, and the reason of a status."""
OUT: Final = ROOT / "build" / "mixed.json"
NOT_READ: Final = ("not readable", "cannot be read", "unreadable")


class MixedArena(Arena):
    """Two servers on one store: the first runs the version before, the second this one."""

    def __init__(self, folder: Path, before: Path) -> None:
        """folder: holds data and logs. before: the files of the version before."""
        super().__init__(folder, count=2)
        self._before = before
        self.read_differently: list[str] = []

    def tree_of(self, number: int) -> Path:
        """Return the checkout whose service a replica runs."""
        return self._before if number == 0 else self.tree

    def _environment(self, url: str, number: int) -> dict[str, str]:
        # Also for the processes that a server starts.
        return {**super()._environment(url, number), "PYTHONPATH": str(self.tree_of(number))}

    async def __aexit__(self, *raised: object) -> None:
        if raised[0] is None:
            self.read_differently = await _differences(self.replicas, self.key)
        await super().__aexit__(*raised)

    def not_read(self) -> list[str]:
        """Return the log lines about records and events that a server could not read."""
        logs = [replica.log.read_text("utf-8", errors="replace") for replica in self.replicas]
        return [line for log in logs for line in log.splitlines() if any(mark in line for mark in NOT_READ)]


async def unpack(commit: str, to: Path) -> str:
    """Unpack the files of a commit; return its full name. Raises CalledProcessError where there is none."""

    def run(*command: str) -> bytes:
        return subprocess.run(["git", "-C", ROOT, *command], capture_output=True, check=True).stdout

    archive = await asyncio.to_thread(run, "archive", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(to, filter="data")
    return (await asyncio.to_thread(run, "rev-parse", commit)).decode().strip()


async def kill(replica: Replica) -> tuple[float, float]:
    """Kill a server and start it again; return the seconds that both took."""
    began = time.monotonic()
    await replica.kill()
    killed = time.monotonic()
    await replica.start()
    return killed - began, time.monotonic() - killed


async def _differences(replicas: list[Replica], key: str) -> list[str]:
    """Return what the servers read differently: names, with what each says."""
    read = [await _read(replica.target, key) for replica in replicas]
    return [
        f"{name}: {[one.get(name) for one in read]}"
        for name in sorted(set().union(*read))
        if any(one.get(name) != read[0].get(name) for one in read)
    ]


async def _read(target: str, key: str) -> dict[str, Any]:
    async with MatcherClient(target, token=key) as client:
        messages: list[Any] = [pool async for pool in client.pools()]
        messages += [agent async for agent in client.agents(with_holds=True)]
        messages += [contact async for contact in client.contacts()]
    for message in messages:
        if isinstance(message, roster.Agent):
            message.status_reason = ""  # docs/upgrading.md: the version before does not see what a person gave
    return {message.name: MessageToDict(message) for message in messages}


async def measure_mixed(folder: Path, commit: str, kills: int, rate: float, seed: int) -> dict[str, Any]:
    """Kill both versions in turns under load; return what the clients saw."""
    name = await unpack(commit, folder / "before")
    arena = MixedArena(folder, folder / "before")
    report = await measure(arena, kills, rate, seed, kill)
    not_read = arena.not_read()
    return {
        "before": name,
        **report,
        "wrong": report["wrong"] + len(arena.read_differently) + len(not_read),
        "read_differently": arena.read_differently[:20],
        "not_read": not_read[:20],
    }


def main() -> int:
    """Run, report, and return 1 where a call failed, an agent was held twice, or a version misread the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed", description=__doc__)
    parser.add_argument("--before", default=BEFORE, help="a commit or tag, whose files git has")
    parser.add_argument("--kills", type=int, default=20, help="kills, of both versions in turns")
    parser.add_argument("--rate", type=float, default=10.0, help="contacts a second")
    parser.add_argument("--seed", type=int, default=1, help="draws what the callers do")
    parser.add_argument("--out", type=Path, default=OUT, help="the report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mx-") as folder:
        report = asyncio.run(measure_mixed(Path(folder), options.before, options.kills, options.rate, options.seed))
    return conclude(report, options.out)


if __name__ == "__main__":
    sys.exit(main())
