"""Kinds of texts: an English text has a vector in both halves of a pair of models, every other in the second alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Halves: TypeAlias = tuple[int, int]
"""How many components a vector's first half has, which is zero where the text is not surely English, and its second."""


@dataclass(frozen=True, slots=True)
class Others:
    """How closely two texts meet that are not both English: their second halves alone are compared.

    Such a pair is worth the scorer's threshold + slope * (cosine of the second halves - this threshold), so that pairs
    of every kind can be added up. Raises ValueError for a slope that is not positive.
    """

    threshold: float = 0.3
    slope: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a slope that would turn the order round."""
        if not self.slope > 0:
            raise ValueError("the slope of pairs that are not both English must be positive")


def are_english(vectors: NDArray[Any], halves: Halves) -> NDArray[np.bool_]:
    """Tell which vectors [n, dimension] are of English texts [n]: those whose first half is not zero."""
    return np.asarray(vectors[:, : halves[0]].any(axis=1), np.bool_)
