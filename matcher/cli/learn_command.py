"""The command `matcher learn`: learns a scorer from suites and writes it to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matcher.cli.learning import Learning, learn_and_write
from matcher.cli.session import Session, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "learn", remote=False)(learn_scorer)


async def learn_scorer(
    session: Session,
    suites: Annotated[
        list[Path], typer.Argument(metavar="SUITE_DIR", help="Folders with agents.jsonl and messages.jsonl.")
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The scorer's file, which MATCHER_SCORER can name.")
    ],
    margins: Annotated[
        list[Path] | None,
        typer.Option(
            "--margins",
            metavar="SUITE_DIR",
            help="A suite for the calibration of the confidence only; may be repeated.",
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=2, max=20, help="Folds of the cross-validation over agents.")
    ] = 5,
    licence: Annotated[str, typer.Option("--licence", help="The licence of the suites.")] = "",
    attribution: Annotated[
        str, typer.Option("--attribution", help="The authors of the suites, and what was changed in them.")
    ] = "",
) -> None:
    """Learn a scorer from suites, and print its recall on agents that it was not learned from.

    FILE is written only if the scorer beats both the untrained scorer and the one already in FILE.
    """
    learning = Learning(tuple(suites), tuple(margins or ()), out, folds, licence, attribution)
    await learn_and_write(session, learning)
