"""The command `matcher learn`: learns a scorer from suites and writes it to a file."""

from __future__ import annotations

import typer

from matcher.cli.learning import (
    Attribution,
    Folds,
    Learning,
    Licence,
    MarginFolders,
    ScorerFile,
    SuiteFolders,
    learn_and_write,
)
from matcher.cli.session import Session, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "learn", remote=False)(learn_scorer)


async def learn_scorer(
    session: Session,
    suites: SuiteFolders,
    *,
    out: ScorerFile,
    margins: MarginFolders = None,
    folds: Folds = 5,
    licence: Licence = "",
    attribution: Attribution = "",
) -> None:
    """Learn a scorer from suites, and print its recall on agents that it was not learned from.

    FILE is written only if the scorer beats both the untrained scorer and the one already in FILE.
    """
    learning = Learning(tuple(suites), tuple(margins or ()), out, folds, licence, attribution)
    await learn_and_write(session, learning)
