"""Confidence that an agent is a right one, computed from the margins between scores rather than from the cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher import kernels

NEAR: Final = 20
"""Other agents that the features take into account, the best first."""

SHARPNESS: Final = 30.0
"""How fast another agent stops counting as near: by a factor e at a score 1/30 lower."""

FEATURES: Final = 11


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turn margins into a probability by one logistic function for all rosters."""

    weights: tuple[float, ...]
    """One for each feature, in the order of `features`."""

    def confidence(
        self, score: NDArray[np.float64], breadth: NDArray[np.float64], at: NDArray[np.integer], free: int, roster: int
    ) -> NDArray[np.float64]:
        """Return the probability [at] that each agent at `at` is a right one for the message.

        score, breadth: [agents] that the message met (`Scores`); free: number of agents searched, met or not; roster:
        number of all agents, free or not. An agent below the best never gets more confidence than at a tie with the
        best.
        """
        if kernels.compiled is not None:
            confidence = np.empty(len(at))
            near, weights = np.zeros(NEAR + 1), np.array(self.weights, np.float64)
            kernels.compiled.confidence(score, breadth, at, free, roster, SHARPNESS, weights, near, confidence)
            return confidence
        logits = features(score, breadth, at, free, roster) @ np.asarray(self.weights)
        return np.asarray(1 / (1 + np.exp(-logits)), np.float64)


def features(
    score: NDArray[np.float64], breadth: NDArray[np.float64], at: NDArray[np.integer], free: int, roster: int
) -> NDArray[np.float64]:
    """Return [at, 11]: 1, score, margins to the next and the fourth next, how many are near, breadth, and sizes.

    Several agents may have the same interests, and each of them is right. Such agents have breadth: most of their
    interests meet the message, not one. So breadth weighs the score and the two margins.
    """
    padded = np.concatenate([score, np.zeros(NEAR + 1)])
    near = np.argpartition(padded, -NEAR - 1)[-NEAR - 1 :]
    near = near[np.argsort(-padded[near], kind="stable")]
    best = padded[near]
    places = {agent: place for place, agent in enumerate(near.tolist())}
    own = np.array([places.get(agent, NEAR) for agent in at.tolist()], np.int64)
    mine = score[at]
    # The sum over the other agents is the sum over all, less the agent's own term, which stands at `own`.
    counts = np.exp(SHARPNESS * (best - best[0]))
    crowd = (counts.sum() - counts[own]) * np.exp(SHARPNESS * (best[0] - mine))
    table = np.empty((len(at), FEATURES))
    table[:, 0] = 1.0
    table[:, 1], table[:, 2], table[:, 3] = mine, mine - best[(own <= 0).view(np.int8)], mine - best[3 + (own <= 3)]
    roots = table[:, 1:4]
    np.sqrt(np.maximum(roots, 0.0, out=roots), out=roots)
    table[:, 4] = -np.log(crowd + 0.001)
    table[:, 5] = breadth[at]
    np.multiply(roots, table[:, 5:6], out=table[:, 6:9])
    table[:, 9] = math.log(max(free, 1))
    table[:, 10] = math.log(max(free, 1) / max(roster, free, 1))
    return table
