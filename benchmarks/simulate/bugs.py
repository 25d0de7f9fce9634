"""The test of the checker, `make simulate-bugs`: plays a small day with each planted bug; exit code 1 for a miss."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS


def main() -> int:
    """Play a day with each bug and print how often it broke its law; return 1 where a bug was not found."""
    console, missed = Console(), 0
    for bug, law in BREAKS.items():
        verdict = judge(asyncio.run(play(for_bug(bug))).records)
        count = verdict.count(law)
        missed += not count
        console.print(f"{bug}: {law} {count}" if count else f"{bug}: not found", style="green" if count else "red")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
