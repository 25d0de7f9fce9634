"""Kept vectors: those of a contact that waits, sealed with its text, so that no process encodes the text again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.store.sealer import WaitingVectors

MOST_KEPT: Final = 8
"""Rows kept of a contact, 14 KiB at most: a longer text is encoded again, so that no record grows with its text."""
_DIGEST_BYTES: Final = 8


def to_keep(vectors: NDArray[np.float32], texts: Sequence[str], model: str) -> WaitingVectors | None:
    """Return the vectors [texts, dimension] as they are sealed, as fp16; None where they are too many, or none.

    texts: what each row was computed from; model: the fingerprint of the model that computed them.
    """
    if not 0 < len(vectors) <= MOST_KEPT:
        return None
    return WaitingVectors(model, _digest(texts), vectors.astype(np.float16).tobytes())


def kept_rows(kept: WaitingVectors | None, texts: Sequence[str], model: str) -> NDArray[np.float32] | None:
    """Return the vectors of texts [texts, dimension] where just these are kept, by the same model; else None."""
    if kept is None or not texts or kept.model != model or kept.texts != _digest(texts):
        return None
    return np.frombuffer(kept.rows, np.float16).reshape(len(texts), -1).astype(np.float32)


def _digest(texts: Sequence[str]) -> bytes:
    """Return what tells whether a text is cut as it was: another version, or other small talk, may cut it otherwise."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=_DIGEST_BYTES).digest()
