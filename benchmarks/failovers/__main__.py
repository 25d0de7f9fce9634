"""Failovers of each way to run a store: what was acknowledged and is lost, what of it was told, when calls go on.

    python -m benchmarks.failovers [--times 20 --only everysec --only sentinel]

Callers route and accept through the shipped client at some 30 calls a second; then the store that acknowledges is
killed, and starts again or is replaced. Afterwards every hold that a caller was told of is read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.alone import say
from benchmarks.chaos.witness import let_in
from benchmarks.failovers import power
from benchmarks.failovers.settings import SETTINGS, Ground, Setting
from benchmarks.failovers.trial import Told, Trial, attempt, follow, hire
from benchmarks.sizes import ROOT
from matcher.client import MatcherClient

OUT: Final = ROOT / "build" / "failovers.json"


async def measure(setting: Setting, times: int) -> dict[str, Any]:
    """Let the store of a setting fail some times; return what was seen in all."""
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="mf-") as folder:
        async with Ground(Path(folder), setting) as ground:
            await let_in([replica.target for replica in ground.replicas], ground.key)
            if ground.site != "default":
                async with MatcherClient(ground.target, token=ground.key) as admin:
                    await admin.create_site(ground.site)
            async with MatcherClient(ground.target, site=ground.site, channels=2, token=ground.key) as client:
                await hire(client)
                told = Told()
                watching = asyncio.create_task(follow(client, told))
                for number in range(times):
                    began = time.monotonic()
                    trials.append(await attempt(ground, client, told, number))
                    say(f"{setting.name} {number + 1}: {asdict(trials[-1])}, {time.monotonic() - began:.0f} s in all")
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        faults = ground.faults()
    return summary(setting, trials) | {"watches_begun_again": told.begun_again, "logged_faults": faults[:20]}


def summary(setting: Setting, trials: list[Trial]) -> dict[str, Any]:
    """Return the sums and the extremes of the trials of a setting."""
    lost = sum(trial.gone + trial.older for trial in trials)
    told = sum(trial.told for trial in trials)
    answered = [trial.answered_s for trial in trials]
    return {
        "setting": setting.name,
        "promised": setting.promised,
        "failures": len(trials),
        "acknowledged_holds": sum(trial.holds for trial in trials),
        "gone": sum(trial.gone for trial in trials),
        "acceptance_gone": sum(trial.older for trial in trials),
        "failures_that_lost": sum(trial.gone + trial.older > 0 for trial in trials),
        "told_by_watch": told,
        "told_by_reading": sum(trial.told_by_reading for trial in trials),
        "not_told": lost - told - sum(trial.told_by_reading for trial in trials),
        "told_beside": sum(trial.told_beside for trial in trials),
        "lost_span_s": max(trial.span_s for trial in trials),
        "told_within_s": max(trial.told_s for trial in trials),
        "answered_p50_s": round(float(np.median(answered)), 2),
        "answered_max_s": max(answered),
        "failed_calls": sum(trial.failed_calls for trial in trials),
        "held_at_the_end": max(trial.held_at_the_end for trial in trials),
    }


def main() -> int:
    """Measure, report, and return 1 where a loss was not told, or capacity stayed held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failovers", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="failures of each setting")
    names = [setting.name for setting in SETTINGS]
    parser.add_argument("--only", action="append", choices=names, help="a setting; may be given several times")
    parser.add_argument("--out", type=Path, default=OUT, help="the report; settings that are not run stay in it")
    options = parser.parse_args()
    kept = json.loads(options.out.read_text()) if options.only and options.out.exists() else []
    reports = {report["setting"]: report for report in kept}
    bad = False
    for setting in SETTINGS:
        if options.only and setting.name not in options.only:
            continue
        if setting.power_cut and not power.can_cut():
            say(f"{setting.name}: not run, because there is no C compiler")
            continue
        reports[setting.name] = report = asyncio.run(measure(setting, options.times))
        print(json.dumps(report), flush=True)
        bad |= bool(report["held_at_the_end"] or report["logged_faults"])
        bad |= bool(report["not_told"]) and setting.services > 1
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(list(reports.values()), indent=2) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
