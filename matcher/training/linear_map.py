"""The linear maps that a scorer learns, a block for each half of the vectors.

M = C^-a whitens a little: C is the second moment of the suites' vectors and a is small. What all texts have in common
then counts less, and what distinguishes them counts more; this uses no label. With labels, W is the second moment of
the differences between units and the matching interests of a right agent, and M = W^-a C^-b: directions in which right
pairs differ count less (relevant component analysis: Bar-Hillel et al. 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.kinds import Halves, are_english
from matcher.affinity.projection import Projection, projected, similarities
from matcher.affinity.scorer import Floats, untrained
from matcher.training.dataset import Dataset

RIDGE: Final = 0.05
"""Added to the eigenvalues divided by their mean, so that directions without data stay as they are."""

CLEAR: Final = 0.35
"""Cosine above which a unit and an interest of a right agent count as a right pair."""


@dataclass(frozen=True, slots=True)
class Powers:
    """Hold the powers of one map of the family."""

    common: float
    """Power of C: the higher, the less counts what all texts have in common."""
    within: float
    """Power of W: the higher, the less count the directions in which right pairs differ."""


def parts(dimension: int, halves: Halves | None) -> list[slice]:
    """Return the components that each block of a map is for: of each half, or of the whole vector."""
    return [slice(0, dimension)] if halves is None else [slice(0, halves[0]), slice(halves[0], dimension)]


def learn_block(
    datasets: Sequence[Dataset],
    taken: Sequence[NDArray[np.bool_]],
    powers: Powers,
    part: slice,
    halves: Halves | None,
) -> NDArray[np.float64]:
    """Return the map's block for a part of the components, of mean squared stretch 1.

    taken: by dataset, the messages [messages] to learn from; nobody learns who is right for the others.
    """
    linear = np.eye(part.stop - part.start)
    if powers.within:
        linear = linear @ _power(_differences(datasets, taken, halves)[:, part], powers.within)
    if powers.common:
        linear = linear @ _power(_texts(datasets, taken, halves)[:, part], powers.common)
    linear *= np.sqrt(len(linear) / np.sum(linear * linear))
    return linear


def _power(vectors: Floats, power: float) -> NDArray[np.float64]:
    """Return C^-power, where C is the vectors' second moment divided by its mean eigenvalue, with a ridge.

    Vectors that are zero, as the first halves of texts that are not English, change nothing of it.
    """
    if not vectors.any():
        return np.eye(vectors.shape[1])
    wide = vectors.astype(np.float64)
    values, axes = np.linalg.eigh(wide.T @ wide / len(wide))
    scale = (values / values.mean() + RIDGE) ** -power
    return np.asarray((axes * scale) @ axes.T, np.float64)


def _texts(datasets: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]], halves: Halves | None) -> Floats:
    """Return the vectors of interests and of the units of taken messages, from which C is computed.

    Of a pair's vectors those of all interests: a map shortens what it was learned from, so agents who took no part
    would be nearer to every message than the others, and would be found too often. Of one model's vectors the
    interests of the other messages' right agents are left out, as when the packaged scorer was learned and measured.
    """
    texts = []
    for dataset, messages in zip(datasets, taken, strict=True):
        away = np.zeros(dataset.agents, np.bool_)
        if halves is None:
            away = np.any(dataset.relevant[~messages], axis=0, keepdims=False).reshape(-1)
        texts += [dataset.interests[~away[dataset.owner]], dataset.units[messages[dataset.message]]]
    return np.concatenate(texts)


def _differences(datasets: Sequence[Dataset], taken: Sequence[NDArray[np.bool_]], halves: Halves | None) -> Floats:
    differences = [np.zeros((0, datasets[0].interests.shape[1]), np.float32)]
    plain = untrained(halves)
    for dataset, messages in zip(datasets, taken, strict=True):
        interests = projected(plain, dataset.interests)
        for low in range(0, len(dataset.units), 256):
            units = np.arange(low, min(low + 256, len(dataset.units)))
            units = units[messages[dataset.message[units]]]
            cosine = _cosines(projected(plain, dataset.units[units]), interests)
            cosine[~dataset.relevant[dataset.message[units]][:, dataset.owner]] = -1
            best = cosine.argmax(axis=1)
            clear = cosine[np.arange(len(units)), best] > CLEAR
            differences.append(_difference(dataset.units[units[clear]], dataset.interests[best[clear]], halves))
    return np.concatenate(differences)


def _cosines(units: Projection, interests: Projection) -> Floats:
    return similarities(units, interests)[0]


def _difference(units: Floats, interests: Floats, halves: Halves | None) -> Floats:
    """Return how pairs [n] of a unit and an interest differ; not in a half that only one of the two has."""
    difference = units - interests
    if halves is not None:
        difference[are_english(units, halves) != are_english(interests, halves), : halves[0]] = 0
    return difference
