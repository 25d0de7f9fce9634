"""Calibrate: learn what the margins are worth as a probability, from lessons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.confidence import FEATURES, Calibration, features
from matcher.affinity.scorer import Evidence, Scorer
from matcher.training.dataset import Dataset, evidence_of, per_message

RIVALS: Final = (0.0, 0.3, 0.1)
"""Shares of the agents left free, besides all of them, when confidence is learned; 0 stands for everybody."""


def calibrate(
    lessons: Sequence[Dataset], scorer: Scorer, held_out: Sequence[NDArray[np.int64]], folds: int
) -> tuple[Calibration, dict[str, float]]:
    """Fit one logistic function for all lessons, and tell its error on the agents of the other folds."""
    told: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], float]] = []
    spans: dict[str, slice] = {}
    rows = 0
    for lesson, of in zip(lessons, held_out, strict=True):
        evidence = evidence_of(lesson, scorer)
        for share in RIVALS:
            known, right = _margins(lesson, scorer, evidence, share)
            told.append((known, right, of, 1 / len(right)))
            if not share:
                spans[lesson.name] = slice(rows, rows + len(right))
            rows += len(right)
    known = np.concatenate([one[0] for one in told])
    right = np.concatenate([one[1] for one in told])
    fold = np.concatenate([one[2] for one in told])
    weight = np.concatenate([np.full(len(one[1]), one[3]) for one in told])
    sure = np.zeros(len(right))
    for number in range(folds):
        away = fold == number
        fitted = _logistic(known[~away], right[~away], weight[~away])
        sure[away] = 1 / (1 + np.exp(-known[away] @ fitted))
    error = {name: calibration_error(sure[span], right[span]) for name, span in spans.items()}
    return Calibration(tuple(float(one) for one in _logistic(known, right, weight))), error


def calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == at].mean() - right[bins == at].mean()) * (bins == at).mean() for at in np.unique(bins)]
    return float(sum(gaps))


def _margins(
    lesson: Dataset, scorer: Scorer, evidence: Evidence, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the features of the foremost agent of each message and whether they are right."""
    free = np.ones(lesson.relevant.shape, np.bool_)
    if share:
        free = np.random.default_rng(0).random(free.shape) < share
        kept = free[evidence.agent // lesson.agents, evidence.agent % lesson.agents]
        evidence = evidence.only(kept)
    scores = scorer.score(evidence)
    known = np.zeros((len(free), FEATURES))
    right = np.zeros(len(free), np.bool_)
    known[:, 0] = 1
    for number, span, agents in per_message(lesson, scores):
        if len(agents):
            score, breadth = scores.score[span], scores.breadth[span]
            best = int(score.argmax())
            asked = int(free[number].sum())
            known[number] = features(score, breadth, np.array([best]), asked, lesson.agents)[0]
            right[number] = lesson.relevant[number, agents[best]]
    return known, right


def _logistic(known: NDArray[np.float64], right: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit logistic regression by Newton's method with a slight ridge on standardised columns."""
    weight = weight / weight.mean()
    mean, spread = known.mean(axis=0), known.std(axis=0)
    mean[0], spread[spread < 1e-9] = 0, 1
    columns = (known - mean) / spread
    fitted = np.zeros(columns.shape[1])
    ridge = np.r_[0.0, np.ones(len(fitted) - 1)]
    for _ in range(30):
        sure = 1 / (1 + np.exp(-np.clip(columns @ fitted, -30, 30)))
        slope = columns.T @ (weight * (sure - right)) + ridge * fitted
        bend = (columns * (weight * sure * (1 - sure) + 1e-9)[:, None]).T @ columns + np.diag(ridge)
        fitted -= np.linalg.solve(bend, slope)
    raw = fitted / spread
    raw[0] -= float((fitted * mean / spread)[1:].sum())
    return np.asarray(raw, np.float64)
