"""`make chaos-bugs`: plays the scene of each planted bug; the checker must find all of them."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos.checker import judge
from benchmarks.chaos.patches import plant
from benchmarks.chaos.planted import BUGS
from benchmarks.chaos.play import play
from benchmarks.chaos.report import OUT, write_report
from benchmarks.chaos.scenes import SCENES
from benchmarks.chaos.verdict import Law, Verdict


def main() -> int:
    """Play the scenes and print what was found; return 1 for a bug that was missed, or a breach without a bug."""
    options = _options()
    if options.sound:
        wrong = 0
        for scene in options.only or SCENES:
            verdict, seconds = _play(scene, None)
            wrong += bool(verdict.breaches)
            print(f"{scene}: {verdict.counts() or 'sound'} ({seconds:.0f} s)", flush=True)
            for breach in verdict.breaches[:5]:
                print("   ", breach.law, breach.what)
        return 1 if wrong else 0
    missed: list[str] = []
    for name in (named := options.only or list(BUGS)):
        bug, found, verdict, seconds = BUGS[name], dict[Law, int](), Verdict((), {}), 0.0
        for number in range(options.tries):
            with tempfile.TemporaryDirectory(prefix="mc-tree-") as folder:
                try:
                    verdict, seconds = _play(bug.scene, plant(bug, Path(folder)), seed=11 + number)
                except (TimeoutError, RuntimeError) as fault:  # a process did not start in time: that finds nothing
                    print(f"{name}: {type(fault).__name__} at the start", flush=True)
                    continue
            found = {law: verdict.count(law) for law in bug.laws if verdict.count(law)}
            if found:
                break
        said = ", ".join(f"{law} {count}" for law, count in found.items())
        print(f"{name}: {said or f'not found, but {verdict.counts()}'} ({seconds:.0f} s)", flush=True)
        if not found:
            missed.append(name)
    counts = {"planted": len(named), "planted_found": len(named) - len(missed), "planted_missed": missed}
    write_report(options.out, counts)
    print(counts)
    return 1 if missed else 0


def _play(scene: str, tree: Path | None, seed: int = 11) -> tuple[Verdict, float]:
    began = time.monotonic()
    attacked = replace(SCENES[scene], seed=seed)
    if tree is not None:
        attacked = replace(attacked, tree=tree)
    played = asyncio.run(play(attacked))
    return judge(played.records), time.monotonic() - began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.bugs", description=__doc__)
    parser.add_argument("only", nargs="*", help="only these bugs, or with --sound only these scenes")
    parser.add_argument("--sound", action="store_true", help="plays the scenes without a bug: no law may be broken")
    parser.add_argument(
        "--tries", type=int, default=2, help="plays of a scene, with other seeds, until a bug counts as missed"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the report that the counts are merged into")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
