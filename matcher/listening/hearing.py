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
    """How far beyond texts of no matter a unit must be to an entry that has a cue in it, in deviations.

    exact: where a cue stands in it word for word; stems: where only the stems of a cue do.
    """

    exact: float
    stems: float


BOUNDS: Final = {EntryKind.INTEREST: Bounds(1.4, 2.0), EntryKind.THEME: Bounds(0.0, 1.3)}
"""Chosen on 152 units of the choosing messages of examples/, for a precision of 85 % (docs/coverage.md)."""
ALONE: Final = 4.0
"""The bound of a theme without a cue. Interests are too many: any bound that hears right hears nothing."""


class Hearing:
    """Find the entries of a site that units bring up. It is read by several threads and never changed."""

    def __init__(self, entries: ListenedEntries, vectors: EntryVectors) -> None:
        self.entries = entries
        self._vectors = vectors
        self._bounds = [(BOUNDS[entry.kind].stems, BOUNDS[entry.kind].exact) for entry in entries.entries]
        """By entry: the bound where only stems of a cue stand in a unit, and where the cue does."""
        themes = [number for number, entry in enumerate(entries.entries) if entry.kind is EntryKind.THEME]
        self._themes = slice(themes[0], themes[-1] + 1) if themes else slice(0)
        """Themes follow the interests: a slice copies no vectors."""

    def entry(self, number: int) -> Listened:
        """Return an entry by its number."""
        return self.entries.entries[number]

    def find(self, texts: Sequence[str], vectors: NDArray[np.float32], language: str) -> set[int]:
        """Return the numbers of the entries that any of the texts brings up.

        vectors: those of the texts [texts, dimension], as a decision has them; language: the tag of the texts.
        """
        if not len(texts):
            return set()
        far = self.distances(vectors, self._themes)
        found = {self._themes.start + int(theme) for theme in np.flatnonzero((far >= ALONE).any(axis=0))}
        index = self.entries.cues.get(language)
        if index is None:
            return found
        for at, text in enumerate(texts):
            cues = index.find(text)
            if cues:
                numbers = list(cues)
                reached = self.distances(vectors[at : at + 1], numbers)[0].tolist()
                found.update(
                    number
                    for number, distance in zip(numbers, reached, strict=True)
                    if distance >= self._bounds[number][cues[number]]
                )
        return found

    def distances(self, vectors: NDArray[np.float32], entries: slice | list[int]) -> NDArray[np.float32]:
        """Return how far each text is beyond texts of no matter [texts, entries], in deviations."""
        of = self._vectors
        width = of.first.shape[1]
        far: NDArray[np.float32] = vectors[:, width:] @ of.second[entries].T - of.second_offset[entries]
        if width:
            english = np.flatnonzero(vectors[:, 0])
            if len(english):
                first = vectors[english, :width] @ of.first[entries].T - of.first_offset[entries]
                far[english] = (1 - FIRST_SHARE) * far[english] + FIRST_SHARE * first
        return far
