"""The language map: takes out of vectors of many languages what only tells which language a text is in.

A vector of a multilingual model says a little of the language itself: two texts of one language are closer than the
same two in two languages. The means of the languages span the directions that say so, whatever the topic; the map takes
them out (after Yang et al. 2021, "A Simple and Effective Method To Eliminate the Self Language Bias in Multilingual
Representations"). It uses no label and no suite: names and cues of the interest lexicon, and situations made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Floats


def language_map(kinds: Sequence[tuple[Floats, Sequence[str]]]) -> NDArray[np.float64]:
    """Return the projection [dimension, dimension] without the directions in which the languages' means differ.

    kinds: by kind of text, the vectors [n, dimension] and the language of each. Within a kind all languages speak of
    the same topics, so that their means differ by language alone. Raises ValueError where a kind has one language.
    """
    apart = []
    for vectors, languages in kinds:
        of, names = np.array(languages), sorted(set(languages))
        if len(names) < 2:
            raise ValueError("a language map takes texts of two languages or more")
        means = np.array([vectors[of == name].mean(axis=0, dtype=np.float64) for name in names])
        apart.append((means - means.mean(axis=0))[:-1])  # they sum to zero: the last is no direction of its own
    directions = np.linalg.svd(np.concatenate(apart), full_matrices=False)[2]
    return np.asarray(np.eye(directions.shape[1]) - directions.T @ directions, np.float64)
