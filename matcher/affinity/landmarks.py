"""Landmarks: the lexicon's interests with their places in the map, among which the interests of a roster are placed.

The places come with the package and depend on no roster and no model, so an interest stays where it is from day to day.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.interest_lexicon import packaged

Floats = NDArray[np.float32]

CUES: Final = 3
"""Cues that describe a landmark: its name alone is so short that many texts are close to it."""
NEAREST: Final = 4
"""Landmarks between which an interest is placed."""
NEIGHBOURHOOD: Final = 0.15
"""Only landmarks this close to the nearest in the map count: an interest between two regions stands in one of them."""
SHARPNESS: Final = 20.0
SPREAD: Final = 0.012
"""How far an interest is moved by its text alone, so that interests of one landmark do not cover each other."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The place of an interest within -1 to 1, and the landmark that is nearest to it, by its number."""

    x: float
    y: float
    nearest: int


@cache
def places() -> tuple[tuple[str, float, float], ...]:
    """Return the id and the place of each landmark, as the package has them."""
    text = (resources.files("matcher.affinity") / "interests" / "places.txt").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple((entry, float(x), float(y)) for entry, x, y in rows)


def described() -> tuple[str, ...]:
    """Return the English text that describes each entry of the lexicon, in the order of the lexicon."""
    return tuple(
        f"{entry.name}: {', '.join(entry.cues[:: max(1, len(entry.cues) // CUES)][:CUES])}"
        for entry in packaged("en").values()
    )


class Landmarks:
    """Place interests by their vectors."""

    def __init__(self, vectors: Floats) -> None:
        """vectors: [landmarks, dimension], of the texts of `described`."""
        known = {entry: (x, y) for entry, x, y in places()}
        self._at = np.array([known[entry] for entry in packaged("en")], np.float64)
        centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        self._vectors = np.ascontiguousarray((centred / np.maximum(lengths, 1e-9)).T)

    def placed(self, texts: Sequence[str], vectors: Floats) -> list[Placed | None]:
        """Return the place of each interest, vectors [texts, dimension]; None for an interest that says nothing."""
        close = vectors @ self._vectors
        says = np.abs(vectors).max(axis=1, initial=0) > 0
        best = np.argsort(-close, axis=1, kind="stable")[:, :NEAREST]
        return [self._place(text, close[row], best[row]) if says[row] else None for row, text in enumerate(texts)]

    def _place(self, text: str, close: Floats, best: NDArray[np.intp]) -> Placed:
        near = best[np.linalg.norm(self._at[best] - self._at[best[0]], axis=1) <= NEIGHBOURHOOD]
        weights = np.exp((close[near] - close[near[0]]) * SHARPNESS)
        x, y = np.average(self._at[near], axis=0, weights=weights)
        digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
        turn, far = int.from_bytes(digest[:2]) / 65536 * math.tau, math.sqrt(int.from_bytes(digest[2:]) / 65536)
        return Placed(float(x) + SPREAD * far * math.cos(turn), float(y) + SPREAD * far * math.sin(turn), int(best[0]))
