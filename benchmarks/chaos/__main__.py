"""`make chaos`: attacks the service for minutes and judges it by what its clients saw; exit code 1 for a breach."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos import history as h
from benchmarks.chaos.checker import judge
from benchmarks.chaos.habits import Habits
from benchmarks.chaos.nemesis import ACTS, USUAL
from benchmarks.chaos.play import Attack, play
from benchmarks.chaos.processes import ROOT

OUT: Final = Path("build/chaos.json")
NAMED: Final = 20


def main() -> int:
    """Attack, judge and report."""
    options = _options()
    if options.judge is not None:
        verdict = judge(h.read(options.judge))
        _name(verdict.breaches)
        print(json.dumps({"claims": dict(verdict.claims), "violations": verdict.counts()}, indent=2))
        return 1 if verdict.breaches else 0
    habits = Habits(rate=options.rate, agents=options.agents)
    attacked = Attack(
        seed=options.seed, seconds=options.seconds, kinds=tuple(options.fault or USUAL), habits=habits,
        tree=options.tree,
    )  # fmt: skip
    played = asyncio.run(play(attacked, print))
    if options.history is not None:
        h.write(options.history, played.records)
    verdict = judge(played.records)
    _name(verdict.breaches)
    for line in (*played.failures[:NAMED], *played.logged[:NAMED]):
        print("!", line[:400])
    faults = Counter(record.what for record in played.records if isinstance(record, h.Fault))
    report = {
        "seed": options.seed,
        "seconds": round(played.seconds),
        "claims": dict(verdict.claims),
        "faults": dict(sorted(faults.items())),
        "violations": len(verdict.breaches),
        "violations_by_law": verdict.counts(),
        "logged_faults": len(played.logged),
        "failures_of_clients": len(played.failures),
    }
    _write(options.out, report)
    print(json.dumps(report, indent=2))
    return 1 if verdict.breaches or played.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws the faults and the load")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long faults and load last")
    parser.add_argument("--rate", type=float, default=Habits.rate, help="customers a second, in both sites")
    parser.add_argument("--agents", type=int, default=Habits.agents, help="agents of each site")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout whose service is attacked")
    parser.add_argument("--fault", action="append", choices=sorted(ACTS), help="only these faults; may be repeated")
    parser.add_argument("--out", type=Path, default=OUT, help="the report")
    parser.add_argument("--history", type=Path, help="also writes the history, one record a line")
    parser.add_argument("--judge", type=Path, help="judges a history that was written, and attacks nothing")
    return parser.parse_args()


def _name(breaches: Any) -> None:
    for breach in breaches[:NAMED]:
        print(f"✗ {breach.law}: {breach.what}")


def _write(path: Path, report: dict[str, Any]) -> None:
    """Write the report, beside the counts of planted bugs that stand there already."""
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = {name: before[name] for name in ("planted", "planted_found") if name in before}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**report, **kept}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
