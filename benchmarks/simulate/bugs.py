"""Plays a small day with each planted bug: `make simulate-bugs`. Ends with 1 where the checker misses one."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS


def main() -> int:
    """Play them one after the other and say which law each broke, how often."""
    console, missed = Console(), 0
    for bug, law in BREAKS.items():
        verdict = judge(asyncio.run(play(for_bug(bug))).records)
        found = verdict.count(law)
        missed += not found
        console.print(f"{bug}: {law} {found}" if found else f"{bug}: not found", style="green" if found else "red")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
