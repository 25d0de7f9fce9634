"""`matcher evaluate`."""

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
from matcher.cli.session import CommandError, Session, command
from matcher.config import load
from matcher.errors import MatcherError
from matcher.evaluation.suite import Suite, SuiteWrong, read_suite
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.evaluation import Evaluated, Production
    from matcher.evaluation.day_ledger import Played

Documents = Sequence[Mapping[str, Any]]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
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
            help="Cross-validate: each message by a scorer that learned from the suites without its right agents.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write the JSON to a file.")] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="DIR", help="Write reliability.png; with --day, trade-off.png.")
    ] = None,
    day: Annotated[
        bool, typer.Option("--day", help="Play a day: who gets the conversations, by affinity and by other ways.")
    ] = False,
    occupancy: Annotated[
        float | None,
        typer.Option("--occupancy", min=0.01, max=0.95, help="Share of slots taken; with --day, --gaming."),
    ] = None,
    window: Annotated[
        list[float] | None,
        typer.Option(
            "--window",
            metavar="SECONDS",
            min=0.001,
            help="With --day: also gather those who come within so long, and decide jointly; may be repeated.",
        ),
    ] = None,
    gaming: Annotated[
        bool, typer.Option("--gaming", help="Whether 64 generic interests get more conversations than five.")
    ] = False,
    floor: Annotated[
        Path | None,
        typer.Option(
            "--floor",
            metavar="FILE",
            help="How many of a file's messages with nothing to go by fall back.",
        ),
    ] = None,
) -> None:
    """Run suites through what serves, and say how well it finds the right agents.

    Nothing is sent anywhere: encoder, search and policy run in this process, without a store.
    """
    _refuse_mixed(day, gaming, floor, window)
    configure_logs("console", "WARNING")
    try:
        read = [read_suite(folder) for folder in suites]
        lines = _lines(floor) if floor else []
        # The model's libraries take seconds that a wrong file should not wait for.
        from matcher.evaluation import ExtraMissing, open_production

        try:
            async with open_production(load(), lambda step: session.note(step, style="dim")) as production:
                if floor:
                    documents = await _floor(session, production, read, lines)
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


def _refuse_mixed(day: bool, gaming: bool, floor: Path | None, window: Sequence[float] | None) -> None:
    if sum((day, gaming, floor is not None)) > 1:
        raise CommandError("--day, --gaming and --floor ask for different things: give one of them")
    if window and not day:
        raise CommandError("--window is of --day")


async def _suites(
    session: Session,
    production: Production,
    suites: Sequence[Suite],
    free: float,
    folds: int | None,
    plots: Path | None,
) -> Documents:
    from matcher.evaluation import evaluate as run
    from matcher.evaluation.cross_validation import evaluate_by_folds
    from matcher.evaluation.plots import draw_reliability

    compare, progress = not session.as_json, _progress(session)
    done: list[Evaluated] = []
    if folds:
        # Learning runs for minutes, and in this process alone: nobody else waits for the event loop.
        done = await evaluate_by_folds(production, suites, folds, progress, free=free, compare=compare)
    for number, suite in enumerate(suites):
        if not folds:
            done.append(await run(production, suite, progress, free=free, compare=compare))
        if not session.as_json:
            session.out.print(evaluate_tables.evaluated(done[number], free))
            session.say("")
    _note_training(session, production, suites, folds)
    if plots:
        session.note(f"drew {draw_reliability(done, plots / 'reliability.png')}", style="dim")
    return [one.figures.as_json() for one in done]


def _note_training(session: Session, production: Production, suites: Sequence[Suite], folds: int | None) -> None:
    known = [suite.name for suite in suites if any(suite.name in source for source in production.learned_from)]
    if folds:
        session.note(f"by cross-validation in {folds} folds over agents: scorers as `matcher learn` makes them")
    elif known:
        session.note(
            f"the scorer that serves was learned from {', '.join(known)}: --folds tells quality there, not fit"
        )


async def _day(
    session: Session,
    production: Production,
    suites: Sequence[Suite],
    plots: Path | None,
    occupancy: float | None,
    windows: Sequence[float],
) -> Documents:
    from matcher.evaluation.day import play_day, recommend
    from matcher.evaluation.day_ledger import Terms
    from matcher.evaluation.plots import draw_trade_off

    terms = Terms() if occupancy is None else Terms(occupancy=occupancy)
    documents = []
    days: list[tuple[str, Sequence[Played], float]] = []
    for suite in suites:
        played = await play_day(production, suite, _progress(session), terms, windows=windows)
        best = recommend(played)
        if not session.as_json:
            session.out.print(evaluate_tables.played(suite.name, played, terms))
            session.say(f"Gini falls most per affinity lost at a tolerance of {best:g}")
            session.say("")
        days.append((suite.name, played, best))
        ways = [
            {
                "name": one.name,
                "tolerance": one.tolerance,
                "conversations": one.conversations,
                "turned_away": one.turned_away,
                "mean_affinity": one.mean_affinity,
                "recall": one.recall,
                "gini": one.gini,
                "top_1_percent_share": one.busiest_share,
                "mean_wait_seconds": one.mean_wait_seconds,
            }
            for one in played
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
    done = [await check_gaming(production, suite, _progress(session), terms) for suite in suites]
    if not session.as_json:
        session.out.print(evaluate_tables.gamed(done))
    return [asdict(one) | {"ratio": one.ratio} for one in done]


async def _floor(session: Session, production: Production, suites: Sequence[Suite], lines: Sequence[str]) -> Documents:
    from matcher.evaluation.floor_check import check_floor

    done = [await check_floor(production, suite, lines, _progress(session)) for suite in suites]
    if not session.as_json:
        session.out.print(evaluate_tables.floors(done, len(lines)))
    return [asdict(one) for one in done]


def _progress(session: Session) -> Callable[[str, int], AbstractContextManager[Callable[[], None]]]:
    return lambda label, total: steps(session.err, label, total)


def _lines(path: Path) -> list[str]:
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 (byte {error.start})") from None
    if not lines:
        raise CommandError(f"{path} has no message")
    return lines


def _write(path: Path, written: str) -> None:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(written + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
