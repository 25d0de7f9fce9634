"""Hearing: says which entries the units of a text bring up, by their cues and by their vectors together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.cue_index import Standing
from matcher.listening.entry_vectors import EntryVectors
from matcher.listening.listened_entries import Listened, ListenedEntries
from matcher.model.coverage import EntryKind

FIRST_SHARE: Final = 0.5
"""The share of the first half's distance in that of an English unit."""


LEAD_SHARE: Final = 0.25
"""The share that an entry's lead over the other entries of its kind has beside its distance."""
MOST_LEAD: Final = 2.0
"""A longer lead counts as this one. An entry behind the closest one has a lead below zero."""

Bounds = Mapping[Standing, float]
"""How far beyond texts of no matter a unit must be to an entry that has a cue in it, by how the cue stands."""

BOUNDS: Final[Mapping[EntryKind, Bounds]] = {
    EntryKind.INTEREST: {Standing.STEMS: 9.0, Standing.WORD: 7.0, Standing.PHRASE: 3.9},
    EntryKind.THEME: {Standing.STEMS: 4.0, Standing.WORD: 2.5, Standing.PHRASE: 2.5},
}
"""Chosen for precision on 300 units that two readers labelled (docs/coverage.md)."""
STATED: Final[Bounds] = {Standing.STEMS: 3.0, Standing.WORD: 2.0, Standing.PHRASE: 1.5}
"""Those of a text that is known to state an interest, as an agent's is: a cue in it is rarely another word's twin."""
ALONE: Final = 8.0
"""The bound of a theme without a cue. Interests are too many: any bound that hears right hears nothing."""


class Hearing:
    """Find the entries of a site that units bring up. It is read by several threads and never changed."""

    def __init__(self, entries: ListenedEntries, vectors: EntryVectors) -> None:
        self.entries = entries
        self._vectors = vectors
        themes = [number for number, entry in enumerate(entries.entries) if entry.kind is EntryKind.THEME]
        self._themes = slice(themes[0], themes[-1] + 1) if themes else slice(len(entries.entries), len(entries.entries))
        """Themes follow the interests: a slice copies no vectors."""
        self._interests = slice(0, themes[0] if themes else len(entries.entries))

    def entry(self, number: int) -> Listened:
        """Return an entry by its number."""
        return self.entries.entries[number]

    def find(self, texts: Sequence[str], vectors: NDArray[np.float32], language: str) -> set[int]:
        """Return the numbers of the entries that any of the texts brings up.

        vectors: those of the texts [texts, dimension], as a decision has them; language: the tag of the texts.
        """
        if not len(texts):
            return set()
        themes = self._reached(vectors, self._themes)
        found = {self._themes.start + int(theme) for theme in np.flatnonzero((themes >= ALONE).any(axis=0))}
        index = self.entries.cues.get(language)
        if index is None:
            return found
        for at, text in enumerate(texts):
            cues = index.find(text)
            if cues:
                bounds = {number: BOUNDS[self.entry(number).kind][stands] for number, stands in cues.items()}
                found |= self._interests_of(bounds, vectors[at : at + 1])
                of_text = themes[at]
                found.update(
                    number
                    for number, bound in bounds.items()
                    if number >= self._themes.start and of_text[number - self._themes.start] >= bound
                )
        return found

    def _interests_of(self, bounds: Mapping[int, float], vector: NDArray[np.float32]) -> set[int]:
        """Return those of some entries that are interests and that a text reaches, given the bound of each."""
        numbers = [number for number in bounds if number < self._interests.stop]
        if not numbers:
            return set()
        far = self.distances(vector, numbers)[0].tolist()
        # The lead asks for the distance of every interest: it is reckoned only where it may decide.
        most = LEAD_SHARE * MOST_LEAD
        near = [number for number, distance in zip(numbers, far, strict=True) if distance + most >= bounds[number]]
        if not near:
            return set()
        reached = self._reached(vector, self._interests)[0]
        return {number for number in near if reached[number] >= bounds[number]}

    def stated(self, text: str, vector: NDArray[np.float32], language: str) -> set[int]:
        """Return the numbers of the interests that a text states, as an agent's does. vector: [1, dimension]."""
        index = self.entries.cues.get(language)
        if index is None:
            return set()
        cues = {number: stands for number, stands in index.find(text).items() if number < self._interests.stop}
        far = self.distances(vector, list(cues))[0].tolist()
        return {
            number for (number, stands), distance in zip(cues.items(), far, strict=True) if distance >= STATED[stands]
        }

    def _reached(self, vectors: NDArray[np.float32], kind: slice) -> NDArray[np.float32]:
        """Return what each text reaches with the entries of a kind: its distance, and a share of the lead."""
        far = self.distances(vectors, kind)
        if far.shape[1] > 1:
            second, best = np.partition(far, (-2, -1), axis=1)[:, -2:].T
            others = np.where(far >= best[:, None], second[:, None], best[:, None])
            far += LEAD_SHARE * np.minimum(far - others, MOST_LEAD)
        return far

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
