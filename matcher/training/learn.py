"""Learning of a scorer from suites: a linear map, its thresholds, and the weights of the confidence.

Recall on held-out agents decides which map of a family (`linear_map`), and which thresholds, the scorer gets. For the
vectors of a pair of models it also decides how much the second model counts beside the first, and from which cosine on,
and how much, pairs count that are not both English.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.kinds import Halves, Others
from matcher.affinity.projection import projected, similarities
from matcher.affinity.scorer import Floats, Scorer
from matcher.training.calibrate import calibrate
from matcher.training.dataset import Dataset, hits_of
from matcher.training.linear_map import Powers, learn_block, parts

NO_FOLD: Final = -1
"""Names no fold: nothing is held out."""


@dataclass(frozen=True, slots=True)
class MapParameters:
    """Hold the powers of one map of the family, and what belongs to it."""

    powers: Powers
    threshold: float
    second: Powers | None = None
    """Powers of the map of the second half, for vectors of a pair of models."""
    share: float = 0.0
    """Of the second model in the cosine of two English texts, for vectors of a pair of models."""
    others: Others | None = None
    """Of pairs that are not both English, for vectors of a pair of models."""
    whole: float = 0.0
    """Weight of a message as a whole, for vectors of a pair of models."""

    @property
    def mapped(self) -> bool:
        """Tell whether there is a learned map at all."""
        return any(of is not None and (of.common or of.within) for of in (self.powers, self.second))


MAP_PARAMETERS: Final = (
    MapParameters(Powers(0.0, 0.0), 0.3),
    MapParameters(Powers(0.10, 0.0), 0.23),
    MapParameters(Powers(0.15, 0.0), 0.22),
    MapParameters(Powers(0.20, 0.0), 0.20),
    MapParameters(Powers(0.10, 0.15), 0.20),
    MapParameters(Powers(0.05, 0.20), 0.22),
)

SHARES: Final = (0.2, 0.35, 0.5)
"""Shares of the second model; the first is tried with every map, all with the best of them."""

SECOND: Final = (0.0, 0.2, 0.3, 0.4)
"""Powers of C for the second half, tried with the best maps."""

APART: Final = (0.98, 0.95, 0.99)
"""Shares of the pairs that are not both English which a threshold of theirs keeps apart; tried last.

A decision's cost rises with the pairs above a threshold, so no lower share is tried.
"""

SLOPES: Final = (1.0, 0.8, 1.4)

WHOLES: Final = (0.0, 0.8, 1.2)
"""Weights of a message as a whole; tried with the best thresholds."""


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
    second: Floats | None = None,
    folds: int = 5,
    on_progress: Callable[[str, float], None] = lambda *_: None,
) -> tuple[Scorer, Report]:
    """Learn a scorer from datasets of one model; return it with a report on agents that took no part.

    before: the scorer to beat; margins: further datasets, from which only the confidence is learned; second: the map of
    the second halves, where it was learned from other texts (`language_map`); None: it is one of the family;
    on_progress: called with each step's name and the share that is done.
    The caller keeps the scorer only if `Report.better`. Raises ValueError without datasets or with one fold.
    """
    if not datasets or folds < 2:
        raise ValueError("learning takes at least one suite and two folds")
    held_out = [_folds(dataset, folds) for dataset in datasets]
    judge = _Judge(datasets, held_out, before.halves, second)
    family = MAP_PARAMETERS if before.halves is None else _of_a_pair(MAP_PARAMETERS)
    hits: dict[MapParameters, list[NDArray[np.float64]]] = {}
    for number, parameters in enumerate(family):
        on_progress("comparing maps", number / len(family) * (1.0 if before.halves is None else 0.3))
        hits[parameters] = judge.hits(parameters)
    # Each fold's parameters are chosen on the other folds, so that the reported recall includes the choice.
    among = [[of != fold for of in held_out] for fold in [*range(folds), NO_FOLD]]
    varied = ((0.3, _with_second), (0.5, judge.with_others), (0.8, _with_wholes))
    for done, vary in varied if before.halves is not None else ():
        further = [one for best in dict.fromkeys(_best(hits, of) for of in among) for one in vary(best)]
        for number, parameters in enumerate(further):
            on_progress("comparing thresholds", done + 0.2 * number / len(further))
            if parameters not in hits:
                hits[parameters] = judge.hits(parameters)
    *chosen, parameters = (_best(hits, of) for of in among)
    recall = {}
    for at, (dataset, of) in enumerate(zip(datasets, held_out, strict=True)):
        recall[dataset.name] = float(np.mean([hits[chosen[fold]][at][number] for number, fold in enumerate(of)]))
    on_progress("calibrating", 0.9)
    scorer = judge.scorer(parameters, NO_FOLD)
    of_margins = [_folds(dataset, folds) for dataset in margins]
    calibration, error = calibrate([*datasets, *margins], scorer, [*held_out, *of_margins], folds)
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


class _Judge:
    """Learns the scorers of parameters, each without one fold, and tells which messages of that fold they get right."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        held_out: Sequence[NDArray[np.int64]],
        halves: Halves | None,
        second: Floats | None,
    ) -> None:
        self._second = second
        self._datasets = datasets
        self._held_out = held_out
        self._halves = halves
        self._blocks: dict[tuple[Powers, int, int], NDArray[np.float64]] = {}

    def hits(self, parameters: MapParameters) -> list[NDArray[np.float64]]:
        """Return by dataset whether each message's best agent is right [messages], by a scorer without its fold."""
        hits = [np.full(len(dataset.relevant), np.nan) for dataset in self._datasets]
        for fold in np.unique(np.concatenate(self._held_out)).tolist() if parameters.mapped else [NO_FOLD]:
            scorer = self.scorer(parameters, fold)
            for dataset, of, right in zip(self._datasets, self._held_out, hits, strict=True):
                judged = (of == fold) if parameters.mapped else np.ones(len(of), np.bool_)
                right[judged] = hits_of(dataset.of_messages(judged), scorer)[judged]
        return hits

    def scorer(self, parameters: MapParameters, fold: int) -> Scorer:
        """Return the scorer of parameters that is learned from all folds but one."""
        scorer = Scorer(
            threshold=parameters.threshold, halves=self._halves, others=parameters.others, whole=parameters.whole
        )
        if not parameters.mapped and self._halves is None:
            return scorer
        # The file keeps the map at 16 bits, so the map is judged at 16 bits.
        blocks = [block.astype(np.float16).astype(np.float32) for block in self._weighed(parameters, fold)]
        if self._halves is None:
            return replace(scorer, map=blocks[0])
        first, dimension = self._halves[0], sum(self._halves)
        linear = np.zeros((dimension, dimension), np.float32)
        linear[:first, :first], linear[first:, first:] = blocks
        return replace(scorer, map=linear)

    def with_others(self, parameters: MapParameters) -> list[MapParameters]:
        """Return parameters with every threshold and slope of pairs that are not both English; none without a pair."""
        scorer = self.scorer(parameters, NO_FOLD)
        of_dataset = [_cosines_of_others(dataset, scorer) for dataset in self._datasets]
        cosines = np.concatenate(of_dataset)
        if not len(cosines):
            return []
        thresholds = [round(float(np.quantile(cosines, share)), 3) for share in APART]
        return [replace(parameters, others=Others(threshold, slope)) for slope in SLOPES for threshold in thresholds]

    def _weighed(self, parameters: MapParameters, fold: int) -> list[NDArray[np.float64]]:
        if self._halves is None:
            return [self._block(parameters.powers, 0, fold)]
        first = self._block(parameters.powers, 0, fold)
        second = self._block(parameters.second or parameters.powers, 1, fold)
        return [first * np.sqrt(1 - parameters.share), second * np.sqrt(parameters.share)]

    def _block(self, powers: Powers, number: int, fold: int) -> NDArray[np.float64]:
        key = (powers, number, fold)
        if key not in self._blocks:
            taken = [of != fold for of in self._held_out]
            part = parts(self._datasets[0].interests.shape[1], self._halves)[number]
            self._blocks[key] = learn_block(self._datasets, taken, powers, part, self._halves)
        if number and self._second is not None:
            return self._second @ self._blocks[key]
        return self._blocks[key]


def _of_a_pair(family: Sequence[MapParameters]) -> list[MapParameters]:
    """Return a family for vectors of a pair; other languages have the threshold of English at first."""
    return [
        replace(parameters, second=parameters.powers, share=SHARES[0], others=Others(parameters.threshold))
        for parameters in family
    ]


def _with_second(parameters: MapParameters) -> list[MapParameters]:
    """Return parameters with every map of the second half and every share of it."""
    seconds = [parameters.second, *(Powers(common, 0.0) for common in SECOND)]
    return [replace(parameters, second=second, share=share) for share in SHARES for second in seconds]


def _cosines_of_others(dataset: Dataset, scorer: Scorer) -> NDArray[np.float32]:
    """Return the cosines of the pairs of a unit and an interest that are not both English [pairs]."""
    interests = projected(scorer, dataset.interests)
    found = [np.zeros(0, np.float32)]
    for low in range(0, len(dataset.units), 256):
        cosine, both = similarities(projected(scorer, dataset.units[low : low + 256]), interests)
        if both is not None:
            found.append(cosine[~both])
    return np.concatenate(found)


def _with_wholes(parameters: MapParameters) -> list[MapParameters]:
    """Return parameters with every weight of a message as a whole."""
    return [replace(parameters, whole=whole) for whole in WHOLES]


def _folds(dataset: Dataset, folds: int) -> NDArray[np.int64]:
    """Return each message's fold, by the person that it is about: the same in every suite and run."""
    about = [min((dataset.person[at] for at in np.flatnonzero(row).tolist()), default="") for row in dataset.relevant]
    return np.array([crc32(person.encode()) % folds for person in about], np.int64)


def _best(hits: dict[MapParameters, list[NDArray[np.float64]]], among: Sequence[NDArray[np.bool_]]) -> MapParameters:
    def worth(parameters: MapParameters) -> float:
        return sum(float(right[of].mean()) for right, of in zip(hits[parameters], among, strict=True) if of.any())

    return max(hits, key=worth)
