"""Confidence: how likely the foremost agent is a right one, from the margins rather than from the cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher import kernels

NEAR: Final = 20
"""Other agents that are looked at, the best first."""

SHARPNESS: Final = 30.0
"""How fast another agent stops counting as near: by e at a score 1/30 lower."""

FEATURES: Final = 11


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turn margins into a probability by one logistic function for every roster."""

    weights: tuple[float, ...]
    """One a feature, in the order of `features`."""

    def confidence(
        self, score: NDArray[np.float64], breadth: NDArray[np.float64], at: NDArray[np.integer], free: int, roster: int
    ) -> NDArray[np.float64]:
        """Return the probability [at] that each agent at `at` is a right one for the message.

        score, breadth: [agents] of those the message met (`Scores`); free: who was asked about, met or not;
        roster: who there is, free or not. Whoever is behind another gets what they would get at a tie, or less.
        """
        if kernels.compiled is not None:
            found = np.empty(len(at))
            near, weights = np.zeros(NEAR + 1), np.array(self.weights, np.float64)
            kernels.compiled.confidence(score, breadth, at, free, roster, SHARPNESS, weights, near, found)
            return found
        logits = features(score, breadth, at, free, roster) @ np.asarray(self.weights)
        return np.asarray(1 / (1 + np.exp(-logits)), np.float64)


def features(
    score: NDArray[np.float64], breadth: NDArray[np.float64], at: NDArray[np.integer], free: int, roster: int
) -> NDArray[np.float64]:
    """Return [at, 11]: 1, the score, margins to the next and the fourth next, how many are near, breadth, sizes.

    Several agents may hold the same interests, and any of them is right. Their mark is breadth: most of their
    interests meet the message, not one. So the two margins are weighed by it.
    """
    padded = np.concatenate([score, np.zeros(NEAR + 1)])
    near = np.argpartition(padded, -NEAR - 1)[-NEAR - 1 :]
    near = near[np.argsort(-padded[near], kind="stable")]
    best = padded[near]
    places = {index: place for place, index in enumerate(near.tolist())}
    own = np.array([places.get(index, NEAR) for index in at.tolist()], np.int64)
    mine = score[at]
    # The others of whoever stands at `own` are all but that one: the sum of what they count is the whole without it.
    counts = np.exp(SHARPNESS * (best - best[0]))
    crowd = (counts.sum() - counts[own]) * np.exp(SHARPNESS * (best[0] - mine))
    told = np.empty((len(at), FEATURES))
    told[:, 0] = 1.0
    told[:, 1], told[:, 2], told[:, 3] = mine, mine - best[(own <= 0).view(np.int8)], mine - best[3 + (own <= 3)]
    roots = told[:, 1:4]
    np.sqrt(np.maximum(roots, 0.0, out=roots), out=roots)
    told[:, 4] = -np.log(crowd + 0.001)
    told[:, 5] = breadth[at]
    np.multiply(roots, told[:, 5:6], out=told[:, 6:9])
    told[:, 9] = math.log(max(free, 1))
    told[:, 10] = math.log(max(free, 1) / max(roster, free, 1))
    return told
