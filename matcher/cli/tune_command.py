"""The command `matcher tune`: fits the packaged pair of models to what customers write, and writes a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

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
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session, command

if TYPE_CHECKING:
    from matcher.affinity.scorer import Floats
    from matcher.evaluation.production import Production

SITUATIONS_AN_ENTRY = 8
"""Situations made of each entry in each language: 42,624 in twelve languages."""
QUICK_SITUATIONS = 2
QUICK_FOLDS = 2


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "tune", remote=False)(tune_scorer)


async def tune_scorer(
    session: Session,
    suites: SuiteFolders,
    *,
    out: ScorerFile,
    margins: MarginFolders = None,
    folds: Folds = 5,
    seed: Annotated[int, typer.Option("--seed", help="Chooses frames and cues of the situations.")] = 20,
    quick: Annotated[
        bool, typer.Option("--quick", help="A quarter of the situations, and two folds: to see whether it runs.")
    ] = False,
    licence: Licence = "",
    attribution: Attribution = "",
) -> None:
    """Fit the pair of models: what only tells a text's language is taken out, then a scorer is learned from suites.

    The languages' directions come from the interest lexicon and from situations made of it, in every language that has
    both. Blend, thresholds, maps and the weight of the whole message are chosen by folds over agents. FILE is written
    only if the scorer beats both the untrained scorer and the one already in FILE. Add suites of your own: agents.jsonl
    with your roster, messages.jsonl with messages and the agents who suit them.
    """
    learning = Learning(tuple(suites), tuple(margins or ()), out, QUICK_FOLDS if quick else folds, licence, attribution)
    an_entry = QUICK_SITUATIONS if quick else SITUATIONS_AN_ENTRY
    await learn_and_write(session, learning, partial(_language_map, session, an_entry, seed))


async def _language_map(session: Session, an_entry: int, seed: int, production: Production) -> Floats:
    """Return the map of the second halves, from the lexicon's cues and from situations."""
    from matcher.training.language_map import language_map
    from matcher.training.situations import shared_entries, situations

    if production.scorer.halves is None:
        raise CommandError("only the packaged pair of models is tuned: leave MATCHER_MODEL empty")
    first = production.scorer.halves[0]
    cues = [(cue, language) for language, entries in shared_entries().items() for e in entries for cue in e.cues]
    told = [(situation.text, situation.language) for situation in situations(an_entry, seed)]

    async def second_halves(label: str, texts: Sequence[str]) -> Floats:
        missing = production.cache.missing(texts, english=False)
        with steps(session.err, label, len(missing)) as step:
            await production.cache.encode(missing, step, english=False)
        return production.cache.vectors(texts, english=False)[:, first:]

    kinds = [
        (await second_halves(label, [text for text, _ in pairs]), [language for _, language in pairs])
        for label, pairs in (("encoding cues", cues), ("encoding situations", told))
    ]
    return language_map(kinds).astype("float32")
