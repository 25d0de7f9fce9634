"""Cross-validation over agents: each message is routed by a scorer that learned nothing about its right agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Scorer
from matcher.evaluation.datasets import lesson_of
from matcher.evaluation.decisions import Decisions, decide
from matcher.evaluation.evaluate import Evaluated, baselines_of, summarise
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.suite import Suite
from matcher.training.learn import learn

INNER_FOLDS: Final = 3
"""Folds by which learning itself chooses among maps."""

Teach = Callable[[Sequence[Suite]], Scorer]
"""Learns a scorer from suites whose texts are known."""


def fold_of(suite: Suite, folds: int) -> NDArray[np.int64]:
    """Return each message's fold [messages], by who is right: the same agent has the same fold in every suite."""
    return np.array([crc32(min(one.relevant, default=one.id).encode()) % folds for one in suite.messages], np.int64)


def without(suite: Suite, fold: int, folds: int) -> Suite:
    """Return a suite without the messages of a fold and without the agents who are right for them."""
    away = fold_of(suite, folds) == fold
    kept = tuple(one for one, gone in zip(suite.messages, away, strict=True) if not gone)
    gone = {agent for one, gone in zip(suite.messages, away, strict=True) if gone for agent in one.relevant}
    messages = tuple(replace(one, relevant=one.relevant - gone) for one in kept)
    return replace(
        suite,
        agents=tuple(agent for agent in suite.agents if agent.id not in gone),
        messages=tuple(one for one in messages if one.relevant),
    )


async def evaluate_by_folds(
    production: Production,
    suites: Sequence[Suite],
    folds: int,
    progress: Progress,
    *,
    teach: Teach | None = None,
    free: float = 1.0,
    compare: bool = True,
) -> list[Evaluated]:
    """Evaluate suites as `evaluate` does, each fold by a scorer taught on the other folds of all suites.

    Every message meets the whole roster. folds: at least 2; teach: as `matcher learn` does, where it is not given.
    Raises ValueError for fewer folds.
    """
    learn_from = teach or (lambda taken: _learn(production, taken))
    if folds < 2:
        raise ValueError("cross-validation takes at least two folds")
    for suite in suites:
        await production.learn_suite(suite, progress)
    parts: list[list[Decisions]] = [[] for _ in suites]
    for fold in range(folds):
        with progress(f"fold {fold + 1} of {folds}: learning", 1) as step:
            taught = production.with_scorer(learn_from([without(suite, fold, folds) for suite in suites]))
            step()
        for suite, made in zip(suites, parts, strict=True):
            places = np.flatnonzero(fold_of(suite, folds) == fold)
            if len(places):
                asked = replace(suite, messages=tuple(suite.messages[at] for at in places.tolist()))
                decisions = await decide(taught, asked, progress, free=free)
                made.append(replace(decisions, message=places[decisions.message]))
    return [
        summarise(suite, _together(made), await baselines_of(production, suite, progress) if compare else ())
        for suite, made in zip(suites, parts, strict=True)
    ]


def _learn(production: Production, suites: Sequence[Suite]) -> Scorer:
    lessons = [lesson_of(production, suite) for suite in suites if suite.messages]
    scorer, _ = learn(lessons, Scorer(), folds=INNER_FOLDS)
    return scorer


def _together(parts: Sequence[Decisions]) -> Decisions:
    """Join decisions; the floor is the mean of the folds'."""
    joined = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts])
        for one in fields(Decisions)
        if one.name != "floor"
    }
    return Decisions(**joined, floor=float(np.mean([part.floor for part in parts])))
