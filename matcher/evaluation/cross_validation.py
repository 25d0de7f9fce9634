"""Cross-validation over agents: routes each message by a scorer that was learned without its right agents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Scorer, untrained
from matcher.evaluation.datasets import dataset_of
from matcher.evaluation.decisions import Decisions, decide
from matcher.evaluation.evaluate import Evaluation, baselines_of, summarise
from matcher.evaluation.production import Production, Progress
from matcher.evaluation.suite import Suite
from matcher.training.learn import learn

INNER_FOLDS: Final = 3
"""Folds by which `learn` chooses among maps."""

Teach = Callable[[Sequence[Suite]], Scorer]
"""Learns a scorer from suites whose texts are encoded."""


def fold_of(suite: Suite, folds: int) -> NDArray[np.int64]:
    """Return each message's fold [messages], by its right agents; an agent has the same fold in every suite."""
    keys = (min(message.relevant, default=message.id) for message in suite.messages)
    return np.array([crc32(key.encode()) % folds for key in keys], np.int64)


def without(suite: Suite, fold: int, folds: int, *, keep_agents: bool = False) -> Suite:
    """Return a suite without the messages of a fold and without their right agents.

    keep_agents: those agents stay, right for no message: a map shortens the vectors that it was learned from, and must
    shorten all of a roster alike.
    """
    in_fold = fold_of(suite, folds) == fold
    kept = [message for message, left_out in zip(suite.messages, in_fold, strict=True) if not left_out]
    removed = {
        agent
        for message, left_out in zip(suite.messages, in_fold, strict=True)
        if left_out
        for agent in message.relevant
    }
    messages = (replace(message, relevant=message.relevant - removed) for message in kept)
    return replace(
        suite,
        agents=tuple(agent for agent in suite.agents if keep_agents or agent.id not in removed),
        messages=tuple(message for message in messages if message.relevant),
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
) -> list[Evaluation]:
    """Evaluate suites as `evaluate` does, each fold by a scorer learned from the other folds of all suites.

    Every message is ranked against the whole roster. folds: at least 2. teach: by default as `matcher learn` does.
    Raises ValueError for fewer folds.
    """
    if folds < 2:
        raise ValueError("cross-validation needs at least two folds")
    for suite in suites:
        await production.encode_suite(suite, progress)
    parts: list[list[Decisions]] = [[] for _ in suites]
    for fold, with_taught in taught_by_folds(production, suites, folds, progress, teach=teach):
        for suite, by_fold in zip(suites, parts, strict=True):
            numbers = np.flatnonzero(fold_of(suite, folds) == fold)
            if len(numbers):
                held_out = replace(suite, messages=tuple(suite.messages[number] for number in numbers.tolist()))
                decisions = await decide(with_taught, held_out, progress, free=free)
                by_fold.append(replace(decisions, message=numbers[decisions.message]))
    return [
        summarise(suite, _joined(by_fold), await baselines_of(production, suite, progress) if compare else ())
        for suite, by_fold in zip(suites, parts, strict=True)
    ]


def taught_by_folds(
    production: Production, suites: Sequence[Suite], folds: int, progress: Progress, *, teach: Teach | None = None
) -> Iterator[tuple[int, Production]]:
    """Yield each fold with a scorer learned from the other folds of all suites, whose texts are encoded."""
    of_a_pair = production.scorer.halves is not None
    learn_from = teach or (lambda taught: _learn(production, taught))
    for fold in range(folds):
        with progress(f"fold {fold + 1} of {folds}: learning", 1) as step:
            taught = [without(suite, fold, folds, keep_agents=of_a_pair) for suite in suites]
            with_taught = production.with_scorer(learn_from(taught))
            step()
        yield fold, with_taught


def _learn(production: Production, suites: Sequence[Suite]) -> Scorer:
    datasets = [dataset_of(production, suite) for suite in suites if suite.messages]
    scorer, _ = learn(datasets, untrained(production.scorer.halves), folds=INNER_FOLDS)
    return scorer


def _joined(parts: Sequence[Decisions]) -> Decisions:
    """Return the decisions of all folds."""
    names = [column.name for column in fields(Decisions)]
    return Decisions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
