"""The ladder of rankings: right agents by words, one vector, late interaction, a map and a blend, drawn with intervals.

`python -m benchmarks.ladder SUITE…` measures every rung with one packaged model and with both, by the code of
`matcher evaluate`, and writes `ladder.json`, `ladder.md` and `ladder.png` into a folder (`--to build`). `--draw` draws
and prints the figures of an earlier `ladder.json` without measuring.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.config import load
from matcher.encoder.settings import PACKAGED_MODEL
from matcher.evaluation.evaluate import Evaluation, Method, evaluate
from matcher.evaluation.plots import BLUE, GREY, RED, figure, write
from matcher.evaluation.production import open_production
from matcher.evaluation.suite import Suite, read_suite, with_roster
from matcher.telemetry import configure_logs

ONE: Final = "one model"
BOTH: Final = "both models"

RUNGS: Final[Mapping[str, Mapping[str, str]]] = {
    ONE: {
        "random": "random",
        "BM25": "words (BM25)",
        "one vector per profile": "one vector, one model",
        "evidence alone (E)": "late interaction, one model",
        "this service": "+ map and words, one model",
    },
    BOTH: {
        "one vector per profile": "one vector, both models",
        "evidence alone (E)": "late interaction, both models (blend)",
        "this service": "+ maps and words, both models (serves)",
    },
}
"""The names of the rungs by the names of the methods, for each arm; what an arm leaves out is the same in the other."""


@dataclass(frozen=True, slots=True)
class Rung:
    """The share of messages whose right agent a method ranks first, and among five, as fractions."""

    suite: str
    messages: int
    name: str
    recall_at_1: float
    half_width_1: float
    recall_at_5: float
    half_width_5: float
    learned: bool
    """Whether the method was learned from this suite: the figures show its fit."""


def rungs_of(arm: str, evaluation: Evaluation, learned_from: Sequence[str]) -> list[Rung]:
    """Return the rungs that an arm adds to a suite's ladder, the lowest first."""
    named = {method.name: method for method in (*evaluation.methods, evaluation.production)}
    suite = evaluation.figures.suite
    return [
        _rung(name, named[method], evaluation, learned=method == "this service" and suite in learned_from)
        for method, name in RUNGS[arm].items()
    ]


def _rung(name: str, method: Method, evaluation: Evaluation, *, learned: bool) -> Rung:
    first, five = method.recall_at_1, method.recall_at_5
    return Rung(
        suite=evaluation.figures.suite,
        messages=evaluation.figures.messages,
        name=name,
        recall_at_1=first.value,
        half_width_1=first.half_width,
        recall_at_5=five.value,
        half_width_5=five.half_width,
        learned=learned,
    )


def table(rungs: Sequence[Rung]) -> str:
    """Return the ladder in Markdown, in %: one row a rung, one column a suite; `*`: learned from the suite."""
    suites = list(dict.fromkeys(rung.suite for rung in rungs))
    cells = {(rung.name, rung.suite): _cell(rung) for rung in rungs}
    lines = [["", *suites], ["---"] * (len(suites) + 1)]
    lines += [[name, *(cells[name, suite] for suite in suites)] for name in dict.fromkeys(rung.name for rung in rungs)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(rung: Rung) -> str:
    width = f" ± {100 * rung.half_width_1:.1f}" if rung.half_width_1 else ""
    return f"{100 * rung.recall_at_1:.1f}{width}, {100 * rung.recall_at_5:.1f}{'*' * rung.learned}"


def draw(rungs: Sequence[Rung], path: Path) -> Path:
    """Draw one panel a suite: recall at 1 of each rung with its 95 % interval, and recall at 5 as a tick beside it."""
    suites = list(dict.fromkeys(rung.suite for rung in rungs))
    names = list(dict.fromkeys(rung.name for rung in rungs))
    columns = min(3, len(suites))
    rows = -(-len(suites) // columns)
    drawing = figure(3.2 + 2.9 * columns, 0.9 + 3.1 * rows)
    panels = drawing.subplots(rows, columns, squeeze=False, sharey=True)
    for panel in panels.flat[len(suites) :]:
        panel.set_axis_off()
    for panel, suite in zip(panels.flat, suites, strict=False):
        of_suite = [rung for rung in rungs if rung.suite == suite]
        for rung in of_suite:
            at = names.index(rung.name)
            panel.errorbar(
                100 * rung.recall_at_1,
                at,
                xerr=100 * rung.half_width_1,
                color=RED if rung.learned else BLUE,
                marker="o",
                markersize=6,
                markerfacecolor="white" if rung.learned else BLUE,
                capsize=3,
                linewidth=1.5,
            )
            panel.plot(100 * rung.recall_at_5, at, color=GREY, marker="|", markersize=11, markeredgewidth=2)
        panel.set_title(f"{suite}\n{of_suite[0].messages} messages", fontsize=10, parse_math=False)
        panel.set(xlim=(0, 100), yticks=range(len(names)), ylim=(-0.6, len(names) - 0.4))
        panel.set_yticklabels(names, fontsize=10)
        panel.grid(alpha=0.3)
    drawing.supxlabel(
        "right agents in %: the dot at first place, with its 95 % interval;\n"
        "the grey tick among the first five; hollow and red: learned from the suite",
        fontsize=10,
    )
    return write(drawing, path)


async def measure(suites: Sequence[Suite], kept: Path) -> list[Rung]:
    """Return the rungs of all suites, and write them to a file after each suite."""
    session, rungs = Session(), list[Rung]()

    def note(step: str) -> None:
        session.note(step, style="dim")

    one, both = load(model=PACKAGED_MODEL), load(model="")
    async with open_production(one, note) as with_one, open_production(both, note) as with_both:
        for suite in suites:
            for arm, production in ((ONE, with_one), (BOTH, with_both)):
                evaluation = await evaluate(production, suite, lambda label, total: steps(session.err, label, total))
                rungs += rungs_of(arm, evaluation, production.learned_from)
            _keep(rungs, kept)
    return rungs


def _keep(rungs: Sequence[Rung], path: Path) -> None:
    path.write_text(json.dumps([asdict(rung) for rung in rungs], indent=1) + "\n", "utf-8")


async def main() -> None:
    """Measure the ladder, or read it, and write its table and its plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__)
    parser.add_argument("suites", nargs="*", type=Path, help="folders of suites; default: examples/customers")
    parser.add_argument("--restated", type=Path, help="a folder with other profiles for agents of persona_3utt")
    parser.add_argument("--to", type=Path, default=Path("build"), help="the folder of the files (default: build)")
    parser.add_argument("--draw", action="store_true", help="draw ladder.json of that folder again")
    given = parser.parse_args()
    kept = given.to / "ladder.json"
    if given.draw:
        rungs = [Rung(**fields) for fields in json.loads(kept.read_text("utf-8"))]
    else:
        suites = [read_suite(folder) for folder in given.suites or [Path("examples/customers")]]
        if given.restated:
            suites += [
                with_roster(suite, given.restated / "agents.jsonl") for suite in suites if suite.name == "persona_3utt"
            ]
        configure_logs("console", "WARNING")
        given.to.mkdir(parents=True, exist_ok=True)
        rungs = await measure(suites, kept)
    (given.to / "ladder.md").write_text(table(rungs), "utf-8")
    print(table(rungs), end="")
    print(draw(rungs, given.to / "ladder.png"))


if __name__ == "__main__":
    asyncio.run(main())
