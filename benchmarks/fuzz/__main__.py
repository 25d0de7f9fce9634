"""Fuzzes the service for some seconds; `python -m benchmarks.fuzz` adds its counts to build/fuzz.json.

It is guided by no coverage: every input follows from its seed, and a run goes on with the seeds after the last one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.alone import say
from benchmarks.fuzz import wire, within
from benchmarks.sizes import ROOT
from tests.people import hire, person
from tests.processes import start_server
from tests.rpc.test_bounded_reads import CHECKS

OUTPUT: Final = ROOT / "build" / "fuzz.json"
SLICE: Final = 500


def read() -> dict[str, Any]:
    """Return the counts so far."""
    empty: dict[str, Any] = {"wire": 0, "within": {}, "statuses": {}, "found": []}
    return json.loads(OUTPUT.read_text("utf-8")) if OUTPUT.exists() else empty


def fuzz_within(counts: dict[str, Any], seconds: float) -> None:
    """Run the targets in this process, each for its part of the time."""
    targets = within.targets(CHECKS)
    for name, step in targets.items():
        end, done = time.monotonic() + seconds / len(targets), counts["within"].get(name, 0)
        while time.monotonic() < end:
            found = within.run(name, step, iter(range(done, done + SLICE)), within.EXPECTED)
            counts["found"] += map(asdict, found)
            done += SLICE
        counts["within"][name] = done
        say(f"{name}: {done} inputs")


async def fuzz_wire(counts: dict[str, Any], seconds: float) -> None:
    """Call every method of a real server; it must answer, log no fault and stop with 0."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        server = await start_server(Path(folder), {})
        try:
            async with server.client() as client:
                await hire(client, {f"a{number}": person("I repair shoes.", most=9) for number in range(20)})
            end, statuses = time.monotonic() + seconds, Counter[str](counts["statuses"])
            while time.monotonic() < end:
                told, found = await wire.run(server.target, range(counts["wire"], counts["wire"] + SLICE))
                statuses += told
                counts["found"] += map(asdict, found)
                counts["wire"] += SLICE
            counts["statuses"] = dict(statuses)
            say(f"wire: {counts['wire']} calls, {dict(statuses)}")
            counts["found"] += [{"target": "log", "seed": -1, "fault": line[:2_000]} for line in server.faults()]
            if (code := await server.stop()) != 0:
                counts["found"].append({"target": "stop", "seed": -1, "fault": f"the server ended with {code}"})
        finally:
            await server.clear()


def main() -> int:
    """Fuzz, add to build/fuzz.json, and return 1 where something was found in this run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="half of them over the wire")
    options = parser.parse_args()
    counts = read()
    before = len(counts["found"])
    fuzz_within(counts, options.seconds / 2)
    asyncio.run(fuzz_wire(counts, options.seconds / 2))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(counts, indent=1) + "\n", "utf-8")
    for one in counts["found"][before:]:
        say(f"{one['target']} seed {one['seed']}: {one['fault']}")
    within_all, found = sum(counts["within"].values()), len(counts["found"])
    say(f"{within_all} inputs within, {counts['wire']} calls, {found} found: {OUTPUT}")
    return int(len(counts["found"]) > before)


if __name__ == "__main__":
    sys.exit(main())
