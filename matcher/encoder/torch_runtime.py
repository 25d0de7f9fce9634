"""Runtime that runs any model with sentence-transformers: slow and heavy, but the authority on the model's vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matcher.encoder.layout import Layout, PaddedLayout
from matcher.encoder.model_source import ModelSource
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.telemetry_off import stop_telemetry
from matcher.errors import ModelUnusable


class TorchRuntime:
    """Run a SentenceTransformer in fp32: half precision is very slow on CPUs without instructions for it."""

    def __init__(self, source: ModelSource, threads: int) -> None:
        """Load the model; takes several seconds. Raises ModelUnusable."""
        stop_telemetry()
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from tokenizers import Tokenizer

            from matcher.encoder.vocabulary import TokenizerVocabulary

            torch.set_num_threads(threads)
            self._model = SentenceTransformer(str(source.path), device="cpu", local_files_only=True)
        except Exception as error:
            raise ModelUnusable(f"sentence-transformers cannot load {source.name} ({type(error).__name__})") from error
        # Checkpoints in half precision are loaded as they are.
        self._model.float().eval()
        # A tokenizer without places, in Python, is taken to know every word.
        fast = getattr(self._model.tokenizer, "backend_tokenizer", None)
        self._vocabulary = None if fast is None else TokenizerVocabulary(Tokenizer.from_str(fast.to_str()))
        self._limit = int(self._model.max_seq_length or 512)
        self._dimension = int(np.shape(self._model.encode(["dimension"], show_progress_bar=False))[1])

    @property
    def name(self) -> str:
        """Return `torch-fp32`."""
        return "torch-fp32"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._dimension

    @property
    def workers(self) -> int:
        """Return 1: torch spreads one run over the cores."""
        return 1

    @property
    def layout(self) -> Layout:
        """Return the layout with a row for each text."""
        return PaddedLayout()

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places of the words that the model does not know."""
        return [[] for _ in texts] if self._vocabulary is None else self._vocabulary.unknown(texts)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Count the tokens of texts; the model tokenizes them again when it encodes them."""
        encoded = self._model.tokenizer(list(texts), truncation=True, max_length=self._limit)["input_ids"]
        return [Tokens(text, (), len(ids)) for text, ids in zip(texts, encoded, strict=True)]

    def run(self, batch: Sequence[Tokens], worker: int) -> Vectors:  # noqa: ARG002  (there is one worker)
        """Return one unit vector a text, in order, shape (len(batch), dimension)."""
        vectors: Vectors = self._model.encode(
            [tokens.text for tokens in batch],
            batch_size=len(batch),
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32, copy=False)
        return vectors
