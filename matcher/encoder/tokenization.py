"""Tokenization: from texts to tokens, and from tokens to the input arrays of a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.encoder.artifact import Manifest, Pooling
from matcher.encoder.layout import TOKENS_PER_TEXT, Arrangement, Layout, PackedLayout, PaddedLayout, static_rows
from matcher.encoder.protocols import Tokens
from matcher.encoder.telemetry_off import stop_telemetry
from matcher.encoder.vocabulary import TokenizerVocabulary

stop_telemetry()

from tokenizers import Tokenizer  # noqa: E402

TOKENIZER = "tokenizer.json"
EMBEDDINGS = "embeddings.npy"
Arrays = dict[str, NDArray[Any]]


class GraphInput(Protocol):
    """Cuts texts into tokens, and arranges tokens in the inputs of a compiled graph."""

    @property
    def layout(self) -> Layout:
        """Return the layout of texts in the input."""

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the words that the model does not know."""

    def arrays(self, batch: Sequence[Tokens], into: Arrays | None = None) -> Arrays:
        """Return the inputs of one run; `into`: arrays of a packed run to write into, whatever they hold."""


class Tokenization:
    """Tokenize texts for one model, with its tokenizer, limit and layout."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load the tokenizer of an artefact."""
        self._manifest = manifest
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        # The file's settings may pad every text to a fixed length, and cut it below the model's limit.
        tokenizer.no_padding()
        tokenizer.enable_truncation(manifest.max_length)
        self._tokenizer = tokenizer
        self._vocabulary = TokenizerVocabulary(tokenizer, lower_case=manifest.lower_case)
        self.layout: Layout = PackedLayout(static_rows(manifest.max_length)) if manifest.packed else PaddedLayout()
        # A memory map: only the pages of words that occur are ever in memory.
        self._embeddings = np.asarray(np.load(folder / EMBEDDINGS, mmap_mode="r")) if manifest.packed else None

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the words that the model does not know."""
        return self._vocabulary.unknown(texts)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        prompt = self._manifest.prompt
        prompted = [prompt + (text.lower() if self._manifest.lower_case else text) for text in texts]
        # A tokenizer that adds no tokens at the ends gives none for an empty text.
        token_ids = [
            tuple(encoding.ids) or (self._manifest.pad_id,) for encoding in self._tokenizer.encode_batch_fast(prompted)
        ]
        return [Tokens(text, ids, len(ids)) for text, ids in zip(texts, token_ids, strict=True)]

    def arrays(self, batch: Sequence[Tokens], into: Arrays | None = None) -> Arrays:
        """Return the model's inputs for one run; `into`: arrays of a packed run to write into, whatever they hold."""
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
            single = (pooling == "cls", pooling == "lasttoken")
            kernels.compiled.packed(
                table, ids, lengths, pad, first, *single, embedded[0], segments[0], positions[0], weights
            )
            return
        embedded[0, : len(ids)] = self._embeddings[ids]
        embedded[0, len(ids) :] = self._embeddings[pad]
        # Segment 0 is padding: it attends to itself alone, and has no weight in any vector.
        segments[0] = weights[:] = 0
        positions[0] = first
        begin = 0
        for index, length in enumerate(lengths.tolist()):
            span = slice(begin, begin + length)
            segments[0, span] = index + 1
            positions[0, span] = np.arange(length) + first
            weights[index, span] = pooling_weights(pooling, length)
            begin += length

    def _padded(self, batch: Sequence[Tokens], arrangement: Arrangement) -> Arrays:
        shape = (arrangement.rows, arrangement.row_length)
        ids = np.full(shape, self._manifest.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        # The mean of a row without tokens would be a division by zero.
        mask[len(batch) :, 0] = 1
        for row, tokens in enumerate(batch):
            # Models that pool the last token are trained with padding on the left.
            column = arrangement.row_length - tokens.length if self._manifest.pad_left else 0
            ids[row, column : column + tokens.length] = tokens.ids
            mask[row, column : column + tokens.length] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}


def pooling_weights(pooling: Pooling, length: int) -> NDArray[np.float32]:
    """Return the weight of each token's vector in the text's; normalisation removes any constant factor."""
    weights = np.zeros(length, dtype=np.float32)
    if pooling == "cls":
        weights[0] = 1
    elif pooling == "lasttoken":
        weights[-1] = 1
    else:
        weights[:] = 1 / length
    return weights
