"""Queries that floors are measured by: texts that say nothing about a person, split and encoded as messages are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise

from matcher.affinity.comparable import comparable
from matcher.affinity.language import ENGLISH
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import split
from matcher.encoder import Encoder, unknown_words
from matcher.index import Query
from matcher.replica.interest_vectors import encode_patiently


async def floor_queries(encoder: Encoder, language: str, texts: Sequence[str]) -> list[Query]:
    """Return the queries of texts in a language; a text of which the model knows no word meets nobody, and has none."""
    units = [comparable(split(text).texts(text), partial(unknown_words, encoder)) for text in texts]
    known = [said for of_text in units if (said := [unit for unit in of_text if unit])]
    vectors = await encode_patiently(encoder, [unit for said in known for unit in said], language == ENGLISH)
    ends = accumulate(map(len, known), initial=0)
    return [
        Query(vectors[start:end], [stems(unit) for unit in said])
        for said, (start, end) in zip(known, pairwise(ends), strict=True)
    ]
