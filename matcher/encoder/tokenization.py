"""Turn texts into the numbers a compiled model takes: tokens, then the arrays of one run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.encoder.artifact import Manifest, Pooling
from matcher.encoder.layout import TOKENS_PER_TEXT, Arrangement, Layout, PackedLayout, PaddedLayout, static_rows
from matcher.encoder.protocols import Tokens
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

from tokenizers import Tokenizer  # noqa: E402

TOKENIZER = "tokenizer.json"
EMBEDDINGS = "embeddings.npy"
Arrays = dict[str, NDArray[Any]]


class Tokenization:
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

    def arrays(self, batch: Sequence[Tokens], into: Arrays | None = None) -> Arrays:
        """Return the model's inputs for one run; `into`: written into the arrays of a packed run, of any content."""
        if not self._manifest.packed:
            return self._padded(batch, self._arrangement(batch))
        arrays = into or self._empty(self._arrangement(batch))
        self._pack(batch, arrays)
        return arrays

    def _arrangement(self, batch: Sequence[Tokens]) -> Arrangement:
        return self.layout.arrange([tokens.length for tokens in batch])

    def _empty(self, arrangement: Arrangement) -> Arrays:
        assert self._embeddings is not None
        row = (1, arrangement.tokens)
        return {
            "embedded": np.empty((*row, self._embeddings.shape[1]), dtype=np.float32),
            "segments": np.empty(row, dtype=np.int64),
            "positions": np.empty(row, dtype=np.int64),
            "weights": np.empty((arrangement.tokens // TOKENS_PER_TEXT, arrangement.tokens), dtype=np.float32),
        }

    def _pack(self, batch: Sequence[Tokens], into: Arrays) -> None:
        """Write texts into one row, one behind the other."""
        assert self._embeddings is not None
        embedded, segments, positions, weights = (
            into[name] for name in ("embedded", "segments", "positions", "weights")
        )
        lengths = np.fromiter((tokens.length for tokens in batch), np.int64, len(batch))
        ids = np.fromiter(chain.from_iterable(tokens.ids for tokens in batch), np.int64)
        pad, first = self._manifest.pad_id, self._manifest.first_position
        pooling = self._manifest.pooling
        if kernels.compiled is not None:
            table = self._embeddings.view(np.uint16)
            one = (pooling == "cls", pooling == "lasttoken")
            kernels.compiled.packed(
                table, ids, lengths, pad, first, *one, embedded[0], segments[0], positions[0], weights
            )
            return
        embedded[0, : len(ids)] = self._embeddings[ids]
        embedded[0, len(ids) :] = self._embeddings[pad]
        # 0 is what no text covers; it attends to itself alone, and no vector is made of it.
        segments[0] = weights[:] = 0
        positions[0] = first
        begin = 0
        for index, length in enumerate(lengths.tolist()):
            where = slice(begin, begin + length)
            segments[0, where] = index + 1
            positions[0, where] = np.arange(length) + first
            weights[index, where] = pooling_weights(pooling, length)
            begin += length

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
