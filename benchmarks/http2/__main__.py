"""What honest callers keep while somebody attacks by HTTP/2: the service, and a bare echo server under the same attack.

    python -m benchmarks.http2 [--seconds 6 --rate 10 --only NAME]

The honest caller routes, accepts and completes at a rate, or calls the echo; the attack is a process of its own. Kept
is the share of the calls answered in time, of those begun; recovered is that share in the seconds after the attack. The
memory is that of the attacked server before, at the end of the attack, and after it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.alone import say
from benchmarks.echo import METHOD, echo_server
from benchmarks.fairness import Process, caller, guarded
from benchmarks.http2.attacks import ATTACKS, IDLE
from benchmarks.machine import describe, resident_mb
from benchmarks.paced import Job, Outcome
from benchmarks.sizes import ROOT

OUTPUT: Final = ROOT / "build" / "http2.json"
ROUTE: Final = "/matcher.v1.RoutingService/RouteMessage"
LEAD: Final = 0.5
"""Seconds by which the attack begins before the honest calls that are counted."""
LEAST_KEPT: Final = 0.95
MOST_MEMORY_MB: Final = 256.0
"""What an attack may leave behind or take at its height beyond what the server had."""


class Attacked:
    """A server under attack: where, whose process, and how honest callers call it."""

    def __init__(self, name: str, target: str, pid: int, path: str, honest: Process, rate: float) -> None:
        self.name = name
        self.pid = pid
        self._target = target
        self._path = path
        self._honest = honest
        self._rate = rate

    async def calls(self, seconds: float) -> Outcome:
        """Make honest calls."""
        kind: Any = "echo" if self.name == "echo" else "serve"
        return await self._honest.run(Job(self._target, kind, self._rate, seconds))

    async def under(self, attack: str, seconds: float) -> dict[str, Any]:
        """Attack the server for some seconds beside honest calls; return what they kept, and what it cost."""
        before = resident_mb(self.pid)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.http2.attacks", attack, self._target.rpartition(":")[2]),
            *(self._path, str(LEAD + seconds + 1)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        await asyncio.sleep(LEAD)
        outcome = await self.calls(seconds)
        height = resident_mb(self.pid)
        said, _ = await process.communicate()
        after = await self.calls(2.0)
        return {
            **json.loads(said),
            "kept": _kept(outcome),
            "p95_ms": _p95(outcome),
            "failed": outcome.failed,
            "recovered": _kept(after),
            "mib_before": round(before),
            "mib_at_the_height": round(height),
            "mib_after": round(resident_mb(self.pid)),
        }


def _kept(outcome: Outcome) -> float:
    return round(len(outcome.seconds) / outcome.begun, 3)


def _p95(outcome: Outcome) -> float:
    seconds = sorted(outcome.seconds)
    return round(seconds[int(0.95 * len(seconds))] * 1_000, 1) if seconds else 0.0


async def measure(rate: float, seconds: float, only: str) -> dict[str, Any]:
    """Return the figures by attack and server."""
    figures: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        target, pid, keys = await stack.enter_async_context(guarded({}))
        echo = await stack.enter_async_context(echo_server())
        honest = [await stack.enter_async_context(caller(keys[0])) for _ in range(2)]
        servers = (
            Attacked("service", target, pid, ROUTE, honest[0], rate),
            Attacked("echo", echo.target, echo.pid, METHOD, honest[1], rate),
        )
        for server in servers:
            await server.calls(2.0)  # the first calls warm it up
            alone = await server.calls(seconds)
            figures.setdefault("alone", {})[server.name] = {"kept": _kept(alone), "p95_ms": _p95(alone)}
        for attack in (*ATTACKS, IDLE):
            for server in servers if only in attack else ():
                found = figures.setdefault(attack, {})[server.name] = await server.under(attack, seconds)
                say(f"{attack}, {server.name}: {found}")
    return figures


def beyond(figures: dict[str, Any]) -> list[str]:
    """Return the attacks that the service stands worse than it may, and worse than the echo does."""
    bad = []
    for attack, servers in figures.items():
        if attack == "alone":
            continue
        service, echo = servers["service"], servers["echo"]
        grown = service["mib_at_the_height"] - service["mib_before"]
        if service["kept"] < min(LEAST_KEPT, echo["kept"]) or service["recovered"] < LEAST_KEPT:
            bad.append(f"{attack}: kept {service['kept']}, recovered {service['recovered']}")
        if grown > max(MOST_MEMORY_MB, echo["mib_at_the_height"] - echo["mib_before"]):
            bad.append(f"{attack}: {grown} MiB more")
    return bad


def main() -> int:
    """Measure, write build/http2.json, and return 1 where an attack is not withstood."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http2", description=__doc__)
    parser.add_argument("--rate", type=float, default=10.0, help="honest calls a second")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each attack")
    parser.add_argument("--only", default="", help="attacks whose name has this")
    parser.add_argument("--out", type=Path, default=OUTPUT)
    given = parser.parse_args()
    figures = asyncio.run(measure(given.rate, given.seconds, given.only))
    bad = beyond(figures)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(
        json.dumps({"machine": describe(), "attacks": figures, "beyond": bad}, indent=1) + "\n", "utf-8"
    )
    say(f"{len(bad)} beyond their bound: {bad}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
