"""Floors of a pool by language: the affinity below which a message in a language says nothing to go by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SMALL_TALK_SHARE: Final = 0.95
"""The share of small talk that stays below a pool's floor."""


@dataclass(frozen=True, slots=True)
class Floors:
    """The floors by tag of language, as `affinity.language.language_of` returns it."""

    by_language: Mapping[str, float]
    unknown: float
    """The floor of a message whose language is not identified, or has no floor."""

    def of(self, language: str) -> float:
        """Return the floor of a language; "": not identified."""
        return self.by_language.get(language, self.unknown)

    def at_least(self, least: Floors) -> Floors:
        """Return the higher floor of each language that either has."""
        own, other = self.by_language, least.by_language
        higher = {name: max(own.get(name, 0.0), other.get(name, 0.0)) for name in {**own, **other}}
        return Floors(higher, max(self.unknown, least.unknown))


def floor_of(best_affinities: Sequence[float] | NDArray[np.float64], share: float = SMALL_TALK_SHARE) -> float:
    """Return the affinity that a share of small talk stays below, given the best affinity of each message of it.

    This is their quantile, and the higher neighbour where it falls between two. Without messages it is 0.
    """
    if not len(best_affinities):
        return 0.0
    return float(np.quantile(best_affinities, share, method="higher"))
