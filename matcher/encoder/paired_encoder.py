"""Encoder of two models: a vector of two halves, the first of which is zero where the text is not surely English."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from matcher.encoder.batching_encoder import BatchingEncoder
from matcher.encoder.protocols import Vectors, unknown_words
from matcher.encoder.settings import EncoderStats, Priority

IDENTIFYING: Final = 1
"""Increased whenever texts are taken for English by another rule, so that vectors by two rules are never mixed."""

Places = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TextReading:
    """How texts are read before two models encode them.

    `surely_english` says of a text by itself whether it is surely in English; `without` returns a text without the
    words at some places, "" where it then says nothing.
    """

    surely_english: Callable[[str], bool]
    without: Callable[[str, Places], str]


def paired_fingerprint(first: str, second: str) -> str:
    """Return the fingerprint of the vectors of two models, given theirs."""
    described = json.dumps({"halves": [first, second], "identifying": IDENTIFYING})
    return hashlib.sha256(described.encode()).hexdigest()[:16]


class PairedEncoder:
    """Encode texts by two models at once: one of English alone, and one of many languages."""

    def __init__(self, first: BatchingEncoder, second: BatchingEncoder, reading: TextReading) -> None:
        """first: of English texts; second: of every text."""
        self._first = first
        self._second = second
        self._reading = reading

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of both models' files and of how English is told."""
        return paired_fingerprint(self._first.fingerprint, self._second.fingerprint)

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector: those of both models."""
        return sum(self.halves)

    @property
    def halves(self) -> tuple[int, int]:
        """Return the number of components of the first half, and of the second."""
        return self._first.dimension, self._second.dimension

    @property
    def runtime(self) -> str:
        """Return the names of both runtimes, such as `openvino-int8+openvino-bf16`."""
        return f"{self._first.runtime}+{self._second.runtime}"

    @property
    def reason(self) -> str:
        """Return why each runtime was chosen."""
        return f"the first, {self._first.reason}; the second, {self._second.reason}"

    def stats(self) -> EncoderStats:
        """Return the counters of both models, summed."""
        both = (self._first.stats(), self._second.stats())
        return EncoderStats(**{field.name: sum(getattr(one, field.name) for one in both) for field in fields(both[0])})

    def unknown(self, texts: Sequence[str]) -> Sequence[Places]:
        """Return for each text the places that neither model knows."""
        found = list(unknown_words(self._first, texts))
        doubtful = [at for at, places in enumerate(found) if places]
        if not doubtful:
            return found
        also = unknown_words(self._second, [texts[at] for at in doubtful])
        for at, places in zip(doubtful, also, strict=True):
            found[at] = _in_both(found[at], places)
        return found

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts into vectors of shape (len(texts), dimension); each half is of unit length, or the first zero.

        english: whether the texts are surely in English; None: each text is asked by itself. The first half is zero
        where a text is not, and where the first model knows no word of it. Raises what the models' encoders raise.
        """
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        begin = self._first.dimension
        rows, known = await self._english(texts, english)
        if not rows:
            vectors[:, begin:] = await self._second.encode(texts, priority=priority)
            return vectors
        first = self._first.begin(known, priority)
        try:
            second = self._second.begin(texts, priority)
        except BaseException:
            first.cancel()
            raise
        try:
            vectors[rows, :begin] = await first.vectors()
            vectors[:, begin:] = await second.vectors()
        except BaseException:
            first.cancel()
            second.cancel()
            raise
        return vectors

    async def _english(self, texts: Sequence[str], english: bool | None) -> tuple[list[int], list[str]]:
        """Return the numbers of the texts that the first model encodes, and what it is given of each."""
        if english is None:
            # To identify hundreds of interests takes a tenth of a second.
            said = await asyncio.to_thread(lambda: [self._reading.surely_english(text) for text in texts])
            rows = [at for at, one in enumerate(said) if one]
        else:
            rows = list(range(len(texts))) if english else []
        given = [texts[at] for at in rows]
        places = unknown_words(self._first, given)
        if not any(places):
            return rows, given
        known = [
            self._reading.without(text, unknown) if unknown else text
            for text, unknown in zip(given, places, strict=True)
        ]
        kept = [(row, text) for row, text in zip(rows, known, strict=True) if text]
        return [row for row, _ in kept], [text for _, text in kept]

    async def close(self) -> None:
        """Stop both: running batches are finished, queued requests are answered with ShuttingDown."""
        await asyncio.gather(self._first.close(), self._second.close())


def _in_both(some: Places, others: Places) -> Places:
    """Return the places that lie in both, in order."""
    parts: list[tuple[int, int]] = []
    at = 0
    for start, end in some:
        while at < len(others) and others[at][1] <= start:
            at += 1
        ahead = at
        while ahead < len(others) and others[ahead][0] < end:
            parts.append((max(start, others[ahead][0]), min(end, others[ahead][1])))
            ahead += 1
    return parts
