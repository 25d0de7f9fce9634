"""An encoder for tests that is fast and deterministic."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from matcher.encoder import EncoderStats, Priority
from matcher.encoder.protocols import Vectors

DIMENSION: Final = 16


class WordEncoder:
    """Gives each word a direction by its hash, and a text the sum of the directions of its words."""

    fingerprint = "00000000000000ff"
    dimension = DIMENSION
    runtime = "words"
    reason = "a test asked for it"

    async def encode(
        self,
        texts: Sequence[str],
        *,
        english: bool | None = None,  # noqa: ARG002
        priority: Priority = Priority.ROUTE,  # noqa: ARG002
    ) -> Vectors:
        """Encode texts into unit vectors [texts, 16]."""
        if not texts:
            return np.zeros((0, DIMENSION), np.float32)
        rows = np.stack([np.sum([_direction(word) for word in text.lower().split() or [""]], axis=0) for text in texts])
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def stats(self) -> EncoderStats:
        """Return counters that are all 0."""
        return EncoderStats()

    async def close(self) -> None:
        """Do nothing: there is nothing to stop."""


def _direction(word: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seed = int.from_bytes(hashlib.sha256(word.strip(".,!?").encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSION)
