"""The command `matcher evaluate`: measures how well the service finds the right agents of suites."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcher.cli import evaluate_tables
from matcher.cli.progress import steps
from matcher.cli.service_settings import with_models_of_service
from matcher.cli.session import CommandError, Session, command
from matcher.errors import MatcherError
from matcher.evaluation.suite import Suite, SuiteWrong, read_suite, read_texts, with_roster
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.evaluation.day_ledger import DayResult
    from matcher.evaluation.evaluate import Evaluation
    from matcher.evaluation.production import Production

Documents = Sequence[Mapping[str, Any]]


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "evaluate", remote=False)(evaluate)


async def evaluate(
    session: Session,
    suites: Annotated[
        list[Path], typer.Argument(metavar="SUITE_DIR", help="Folders with agents.jsonl and messages.jsonl.")
    ],
    *,
    free: Annotated[
        float,
        typer.Option("--free", metavar="SHARE", min=0.001, max=1.0, help="Share of the agents who are free."),
    ] = 1.0,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="N",
            min=2,
            max=20,
            help="Cross-validate: rank each message by a scorer that was learned without its right agents.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write the JSON to a file.")] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="DIR", help="Write reliability.png; with --day, trade-off.png.")
    ] = None,
    day: Annotated[
        bool,
        typer.Option(
            "--day", help="Simulate a day: which agents get the conversations, by affinity and by other strategies."
        ),
    ] = False,
    occupancy: Annotated[
        float | None,
        typer.Option("--occupancy", min=0.01, max=0.95, help="With --day or --gaming: share of the capacity in use."),
    ] = None,
    window: Annotated[
        list[float] | None,
        typer.Option(
            "--window",
            metavar="SECONDS",
            min=0.001,
            help="With --day: also decide jointly the arrivals of a window of this length; may be repeated.",
        ),
    ] = None,
    gaming: Annotated[
        bool, typer.Option("--gaming", help="Check whether 64 generic interests bring more conversations than five.")
    ] = False,
    floor: Annotated[
        Path | None,
        typer.Option(
            "--floor",
            metavar="FILE",
            help="Measure how many of a file's messages, which say nothing of any interest, fall back.",
        ),
    ] = None,
    profiles: Annotated[
        bool,
        typer.Option(
            "--profiles",
            help="Measure what a stranger's profile costs a message, and what a profile alone finds beside 'hi'.",
        ),
    ] = False,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Measure the sealed messages, which are otherwise left out: once, at the end."),
    ] = False,
    roster: Annotated[
        Path | None,
        typer.Option(
            "--roster",
            metavar="FILE",
            help="Replace the roster of each suite by this file's agents: the same people in other words.",
        ),
    ] = None,
) -> None:
    """Run suites through the service's own code, and print how well it finds the right agents.

    The command calls no service: encoder, search and policy run in this process, without a store.
    """
    _refuse_mixed(day, gaming, floor, window, profiles)
    configure_logs("console", "WARNING")
    try:
        read = [_read(folder, sealed, roster) for folder in suites]
        lines = read_texts(floor) if floor else []
        # Imported after the files are read, so that an error in a file is shown before the seconds of the import.
        from matcher.evaluation.extras import ExtraMissing
        from matcher.evaluation.production import open_production

        try:
            async with open_production(
                with_models_of_service(), lambda step: session.note(step, style="dim")
            ) as production:
                if floor:
                    documents = await _floor(session, production, read, lines)
                elif profiles:
                    documents = await _profiles(session, production, read, folds)
                elif gaming:
                    documents = await _gaming(session, production, read, occupancy)
                elif day:
                    documents = await _day(session, production, read, plots, occupancy, window or ())
                else:
                    documents = await _suites(session, production, read, free, folds, plots)
        except ExtraMissing as error:
            raise CommandError(str(error)) from None
    except SuiteWrong as error:
        raise CommandError(str(error)) from None
    except MatcherError as error:
        raise CommandError(str(error)) from None
    written = json.dumps(documents[0] if len(documents) == 1 else documents)
    if out:
        _write(out, written)
    if session.as_json:
        sys.stdout.write(written + "\n")


def _read(folder: Path, sealed: bool, roster: Path | None) -> Suite:
    suite = read_suite(folder, sealed=sealed)
    return with_roster(suite, roster) if roster else suite


def _refuse_mixed(day: bool, gaming: bool, floor: Path | None, window: Sequence[float] | None, profiles: bool) -> None:
    if sum((day, gaming, floor is not None, profiles)) > 1:
        raise CommandError("--day, --gaming, --floor and --profiles exclude each other: give one of them")
    if window and not day:
        raise CommandError("--window needs --day")


async def _suites(
    session: Session,
    production: Production,
    suites: Sequence[Suite],
    free: float,
    folds: int | None,
    plots: Path | None,
) -> Documents:
    from matcher.evaluation.cross_validation import evaluate_by_folds
    from matcher.evaluation.evaluate import evaluate as run
    from matcher.evaluation.plots import draw_reliability

    compare, progress = not session.as_json, _progress(session)
    evaluations: list[Evaluation] = []
    if folds:
        # Learning blocks the event loop for minutes; nothing else runs on this process's loop.
        evaluations = await evaluate_by_folds(production, suites, folds, progress, free=free, compare=compare)
    for number, suite in enumerate(suites):
        if not folds:
            evaluations.append(await run(production, suite, progress, free=free, compare=compare))
        if not session.as_json:
            session.out.print(evaluate_tables.suite_table(evaluations[number], free))
            session.say("")
    _note_training(session, production, suites, folds)
    if plots:
        session.note(f"drew {draw_reliability(evaluations, plots / 'reliability.png')}", style="dim")
    return [evaluation.figures.as_json() for evaluation in evaluations]


def _note_training(session: Session, production: Production, suites: Sequence[Suite], folds: int | None) -> None:
    learned_from = [suite.name for suite in suites if any(suite.name in source for source in production.learned_from)]
    if folds:
        session.note(f"cross-validated in {folds} folds over agents, with scorers as `matcher learn` makes them")
    elif learned_from:
        session.note(
            f"the service's scorer was learned from {', '.join(learned_from)}: use --folds to measure quality, not fit"
        )


async def _day(
    session: Session,
    production: Production,
    suites: Sequence[Suite],
    plots: Path | None,
    occupancy: float | None,
    windows: Sequence[float],
) -> Documents:
    from matcher.evaluation.day import compare_strategies, recommend
    from matcher.evaluation.day_ledger import Terms
    from matcher.evaluation.plots import draw_trade_off

    terms = Terms() if occupancy is None else Terms(occupancy=occupancy)
    documents = []
    days: list[tuple[str, Sequence[DayResult], float]] = []
    for suite in suites:
        results = await compare_strategies(production, suite, _progress(session), terms, windows=windows)
        best = recommend(results)
        if not session.as_json:
            session.out.print(evaluate_tables.day_table(suite.name, results, terms))
            session.say(f"a tolerance of {best:g} lowers Gini most for the affinity it costs")
            session.say("")
        days.append((suite.name, results, best))
        ways = [
            {
                "name": result.name,
                "tolerance": result.tolerance,
                "conversations": result.conversations,
                "turned_away": result.turned_away,
                "mean_affinity": result.mean_affinity,
                "recall": result.recall,
                "gini": result.gini,
                "top_1_percent_share": result.busiest_share,
                "mean_wait_seconds": result.mean_wait_seconds,
            }
            for result in results
        ]
        documents.append({"suite": suite.name, "recommended_tolerance": best, "terms": asdict(terms), "ways": ways})
    if plots:
        session.note(f"drew {draw_trade_off(days, plots / 'trade-off.png')}", style="dim")
    return documents


async def _gaming(
    session: Session, production: Production, suites: Sequence[Suite], occupancy: float | None
) -> Documents:
    from matcher.evaluation.day_ledger import Terms
    from matcher.evaluation.gaming import check_gaming

    terms = Terms() if occupancy is None else Terms(occupancy=occupancy)
    results = [await check_gaming(production, suite, _progress(session), terms) for suite in suites]
    if not session.as_json:
        session.out.print(evaluate_tables.gaming_table(results))
    return [asdict(result) | {"ratio": result.ratio} for result in results]


async def _floor(session: Session, production: Production, suites: Sequence[Suite], lines: Sequence[str]) -> Documents:
    from matcher.evaluation.floor_check import check_floor

    results = [await check_floor(production, suite, lines, _progress(session)) for suite in suites]
    if not session.as_json:
        session.out.print(evaluate_tables.floor_table(results, len(lines)))
    return [asdict(result) for result in results]


async def _profiles(session: Session, production: Production, suites: Sequence[Suite], folds: int | None) -> Documents:
    from matcher.evaluation.profiles import check_profiles

    results = await check_profiles(production, suites, _progress(session), folds=folds)
    if not session.as_json:
        session.out.print(evaluate_tables.profile_table(results))
    _note_training(session, production, suites, folds)
    return [asdict(result) for result in results]


def _progress(session: Session) -> Callable[[str, int], AbstractContextManager[Callable[[], None]]]:
    return lambda label, total: steps(session.err, label, total)


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
