"""Interests as vectors: encoded patiently, since nobody waits for them as a customer waits for a route."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.encoder import Encoder, Priority
from matcher.errors import EncoderOverloaded
from matcher.store.records import stored_precision

LINES_A_CALL: Final = 512


async def encode_interests(encoder: Encoder, lines: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors [lines, dimension] as the store keeps them; a full encoder is asked until it has room."""
    parts = [
        await _encode(encoder, lines[start : start + LINES_A_CALL]) for start in range(0, len(lines), LINES_A_CALL)
    ]
    return stored_precision(np.concatenate(parts))


async def _encode(encoder: Encoder, lines: Sequence[str]) -> NDArray[np.float32]:
    while True:
        try:
            return await encoder.encode(lines, priority=Priority.PROFILE)
        except EncoderOverloaded as full:
            await asyncio.sleep(full.retry_after_seconds or 0.2)
