"""Floor texts: what says nothing about a person, split and encoded as messages are, to measure floors by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise

import numpy as np

from matcher.affinity.comparable import comparable
from matcher.affinity.compared import whole_of
from matcher.affinity.language import ENGLISH
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import split
from matcher.encoder import Encoder, Vectors, halves_of, unknown_words
from matcher.index import Query
from matcher.replica.interest_vectors import encode_patiently


@dataclass(frozen=True, slots=True, repr=False)
class FloorText:
    """A text that says nothing about a person, encoded for every scorer of a model."""

    units: Vectors
    """Unit vectors [units, dimension]; with `has_whole` the last of them is that of the text as a whole."""
    stems: tuple[tuple[str, ...], ...]
    """The stems of each unit."""
    has_whole: bool = False

    def query(self, whole: float) -> Query:
        """Return the text as the search takes a message. whole: the scorer's weight of a message as a whole."""
        if not self.has_whole:
            return Query(self.units, self.stems)
        if not whole:
            return Query(self.units[:-1], self.stems[:-1])
        return Query(self.units, self.stems, [1.0] * (len(self.units) - 1) + [whole])


async def floor_texts(encoder: Encoder, language: str, texts: Sequence[str]) -> list[FloorText]:
    """Encode texts in a language; a text of which the model knows no word meets nobody, and is left out."""
    units = [comparable(split(text).texts(text), partial(unknown_words, encoder)) for text in texts]
    known = [said for of_text in units if (said := [unit for unit in of_text if unit])]
    vectors = await encode_patiently(encoder, [unit for said in known for unit in said], language == ENGLISH)
    wholes = [whole_of(said) if halves_of(encoder) else "" for said in known]
    of_wholes = iter(await encode_patiently(encoder, [whole for whole in wholes if whole], english=False))
    encoded = []
    ends = accumulate(map(len, known), initial=0)
    for said, whole, (start, end) in zip(known, wholes, pairwise(ends), strict=True):
        of_units = tuple(stems(unit) for unit in said)
        if whole:
            encoded.append(FloorText(np.concatenate([vectors[start:end], [next(of_wholes)]]), (*of_units, ()), True))
        else:
            encoded.append(FloorText(vectors[start:end], of_units))
    return encoded
