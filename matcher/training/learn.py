"""Learn a scorer from suites: a linear map, its threshold, and what the margins are worth.

The map whitens a little: with C the second moment of the suites' vectors, M = C^-a for a small a. What all texts
have in common then counts less, what tells them apart more; no label takes part. With labels, W is the second
moment of the differences between units and the interest they met in a right agent, and M = W^-a C^-b: directions in
which right pairs differ count less (relevant component analysis: Bar-Hillel et al. 2003). Which of the family is
taken, and with which threshold, is decided by recall on agents that took no part.
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
"""Added to the eigenvalues over their mean, so that directions without data stay as they are."""

CLEAR: Final = 0.35
"""Cosine from which a unit and an interest of a right agent are taken to say the same."""


@dataclass(frozen=True, slots=True)
class MapParameters:
    """Name a member of the family of maps, and a threshold."""

    common: float
    """Power by which what texts have in common counts less."""
    within: float
    """Power by which what right pairs differ in counts less."""
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
    """Hold what learning found, as fractions: recall at 1 on agents that took no part, beside the scorer before."""

    recall: dict[str, float]
    before: dict[str, float]
    error: dict[str, float]
    """Expected calibration error over ten bins, on agents that took no part."""
    taste: MapParameters
    compared: dict[MapParameters, dict[str, float]]
    """The recall of each member of the family, likewise."""

    @property
    def better(self) -> bool:
        """Tell whether the mean recall over the suites is higher than before."""
        return sum(self.recall.values()) > sum(self.before.values())


def learn(
    lessons: Sequence[Dataset],
    before: Scorer,
    *,
    margins: Sequence[Dataset] = (),
    folds: int = 5,
    on_progress: Callable[[str, float], None] = lambda *_: None,
) -> tuple[Scorer, Report]:
    """Learn a scorer from lessons of one model, and say what it is worth on agents that took no part in it.

    before: the scorer it must beat; margins: further lessons that only the confidence is learned from;
    on_progress: called with each step's name and the share that is done.
    The caller keeps the scorer only if `Report.better`. Raises ValueError without lessons or with one fold.
    """
    if not lessons or folds < 2:
        raise ValueError("learning takes at least one suite and two folds")
    held_out = [_folds(lesson, folds) for lesson in lessons]
    hits: dict[MapParameters, list[NDArray[np.float64]]] = {}
    for number, taste in enumerate(MAP_PARAMETERS):
        on_progress("comparing maps", number / len(MAP_PARAMETERS))
        hits[taste] = [np.full(len(lesson.relevant), np.nan) for lesson in lessons]
        for fold in np.unique(np.concatenate(held_out)).tolist() if taste.mapped else [-1]:
            scorer = _scorer(lessons, [of != fold for of in held_out], taste)
            for lesson, of, found in zip(lessons, held_out, hits[taste], strict=True):
                judged = (of == fold) if taste.mapped else np.ones(len(of), np.bool_)
                found[judged] = hits_of(lesson.asking(judged), scorer)[judged]
    # Each fold's choice is made on the others, so that the recall told is that of the choosing too.
    chosen = [_best(hits, [of != fold for of in held_out]) for fold in range(folds)]
    taste = _best(hits, [np.ones(len(of), np.bool_) for of in held_out])
    recall = {}
    for at, (lesson, of) in enumerate(zip(lessons, held_out, strict=True)):
        recall[lesson.name] = float(np.mean([hits[chosen[fold]][at][number] for number, fold in enumerate(of)]))
    on_progress("calibrating", 0.9)
    scorer = _scorer(lessons, [np.ones(len(of), np.bool_) for of in held_out], taste)
    further = [_folds(lesson, folds) for lesson in margins]
    calibration, error = calibrate([*lessons, *margins], scorer, [*held_out, *further], folds)
    report = Report(
        recall=recall,
        before={lesson.name: float(hits_of(lesson, before).mean()) for lesson in lessons},
        error=error,
        taste=taste,
        compared={
            one: {lesson.name: float(found.mean()) for lesson, found in zip(lessons, hits[one], strict=True)}
            for one in hits
        },
    )
    on_progress("done", 1.0)
    return replace(scorer, calibration=calibration), report


def _scorer(lessons: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]], taste: MapParameters) -> Scorer:
    scorer = Scorer(threshold=taste.threshold)
    if not taste.mapped:
        return scorer
    linear = np.eye(lessons[0].interests.shape[1])
    if taste.within:
        linear = linear @ _power(_differences(lessons, taken), taste.within)
    if taste.common:
        texts = []
        for lesson, messages in zip(lessons, taken, strict=True):
            away = np.any(lesson.relevant[~messages], axis=0, keepdims=False).reshape(-1)
            texts += [lesson.interests[~away[lesson.owner]], lesson.units[messages[lesson.message]]]
        linear = linear @ _power(np.concatenate(texts), taste.common)
    linear *= np.sqrt(len(linear) / np.sum(linear * linear))
    # Kept at 16 bits in the file: what is judged is what is kept.
    return replace(scorer, map=linear.astype(np.float16).astype(np.float32))


def _power(vectors: Floats, power: float) -> NDArray[np.float64]:
    """Return C^-power of the second moment C of vectors, over its mean eigenvalue and with a ridge."""
    if not len(vectors):
        return np.eye(vectors.shape[1])
    wide = vectors.astype(np.float64)
    values, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    scale = (values / values.mean() + RIDGE) ** -power
    return np.asarray((axes * scale) @ axes.T, np.float64)


def _differences(lessons: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]]) -> Floats:
    found = [np.zeros((0, lessons[0].interests.shape[1]), np.float32)]
    for lesson, messages in zip(lessons, taken, strict=True):
        for low in range(0, len(lesson.units), 256):
            units = np.arange(low, min(low + 256, len(lesson.units)))
            units = units[messages[lesson.message[units]]]
            cosine = lesson.units[units] @ lesson.interests.T
            cosine[~lesson.relevant[lesson.message[units]][:, lesson.owner]] = -1
            best = cosine.argmax(axis=1)
            clear = cosine[np.arange(len(units)), best] > CLEAR
            found.append(lesson.units[units[clear]] - lesson.interests[best[clear]])
    return np.concatenate(found)


def _folds(lesson: Dataset, folds: int) -> NDArray[np.int64]:
    """Put each message in a fold by whom it is about, the same in every suite and run."""
    about = [min((lesson.person[at] for at in np.flatnonzero(row).tolist()), default="") for row in lesson.relevant]
    return np.array([crc32(person.encode()) % folds for person in about], np.int64)


def _best(hits: dict[MapParameters, list[NDArray[np.float64]]], among: Sequence[NDArray[np.bool_]]) -> MapParameters:
    def worth(taste: MapParameters) -> float:
        return sum(float(found[of].mean()) for found, of in zip(hits[taste], among, strict=True) if of.any())

    return max(hits, key=worth)
