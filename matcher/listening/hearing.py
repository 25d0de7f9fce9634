"""Hearing: says which entries the units of a text bring up, by their cues and by their vectors together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.listening.entry_vectors import EntryVectors
from matcher.listening.listened_entries import Listened, ListenedEntries
from matcher.model.coverage import EntryKind

FIRST_SHARE: Final = 0.5
"""The share of the first half's distance in that of an English unit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far beyond texts of no matter a unit must be, in deviations: where it has a cue, and where it has none."""

    with_cue: float
    alone: float


BOUNDS: Final = {EntryKind.INTEREST: Bounds(2.0, 9.0), EntryKind.THEME: Bounds(0.0, 4.2)}
"""Chosen on 120 units of the choosing messages of examples/, for a precision of 85 % (docs/coverage.md)."""


class Hearing:
    """Find the entries of a site that units bring up. It is read by several threads and never changed."""

    def __init__(self, entries: ListenedEntries, vectors: EntryVectors) -> None:
        self.entries = entries
        self._vectors = vectors
        kinds = [entry.kind for entry in entries.entries]
        self._with_cue = np.array([BOUNDS[kind].with_cue for kind in kinds], np.float32)
        self._alone = np.array([BOUNDS[kind].alone for kind in kinds], np.float32)

    def entry(self, number: int) -> Listened:
        """Return an entry by its number."""
        return self.entries.entries[number]

    def find(self, texts: Sequence[str], vectors: NDArray[np.float32], language: str) -> set[int]:
        """Return the numbers of the entries that any of the texts brings up.

        vectors: those of the texts [texts, dimension], as a decision has them; language: the tag of the texts.
        """
        found = set[int]()
        distances = self.distances(vectors)
        index = self.entries.cues.get(language)
        for text, distance in zip(texts, distances, strict=True):
            found.update(np.flatnonzero(distance >= self._alone).tolist())
            if index is not None:
                found.update(number for number in index.find(text) if distance[number] >= self._with_cue[number])
        return found

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far each text is beyond a text of no matter [texts, entries], in deviations."""
        of = self._vectors
        width = of.first.shape[1]
        far: NDArray[np.float32] = vectors[:, width:] @ of.second.T - of.second_offset
        if width:
            english = np.flatnonzero(vectors[:, 0])
            if len(english):
                first = vectors[english, :width] @ of.first.T - of.first_offset
                far[english] = (1 - FIRST_SHARE) * far[english] + FIRST_SHARE * first
        return far
