"""`make chaos`: attacks the service for minutes and judges it by what its clients saw; exit code 1 for a breach."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos import history as h
from benchmarks.chaos.arena import SINGLE, TOPOLOGIES
from benchmarks.chaos.checker import judge
from benchmarks.chaos.habits import Habits
from benchmarks.chaos.nemesis import ACTS, USUAL
from benchmarks.chaos.play import Attack, Played, play
from benchmarks.chaos.processes import ROOT
from benchmarks.chaos.report import OUT, write_report
from benchmarks.chaos.verdict import Breach, Verdict
from benchmarks.record_file import write_records

NAMED: Final = 20
LOSSES: Final = 0.06
"""The share of the time in which a store is set back, again and again: few laws hold after what was lost."""
SETTING_BACK: Final = ("store set back",)
SHARES: Final = {SINGLE: 0.5}
"""The share of the time that a topology gets where all are attacked; the others share the rest."""


def main() -> int:
    """Attack, judge and report."""
    options = _options()
    if options.judge is not None:
        verdict = judge(h.read(options.judge))
        _name(verdict.breaches)
        print(json.dumps({"claims": dict(verdict.claims), "violations": verdict.counts()}, indent=2))
        return 1 if verdict.breaches else 0
    played: list[Played] = []
    verdicts: list[Verdict] = []
    for number, (topology, seconds, kinds) in enumerate(_pieces(options)):
        print(f"{topology}, {seconds:.0f} s")
        piece = asyncio.run(play(_attack(options, topology, seconds, kinds), print))
        if options.history is not None:
            write_records(options.history.with_stem(f"{options.history.stem}-{number}-{topology}"), piece.records)
        verdict = judge(piece.records)
        _name(verdict.breaches)
        for line in (*piece.failures[:NAMED], *piece.logged[:NAMED]):
            print("!", line[:4000])
        played.append(piece)
        verdicts.append(verdict)
    report = _report(options.seed, played, verdicts)
    write_report(options.out, report)
    print(json.dumps(report, indent=2))
    return 1 if report["violations"] or report["failures_of_clients"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws the faults and the load")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long faults and load last, in all")
    parser.add_argument("--topology", choices=[*TOPOLOGIES, "all"], default="all", help="the store that is attacked")
    parser.add_argument("--rate", type=float, default=Habits.rate, help="customers a second, in both sites")
    parser.add_argument("--agents", type=int, default=Habits.agents, help="agents of each site")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout whose service is attacked")
    parser.add_argument("--fault", action="append", choices=sorted(ACTS), help="only these faults; may be repeated")
    parser.add_argument("--out", type=Path, default=OUT, help="the report")
    parser.add_argument("--history", type=Path, help="also writes the histories, one record a line")
    parser.add_argument("--judge", type=Path, help="judges a history that was written, and attacks nothing")
    return parser.parse_args()


def _pieces(options: argparse.Namespace) -> list[tuple[str, float, tuple[str, ...]]]:
    """Return the topologies to attack, each with its seconds and faults; the last piece loses what was acknowledged."""
    kinds = tuple(options.fault or USUAL)
    if options.topology != "all":
        return [(options.topology, options.seconds, kinds)]
    whole = options.seconds * (1 if options.fault else 1 - LOSSES)
    rest = (1 - sum(SHARES.values())) / (len(TOPOLOGIES) - len(SHARES))
    pieces = [(topology, whole * SHARES.get(topology, rest), kinds) for topology in TOPOLOGIES]
    return pieces if options.fault else [*pieces, (SINGLE, options.seconds * LOSSES, SETTING_BACK)]


def _attack(options: argparse.Namespace, topology: str, seconds: float, kinds: tuple[str, ...]) -> Attack:
    return Attack(
        seed=options.seed,
        seconds=seconds,
        topology=topology,
        kinds=kinds,
        habits=Habits(rate=options.rate, agents=options.agents),
        tree=options.tree,
    )


def _report(seed: int, played: Sequence[Played], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    claims, broken, faults = Counter[str](), Counter[str](), Counter[str]()
    for verdict in verdicts:
        claims.update(verdict.claims)
        broken.update(verdict.counts())
    for piece in played:
        faults.update(record.what for record in piece.records if isinstance(record, h.Fault))
    return {
        "seed": seed,
        "seconds": round(sum(piece.seconds for piece in played)),
        "claims": dict(claims),
        "faults": dict(sorted(faults.items())),
        "violations": sum(broken.values()),
        "violations_by_law": dict(broken),
        "logged_faults": sum(len(piece.logged) for piece in played),
        "failures_of_clients": sum(len(piece.failures) for piece in played),
    }


def _name(breaches: Sequence[Breach]) -> None:
    for breach in breaches[:NAMED]:
        print(f"✗ {breach.law}: {breach.what}")


if __name__ == "__main__":
    sys.exit(main())
