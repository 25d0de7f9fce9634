"""Weights of universal-sentence-encoder-multilingual, read from its package's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matcher.encoder.model_source import UNIVERSAL_WEIGHTS

DIMENSION: Final = 512
CHUNKS: Final = 17
"""Pieces are dealt out in turn to this number of chunks, each quantised with a scale and an offset of its own."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PieceVectors:
    """The vectors of the pieces at 8 bits [pieces, 512], and each chunk's scale and offset [17]."""

    table: NDArray[np.uint8]
    scale: Floats
    offset: Floats

    def look_up(self, ids: NDArray[np.int64], into: Floats) -> None:
        """Write the vectors of pieces into an array [pieces, 512]."""
        chunk = ids % CHUNKS
        np.copyto(into, self.table[ids])
        into *= self.scale[chunk, None]
        into += self.offset[chunk, None]


def read_weights(folder: Path) -> tuple[PieceVectors, dict[str, Floats]]:
    """Return the vectors of the pieces, and the other weights by their names in the package."""
    with np.load(folder / UNIVERSAL_WEIGHTS, allow_pickle=False) as stored:
        chunks = [stored[f"q{number + 1}"] for number in range(CHUNKS)]
        others: dict[str, Any] = {name: stored[name] for name in stored.files if not name.startswith("q")}
    table = np.empty((CHUNKS * len(chunks[0]), DIMENSION), np.uint8)
    for number, chunk in enumerate(chunks):
        table[number::CHUNKS] = chunk
    return PieceVectors(table, others.pop("scale"), others.pop("lo")), others
