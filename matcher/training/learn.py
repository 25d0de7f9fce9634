"""Learning of a scorer from suites: a linear map, its threshold, and the weights of the confidence.

The map whitens a little: M = C^-a, where C is the second moment of the suites' vectors and a is small. What all texts
have in common then counts less, and what distinguishes them counts more; this uses no label. With labels, W is the
second moment of the differences between units and the matching interests of a right agent, and M = W^-a C^-b:
directions in which right pairs differ count less (relevant component analysis: Bar-Hillel et al. 2003). Recall on held-
out agents decides which map of the family, and which threshold, the scorer gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Floats, Scorer
from matcher.training.calibrate import calibrate
from matcher.training.dataset import Dataset, hits_of

RIDGE: Final = 0.05
"""Added to the eigenvalues divided by their mean, so that directions without data stay as they are."""

CLEAR: Final = 0.35
"""Cosine above which a unit and an interest of a right agent count as a right pair."""


@dataclass(frozen=True, slots=True)
class MapParameters:
    """Hold the powers of one map of the family, and a threshold."""

    common: float
    """Power of C: the higher, the less counts what all texts have in common."""
    within: float
    """Power of W: the higher, the less count the directions in which right pairs differ."""
    threshold: float

    @property
    def mapped(self) -> bool:
        """Tell whether there is a map at all."""
        return bool(self.common or self.within)


MAP_PARAMETERS: Final = (
    MapParameters(0.0, 0.0, 0.3),
    MapParameters(0.10, 0.0, 0.23),
    MapParameters(0.15, 0.0, 0.22),
    MapParameters(0.20, 0.0, 0.20),
    MapParameters(0.10, 0.15, 0.20),
    MapParameters(0.05, 0.20, 0.22),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Hold the result of learning, in fractions: recall at 1 on agents that took no part, also of the scorer before."""

    recall: dict[str, float]
    before: dict[str, float]
    error: dict[str, float]
    """Expected calibration error over ten bins, on agents that took no part."""
    parameters: MapParameters
    compared: dict[MapParameters, dict[str, float]]
    """The recall of each map of the family, on agents that took no part."""

    @property
    def better(self) -> bool:
        """Tell whether the mean recall over the suites is higher than before."""
        return sum(self.recall.values()) > sum(self.before.values())


def learn(
    datasets: Sequence[Dataset],
    before: Scorer,
    *,
    margins: Sequence[Dataset] = (),
    folds: int = 5,
    on_progress: Callable[[str, float], None] = lambda *_: None,
) -> tuple[Scorer, Report]:
    """Learn a scorer from datasets of one model; return it with a report on agents that took no part.

    before: the scorer to beat; margins: further datasets, from which only the confidence is learned;
    on_progress: called with each step's name and the share that is done.
    The caller keeps the scorer only if `Report.better`. Raises ValueError without datasets or with one fold.
    """
    if not datasets or folds < 2:
        raise ValueError("learning takes at least one suite and two folds")
    held_out = [_folds(dataset, folds) for dataset in datasets]
    hits: dict[MapParameters, list[NDArray[np.float64]]] = {}
    for number, parameters in enumerate(MAP_PARAMETERS):
        on_progress("comparing maps", number / len(MAP_PARAMETERS))
        hits[parameters] = [np.full(len(dataset.relevant), np.nan) for dataset in datasets]
        for fold in np.unique(np.concatenate(held_out)).tolist() if parameters.mapped else [-1]:
            scorer = _scorer(datasets, [of != fold for of in held_out], parameters)
            for dataset, of, right in zip(datasets, held_out, hits[parameters], strict=True):
                judged = (of == fold) if parameters.mapped else np.ones(len(of), np.bool_)
                right[judged] = hits_of(dataset.of_messages(judged), scorer)[judged]
    # Each fold's parameters are chosen on the other folds, so that the reported recall includes the choice.
    chosen = [_best(hits, [of != fold for of in held_out]) for fold in range(folds)]
    parameters = _best(hits, [np.ones(len(of), np.bool_) for of in held_out])
    recall = {}
    for at, (dataset, of) in enumerate(zip(datasets, held_out, strict=True)):
        recall[dataset.name] = float(np.mean([hits[chosen[fold]][at][number] for number, fold in enumerate(of)]))
    on_progress("calibrating", 0.9)
    scorer = _scorer(datasets, [np.ones(len(of), np.bool_) for of in held_out], parameters)
    further = [_folds(dataset, folds) for dataset in margins]
    calibration, error = calibrate([*datasets, *margins], scorer, [*held_out, *further], folds)
    report = Report(
        recall=recall,
        before={dataset.name: float(hits_of(dataset, before).mean()) for dataset in datasets},
        error=error,
        parameters=parameters,
        compared={
            tried: {dataset.name: float(right.mean()) for dataset, right in zip(datasets, hits[tried], strict=True)}
            for tried in hits
        },
    )
    on_progress("done", 1.0)
    return replace(scorer, calibration=calibration), report


def _scorer(datasets: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]], parameters: MapParameters) -> Scorer:
    scorer = Scorer(threshold=parameters.threshold)
    if not parameters.mapped:
        return scorer
    linear = np.eye(datasets[0].interests.shape[1])
    if parameters.within:
        linear = linear @ _power(_differences(datasets, taken), parameters.within)
    if parameters.common:
        texts = []
        for dataset, messages in zip(datasets, taken, strict=True):
            away = np.any(dataset.relevant[~messages], axis=0, keepdims=False).reshape(-1)
            texts += [dataset.interests[~away[dataset.owner]], dataset.units[messages[dataset.message]]]
        linear = linear @ _power(np.concatenate(texts), parameters.common)
    linear *= np.sqrt(len(linear) / np.sum(linear * linear))
    # The file keeps the map at 16 bits, so the map is judged at 16 bits.
    return replace(scorer, map=linear.astype(np.float16).astype(np.float32))


def _power(vectors: Floats, power: float) -> NDArray[np.float64]:
    """Return C^-power, where C is the vectors' second moment divided by its mean eigenvalue, with a ridge."""
    if not len(vectors):
        return np.eye(vectors.shape[1])
    wide = vectors.astype(np.float64)
    values, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    scale = (values / values.mean() + RIDGE) ** -power
    return np.asarray((axes * scale) @ axes.T, np.float64)


def _differences(datasets: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]]) -> Floats:
    differences = [np.zeros((0, datasets[0].interests.shape[1]), np.float32)]
    for dataset, messages in zip(datasets, taken, strict=True):
        for low in range(0, len(dataset.units), 256):
            units = np.arange(low, min(low + 256, len(dataset.units)))
            units = units[messages[dataset.message[units]]]
            cosine = dataset.units[units] @ dataset.interests.T
            cosine[~dataset.relevant[dataset.message[units]][:, dataset.owner]] = -1
            best = cosine.argmax(axis=1)
            clear = cosine[np.arange(len(units)), best] > CLEAR
            differences.append(dataset.units[units[clear]] - dataset.interests[best[clear]])
    return np.concatenate(differences)


def _folds(dataset: Dataset, folds: int) -> NDArray[np.int64]:
    """Return each message's fold, by the person that it is about: the same in every suite and run."""
    about = [min((dataset.person[at] for at in np.flatnonzero(row).tolist()), default="") for row in dataset.relevant]
    return np.array([crc32(person.encode()) % folds for person in about], np.int64)


def _best(hits: dict[MapParameters, list[NDArray[np.float64]]], among: Sequence[NDArray[np.bool_]]) -> MapParameters:
    def worth(parameters: MapParameters) -> float:
        return sum(float(right[of].mean()) for right, of in zip(hits[parameters], among, strict=True) if of.any())

    return max(hits, key=worth)
