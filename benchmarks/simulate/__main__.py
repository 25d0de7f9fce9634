"""Plays a day and judges it: `make simulate`. Ends with 1 where a law was broken."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.simulate import history
from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import Played, play
from benchmarks.simulate.display import Display, ended
from benchmarks.simulate.plan import Plan, for_bug, small
from benchmarks.simulate.planted import BUGS
from benchmarks.simulate.verdict import Verdict
from benchmarks.sizes import ROOT

OUTPUT = ROOT / "build" / "simulate.json"


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    plan = Plan()
    made.add_argument("--agents", type=int, default=plan.agents)
    made.add_argument("--contacts", type=int, default=plan.contacts)
    made.add_argument(
        "--seconds", type=float, default=plan.seconds, help="real seconds from the first contact to the last"
    )
    made.add_argument("--replicas", type=int, default=plan.replicas)
    made.add_argument("--seed", type=int, default=plan.seed)
    made.add_argument("--small", action="store_true", help="a day of seconds, as the tests play it")
    made.add_argument("--no-crash", action="store_true", help="kill nothing")
    made.add_argument("--bug", choices=sorted(BUGS), default="", help="plant a bug into the servers")
    made.add_argument("--out", type=Path, default=OUTPUT)
    made.add_argument("--history", type=Path, help="write what the clients saw, a line a record")
    made.add_argument("--judge", type=Path, metavar="HISTORY", help="play nothing: judge a history that was written")
    return made


def figures(plan: Plan, played: Played, verdict: Verdict) -> dict[str, object]:
    """Return what build/simulate.json holds: the required counts first."""
    pools = {pool.id: pool for pool in plan.pools}
    starts = [pool.head_start for pool in pools.values()]
    law = max(1 / pool.wait_weight for pool in pools.values())
    counts: dict[str, object] = {"contacts": verdict.figures["contacts"], **verdict.counts()}
    return {
        **counts,
        "mean_affinity": verdict.figures["mean_affinity"],
        "gini": verdict.figures["gini"],
        "seconds": round(played.seconds, 1),
        "day_seconds": plan.seconds,
        "speed": plan.speed,
        "seed": plan.seed,
        "agents": plan.agents,
        "replicas": plan.replicas,
        "bug": plan.bug or None,
        "law_seconds": law,
        "law_seconds_between_pools": law + max(starts) - min(starts),
        **verdict.figures,
        "server_faults": len(played.faults),
        "play_failures": len(played.failures),
    }


def main() -> int:
    """Play, judge, print, write; return 0, or 1 where a law was broken or the day could not be played."""
    given, console = parser().parse_args(), Console()
    if given.judge is not None:
        verdict = judge(history.read(given.judge))
        ended(console, verdict, {**verdict.counts(), **verdict.figures})
        return 0 if verdict.clean else 1
    plan = Plan(
        agents=given.agents, contacts=given.contacts, seconds=given.seconds, replicas=given.replicas, seed=given.seed,
        bug=given.bug,
    )  # fmt: skip
    if given.small:
        plan = for_bug(given.bug, given.seed) if given.bug else small(given.seed)
    if given.no_crash:
        plan = replace(plan, replica_killed_at=None, store_killed_at=None)
    with Display(console) as display:
        played = asyncio.run(play(plan, display.show))
    if given.history is not None:
        history.write(given.history, played.records)
    verdict = judge(played.records)
    found = figures(plan, played, verdict)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    ended(console, verdict, found)
    for fault in (*played.failures[:5], *played.faults[:5]):
        console.print(fault, style="yellow", markup=False, soft_wrap=True)
    return 0 if verdict.clean and not played.failures else 1


if __name__ == "__main__":
    sys.exit(main())
