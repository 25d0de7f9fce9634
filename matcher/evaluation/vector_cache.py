"""The cache of texts' vectors, in memory for one run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from matcher.encoder import Encoder, Priority, Vectors, halves_of

CHUNK: Final = 64
"""Texts of one call to the encoder."""

AT_ONCE: Final = 3
"""Calls to the encoder at once, so that none of its workers is idle."""


class VectorCache:
    """Encodes each text once for all suites and methods."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._of_pair = halves_of(encoder) is not None
        self._rows: dict[tuple[str, bool | None], int] = {}
        self._table: Vectors = np.zeros((0, encoder.dimension), np.float32)

    def missing(self, texts: Iterable[str], *, english: bool | None = None) -> list[str]:
        """Return the texts without a vector, each once, in the order of their length; english: as of `Encoder`."""
        return sorted({text for text in texts if self._key(text, english) not in self._rows}, key=len)

    async def encode(self, texts: Sequence[str], step: Callable[[], None], *, english: bool | None = None) -> None:
        """Encode texts that are `missing`, and call `step` once for each; english: as of `Encoder`."""
        chunks = [texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK)]
        permits = asyncio.Semaphore(AT_ONCE)

        async def encode(chunk: Sequence[str]) -> Vectors:
            async with permits:
                vectors = await self.encoder.encode(chunk, english=english, priority=Priority.PROFILE)
            for _ in chunk:
                step()
            return vectors

        pieces = await asyncio.gather(*map(encode, chunks))
        self._table = np.concatenate([self._table, *pieces])
        for text in texts:
            self._rows[self._key(text, english)] = len(self._rows)

    def vectors(self, texts: Sequence[str], *, english: bool | None = None) -> Vectors:
        """Return the vectors [texts, dimension] of encoded texts; english: as they were encoded."""
        return self._table[[self._rows[self._key(text, english)] for text in texts]]

    def _key(self, text: str, english: bool | None) -> tuple[str, bool | None]:
        """Return what a vector belongs to: one model has one vector of a text."""
        return text, english if self._of_pair else None
