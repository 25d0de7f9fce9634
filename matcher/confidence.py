"""Confidence: how likely the foremost agent is a right one, from the margins rather than from the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    near = np.argpartition(-padded, NEAR)[: NEAR + 1]
    others = np.tile(padded[near], (len(at), 1))
    own = near[None, :] == at[:, None]
    own[~own.any(axis=1), np.argmin(padded[near])] = True
    others = -np.sort(-np.where(own, -np.inf, others), axis=1)[:, :NEAR]
    mine = score[at]
    root, gap, gap4 = np.sqrt(np.maximum([mine, mine - others[:, 0], mine - others[:, 3]], 0.0))
    crowd = -np.log(np.exp(SHARPNESS * (others - mine[:, None])).sum(axis=1) + 0.001)
    wide = breadth[at]
    sizes = np.log(max(free, 1)), np.log(max(free, 1) / max(roster, free, 1))
    one = np.ones(len(at))
    columns = [one, root, gap, gap4, crowd, wide, wide * root, wide * gap, wide * gap4, *(size * one for size in sizes)]
    return np.column_stack(columns)
