"""The mean affinity of a pool: what a waiting control contact is weighed with, so that waits do not differ by arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOST_PAIRS: Final = 100_000
"""Pairs after which the earlier ones count half, so that the mean follows the pool."""


class MeanAffinity:
    """The mean over the pairs of a waiting contact that is weighed by affinity and a free agent it might get."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._pairs = 0

    def note(self, listed: Mapping[str, float]) -> None:
        """Count a contact's pairs; listed: the affinity that counts of each agent, 0 where it counts nothing."""
        self._sum += sum(listed.values())
        self._pairs += len(listed)
        if self._pairs > MOST_PAIRS:
            self._sum, self._pairs = self._sum / 2, self._pairs // 2

    @property
    def value(self) -> float:
        """Return the mean; 0 before the first pair."""
        return self._sum / self._pairs if self._pairs else 0.0
