"""The command line of the simulation, `make simulate`: plays a day and judges it; exit code 1 for a broken law."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.record_file import write_records
from benchmarks.simulate import history
from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import PlayedDay, play
from benchmarks.simulate.display import Display, print_verdict
from benchmarks.simulate.plan import Plan, for_bug, small
from benchmarks.simulate.planted import BUGS
from benchmarks.simulate.verdict import Verdict
from benchmarks.sizes import ROOT

OUTPUT = ROOT / "build" / "simulate.json"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    plan = Plan()
    arguments.add_argument("--agents", type=int, default=plan.agents)
    arguments.add_argument("--contacts", type=int, default=plan.contacts)
    arguments.add_argument(
        "--seconds", type=float, default=plan.seconds, help="real seconds from the first contact to the last"
    )
    arguments.add_argument("--replicas", type=int, default=plan.replicas)
    arguments.add_argument("--seed", type=int, default=plan.seed)
    arguments.add_argument("--small", action="store_true", help="a day of some seconds, as in the tests")
    arguments.add_argument("--control-share", type=float, help="of each pool; by default a tenth, of a small day 0.3")
    arguments.add_argument("--no-crash", action="store_true", help="kill no process")
    arguments.add_argument("--bug", choices=sorted(BUGS), default="", help="plant a bug in the servers")
    arguments.add_argument("--out", type=Path, default=OUTPUT)
    arguments.add_argument("--history", type=Path, help="write the history of the clients, one record a line")
    arguments.add_argument("--judge", type=Path, metavar="HISTORY", help="play no day, but judge a written history")
    return arguments


def figures(plan: Plan, played: PlayedDay, verdict: Verdict) -> dict[str, object]:
    """Return the figures of build/simulate.json, with the counts that must be 0 first."""
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
    """Play, judge, print and write; return 1 where a law was broken or the day could not be played, else 0."""
    options, console = parser().parse_args(), Console()
    if options.judge is not None:
        verdict = judge(history.read(options.judge))
        print_verdict(console, verdict, {**verdict.counts(), **verdict.figures})
        return 0 if verdict.clean else 1
    plan = Plan(
        agents=options.agents,
        contacts=options.contacts,
        seconds=options.seconds,
        replicas=options.replicas,
        seed=options.seed,
        bug=options.bug,
    )
    if options.small:
        plan = for_bug(options.bug, options.seed) if options.bug else small(options.seed)
    if options.control_share is not None:
        pools = (msgspec.structs.replace(pool, control_share=options.control_share) for pool in plan.pools)
        plan = replace(plan, pools=tuple(pools))
    if options.no_crash:
        plan = replace(plan, replica_killed_at=None, store_killed_at=None)
    with Display(console) as display:
        played = asyncio.run(play(plan, display.show))
    if options.history is not None:
        write_records(options.history, played.records)
    verdict = judge(played.records)
    results = figures(plan, played, verdict)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print_verdict(console, verdict, results)
    for fault in (*played.failures[:5], *played.faults[:5]):
        console.print(fault, style="yellow", markup=False, soft_wrap=True)
    return 0 if verdict.clean and not played.failures else 1


if __name__ == "__main__":
    sys.exit(main())
