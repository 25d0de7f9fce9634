"""Turn texts into the numbers a compiled model takes: tokens, then the arrays of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.encoder.artifact import Manifest, Pooling
from matcher.encoder.contract import Tokens
from matcher.encoder.layout import TOKENS_PER_TEXT, Arrangement, Layout, PackedLayout, PaddedLayout, static_rows
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

from tokenizers import Tokenizer  # noqa: E402

TOKENIZER = "tokenizer.json"
EMBEDDINGS = "embeddings.npy"
Arrays = dict[str, NDArray[Any]]


class Reader:
    """Reads texts for one model: its tokenizer, its limit, its layout."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load the tokenizer of an artefact."""
        self._manifest = manifest
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        # The file's own settings may pad every text to a fixed length, and cut it below the model's limit.
        tokenizer.no_padding()
        tokenizer.enable_truncation(manifest.max_length)
        self._tokenizer = tokenizer
        self.layout: Layout = PackedLayout(static_rows(manifest.max_length)) if manifest.packed else PaddedLayout()
        # Mapped: only the pages of words that people use are ever in memory.
        self._embeddings = np.asarray(np.load(folder / EMBEDDINGS, mmap_mode="r")) if manifest.packed else None

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        prompt = self._manifest.prompt
        read = [prompt + (text.lower() if self._manifest.lower_case else text) for text in texts]
        # A tokenizer without tokens at the ends gives none for an empty text.
        cut = [tuple(encoding.ids) or (self._manifest.pad_id,) for encoding in self._tokenizer.encode_batch_fast(read)]
        return [Tokens(text, ids, len(ids)) for text, ids in zip(texts, cut, strict=True)]

    def arrays(self, batch: Sequence[Tokens]) -> Arrays:
        """Return the model's inputs for one run."""
        arrangement = self.layout.arrange([tokens.length for tokens in batch])
        if self._manifest.packed:
            return self._packed(batch, arrangement)
        return self._padded(batch, arrangement)

    def _packed(self, batch: Sequence[Tokens], arrangement: Arrangement) -> Arrays:
        shape = (arrangement.rows, arrangement.row_length)
        ids = np.full(shape, self._manifest.pad_id, dtype=np.int64)
        # 0 is what no text covers; it attends to itself alone, and no vector is made of it.
        segments = np.zeros(shape, dtype=np.int64)
        positions = np.full(shape, self._manifest.first_position, dtype=np.int64)
        weights = np.zeros((arrangement.tokens // TOKENS_PER_TEXT, arrangement.tokens), dtype=np.float32)
        for index, (tokens, (row, column)) in enumerate(zip(batch, arrangement.places, strict=True)):
            where = slice(column, column + tokens.length)
            ids[row, where] = tokens.ids
            segments[row, where] = index + 1
            positions[row, where] = np.arange(tokens.length) + self._manifest.first_position
            start = row * arrangement.row_length + column
            weights[index, start : start + tokens.length] = pooling_weights(self._manifest.pooling, tokens.length)
        assert self._embeddings is not None
        embedded = self._embeddings[ids].astype(np.float32)
        return {"embedded": embedded, "segments": segments, "positions": positions, "weights": weights}

    def _padded(self, batch: Sequence[Tokens], arrangement: Arrangement) -> Arrays:
        shape = (arrangement.rows, arrangement.row_length)
        ids = np.full(shape, self._manifest.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        # A row without any token would be a mean of nothing.
        mask[len(batch) :, 0] = 1
        for row, tokens in enumerate(batch):
            # Models that pool the last token are trained with padding on the left.
            column = arrangement.row_length - tokens.length if self._manifest.pad_left else 0
            ids[row, column : column + tokens.length] = tokens.ids
            mask[row, column : column + tokens.length] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}


def pooling_weights(pooling: Pooling, length: int) -> NDArray[np.float32]:
    """Return the weight of each token's vector in the text's; a constant factor does not outlive normalisation."""
    weights = np.zeros(length, dtype=np.float32)
    if pooling == "cls":
        weights[0] = 1
    elif pooling == "lasttoken":
        weights[-1] = 1
    else:
        weights[:] = 1 / length
    return weights
