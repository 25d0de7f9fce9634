"""Rows of universal-sentence-encoder-multilingual: writes texts, one behind the other, into the input of its graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from matcher.encoder.layout import TOKENS_PER_TEXT, PackedLayout, static_rows
from matcher.encoder.protocols import Tokens
from matcher.encoder.tokenization import Arrays
from matcher.encoder.universal.pieces import GAP, MOST_PIECES, Pieces
from matcher.encoder.universal.weights import DIMENSION, PieceVectors

ROW_LIMIT: Final = MOST_PIECES + GAP
TABLE: Final = "pieces.npy"
SCALES: Final = "scales.npy"


class UniversalRows:
    """Tokenize texts and arrange them in rows, from an artefact's folder."""

    def __init__(self, folder: Path) -> None:
        """Load the pieces; of their vectors only the pages of pieces that occur are ever in memory."""
        self._pieces = Pieces(folder)
        scale, offset = np.load(folder / SCALES, allow_pickle=False)
        self._vectors = PieceVectors(np.asarray(np.load(folder / TABLE, mmap_mode="r")), scale, offset)
        self.layout = PackedLayout(static_rows(ROW_LIMIT))

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens; a text's length counts the gap behind it."""
        return self._pieces.tokenize(texts)

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the signs that the model does not know."""
        return self._pieces.unknown(texts)

    def arrays(self, batch: Sequence[Tokens], into: Arrays | None = None) -> Arrays:
        """Return the graph's inputs for one run; `into`: arrays to write into, whatever they hold."""
        arrays = into or self._empty(self.layout.arrange([tokens.length for tokens in batch]).tokens)
        embedded, inside, weights = arrays["embedded"][0], arrays["inside"][0], arrays["weights"]
        lengths = np.fromiter((len(tokens.ids) for tokens in batch), np.int64, len(batch))
        ids = np.fromiter(chain.from_iterable(tokens.ids for tokens in batch), np.int64)
        embedded[:] = inside[:] = weights[:] = 0
        text = np.repeat(np.arange(len(batch)), lengths)
        place = np.arange(len(ids)) + GAP * text
        looked_up = np.empty((len(ids), DIMENSION), np.float32)
        self._vectors.look_up(ids, looked_up)
        embedded[place] = looked_up
        inside[place] = 1
        weights[text, place] = 1 / np.sqrt(lengths[text])
        return arrays

    def _empty(self, row: int) -> Arrays:
        return {
            "embedded": np.empty((1, row, DIMENSION), np.float32),
            "inside": np.empty((1, row), np.float32),
            "weights": np.empty((row // TOKENS_PER_TEXT, row), np.float32),
        }


def write_pieces(vectors: PieceVectors, folder: Path) -> None:
    """Write the vectors of the pieces as `UniversalRows` reads them."""
    np.save(folder / TABLE, vectors.table)
    np.save(folder / SCALES, np.stack([vectors.scale, vectors.offset]))
