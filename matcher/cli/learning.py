"""Learning of a scorer by a command: reads suites, encodes them, learns, and writes the file where it is better."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcher.cli import tables
from matcher.cli.progress import steps
from matcher.cli.service_settings import with_models_of_service
from matcher.cli.session import CommandError, Session
from matcher.errors import MatcherError
from matcher.evaluation.suite import Suite, SuiteWrong, read_suite
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.affinity.scorer import Floats
    from matcher.evaluation.production import Production
    from matcher.training.learn import Report

SuiteFolders = Annotated[
    list[Path], typer.Argument(metavar="SUITE_DIR", help="Folders with agents.jsonl and messages.jsonl.")
]
ScorerFile = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="The scorer's file, which MATCHER_SCORER can name.")
]
MarginFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--margins", metavar="SUITE_DIR", help="A suite for the calibration of the confidence only; may be repeated."
    ),
]
Folds = Annotated[int, typer.Option("--folds", min=2, max=20, help="Folds of the cross-validation over agents.")]
Licence = Annotated[str, typer.Option("--licence", help="The licence of the suites.")]
Attribution = Annotated[
    str, typer.Option("--attribution", help="The authors of the suites, and what was changed in them.")
]

PROGRESS_STEPS = 100
"""Steps of the progress bar while the scorer is learned."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What a scorer is learned from, and where it is written.

    suites: folders; margins: of further suites, for the calibration of the confidence alone.
    """

    suites: tuple[Path, ...]
    margins: tuple[Path, ...]
    out: Path
    folds: int
    licence: str
    attribution: str
    further: tuple[str, ...] = ()
    """What else the scorer is learned from, each with its licence."""


async def learn_and_write(
    session: Session,
    learning: Learning,
    second: Callable[[Production], Awaitable[Floats]] | None = None,
) -> None:
    """Learn a scorer, print its recall by folds, and write it where it is better than those before.

    second: makes the map of the second halves by the open encoder; None: that map is learned from the suites.
    Raises CommandError where a suite is wrong, or no file was written.
    """
    configure_logs("console", "WARNING")
    out = learning.out
    try:
        read = [read_suite(folder) for folder in learning.suites]
        further = [read_suite(folder) for folder in learning.margins]
        _check_names([*read, *further])
        # Imported after the files are read, so that an error in a file is shown before the seconds of the import.
        from matcher.affinity import scorer_file
        from matcher.affinity.scorer import untrained
        from matcher.evaluation.datasets import dataset_of
        from matcher.evaluation.production import open_production
        from matcher.training.learn import learn

        rival = scorer_file.read(out)[1] if out.exists() else None
        async with open_production(
            with_models_of_service(), lambda step: session.note(step, style="dim")
        ) as production:
            for suite in (*read, *further):
                await production.encode_suite(suite, lambda label, total: steps(session.err, label, total))
            datasets = [dataset_of(production, suite) for suite in read]
            calibrating = [dataset_of(production, suite) for suite in further]
            model, halves = production.cache.encoder.fingerprint, production.scorer.halves
            second_map = await second(production) if second else None
        loop, done = asyncio.get_running_loop(), 0
        with steps(session.err, "learning", PROGRESS_STEPS) as step:

            def show_progress(_name: str, share: float) -> None:
                nonlocal done
                while done < round(share * PROGRESS_STEPS):
                    done += 1
                    loop.call_soon_threadsafe(step)

            scorer, report = await asyncio.to_thread(
                learn,
                datasets,
                untrained(halves),
                margins=calibrating,
                second=second_map,
                folds=learning.folds,
                on_progress=show_progress,
            )
    except (SuiteWrong, MatcherError) as error:
        raise CommandError(str(error)) from None
    provenance = scorer_file.Provenance(
        model=model,
        suites=tuple(suite.name for suite in read),
        licence=learning.licence,
        attribution=learning.attribution,
        recall=report.recall,
        margins=tuple(suite.name for suite in further),
        error=report.error,
        further=learning.further,
    )
    refusal = ""
    if not report.better:
        refusal = "not written: on agents it was not learned from, it is no better than the untrained scorer"
    elif rival is not None and (shared := rival.as_good_as(provenance)):
        refusal = f"not written: the scorer in {out} is as good on {', '.join(shared)}"
    if not refusal:
        scorer_file.write(out, scorer, provenance)
        out.with_suffix(".md").write_text(scorer_file.card(scorer, provenance), "utf-8")
    _print_report(session, report, written=not refusal)
    if refusal:
        raise CommandError(refusal)
    session.note(f"wrote {out}: MATCHER_SCORER={out} serves it", style="green")


def _check_names(suites: Sequence[Suite]) -> None:
    """Raise CommandError for two suites of one name, because the report and the file identify suites by name."""
    names = [suite.name for suite in suites]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"two of the suites are named {name}")


def _print_report(session: Session, report: Report, *, written: bool) -> None:
    if session.as_json:
        session.write_json(
            {"recall_at_1": report.recall, "before": report.before, "ece": report.error, "written": written}
        )
        return
    table = tables.table("suite", "recall@1 by folds", "untrained", "ECE by folds")
    for name, error in report.error.items():
        learned = name in report.recall
        cells = (f"{report.recall[name]:.1%}", f"{report.before[name]:.1%}") if learned else ("confidence only", "")
        tables.add(table, name, *cells, f"{error:.3f}")
    session.out.print(table)
