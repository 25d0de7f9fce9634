"""Calibration of the confidence: fits the weights that turn margins into a probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.confidence import FEATURES, Calibration, features
from matcher.affinity.scorer import Evidence, Scorer
from matcher.training.dataset import Dataset, evidence_of, per_message, scores_of

RIVALS: Final = (0.0, 0.3, 0.1)
"""Shares of the agents that are free while confidence is learned; 0 stands for all agents."""


def calibrate(
    datasets: Sequence[Dataset], scorer: Scorer, held_out: Sequence[NDArray[np.int64]], folds: int
) -> tuple[Calibration, dict[str, float]]:
    """Fit one logistic function for all datasets; return it and, by dataset, its error on agents of other folds."""
    parts: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], float]] = []
    spans: dict[str, slice] = {}
    rows = 0
    for dataset, of in zip(datasets, held_out, strict=True):
        evidence = evidence_of(dataset, scorer)
        for share in RIVALS:
            columns, right = _margins(dataset, scorer, evidence, share)
            parts.append((columns, right, of, 1 / len(right)))
            if not share:
                spans[dataset.name] = slice(rows, rows + len(right))
            rows += len(right)
    columns = np.concatenate([part[0] for part in parts])
    right = np.concatenate([part[1] for part in parts])
    fold = np.concatenate([part[2] for part in parts])
    weight = np.concatenate([np.full(len(part[1]), part[3]) for part in parts])
    confidence = np.zeros(len(right))
    for number in range(folds):
        away = fold == number
        fitted = _logistic(columns[~away], right[~away], weight[~away])
        confidence[away] = 1 / (1 + np.exp(-columns[away] @ fitted))
    error = {name: calibration_error(confidence[span], right[span]) for name, span in spans.items()}
    return Calibration(tuple(float(number) for number in _logistic(columns, right, weight))), error


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [
        abs(confidence[bins == at].mean() - right[bins == at].mean()) * (bins == at).mean() for at in np.unique(bins)
    ]
    return float(sum(gaps))


def _margins(
    dataset: Dataset, scorer: Scorer, evidence: Evidence, share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return for each message the features of the agent with the highest score, and whether that agent is right."""
    free = np.ones(dataset.relevant.shape, np.bool_)
    if share:
        free = np.random.default_rng(0).random(free.shape) < share
        kept = free[evidence.agent // dataset.agents, evidence.agent % dataset.agents]
        evidence = evidence.only(kept)
    scores = scores_of(dataset, scorer, evidence)
    columns = np.zeros((len(free), FEATURES))
    right = np.zeros(len(free), np.bool_)
    columns[:, 0] = 1
    for number, span, agents in per_message(dataset, scores):
        if len(agents):
            score, breadth = scores.score[span], scores.breadth[span]
            best = int(score.argmax())
            searched = int(free[number].sum())
            columns[number] = features(score, breadth, np.array([best]), searched, dataset.agents)[0]
            right[number] = dataset.relevant[number, agents[best]]
    return columns, right


def _logistic(table: NDArray[np.float64], right: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit logistic regression by Newton's method with a slight ridge on standardised columns."""
    weight = weight / weight.mean()
    mean, spread = table.mean(axis=0), table.std(axis=0)
    mean[0], spread[spread < 1e-9] = 0, 1
    columns = (table - mean) / spread
    fitted = np.zeros(columns.shape[1])
    ridge = np.r_[0.0, np.ones(len(fitted) - 1)]
    for _ in range(30):
        share = 1 / (1 + np.exp(-np.clip(columns @ fitted, -30, 30)))
        slope = columns.T @ (weight * (share - right)) + ridge * fitted
        bend = (columns * (weight * share * (1 - share) + 1e-9)[:, None]).T @ columns + np.diag(ridge)
        fitted -= np.linalg.solve(bend, slope)
    raw = fitted / spread
    raw[0] -= float((fitted * mean / spread)[1:].sum())
    return np.asarray(raw, np.float64)
