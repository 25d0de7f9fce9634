"""Runtime for tests whose batches wait for permission, so that a test can look at queues without sleeping."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import threading
from collections.abc import Sequence

import numpy as np

from matcher.encoder.batching_encoder import BatchingEncoder
from matcher.encoder.layout import Layout, PackedLayout
from matcher.encoder.protocols import Tokens, Vectors
from matcher.encoder.settings import EncoderObserver

PATIENCE_SECONDS = 30.0
DIMENSION = 4


class StagedRuntime:
    """Splits texts at spaces; records each batch, and runs it when `let_run` permits or raises the next of `faults`."""

    def __init__(self, workers: int = 1) -> None:
        """Begin without permission for any batch."""
        self._workers = workers
        self._permits = threading.Semaphore(0)
        self._begun = threading.Semaphore(0)
        self.batches: list[list[str]] = []
        self.faults: list[BaseException] = []
        self.spoilt = False

    @property
    def name(self) -> str:
        """Return `staged`."""
        return "staged"

    @property
    def dimension(self) -> int:
        """Return 4."""
        return DIMENSION

    @property
    def workers(self) -> int:
        """Return how many batches may run at once."""
        return self._workers

    @property
    def layout(self) -> Layout:
        """Return the layout of the real runtime."""
        return PackedLayout()

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Make each word a token."""
        return [Tokens(text, (), max(1, len(text.split()))) for text in texts]

    def run(self, batch: Sequence[Tokens], worker: int) -> Vectors:
        """Record the batch, wait for permission, then fail or answer."""
        assert worker < self._workers
        self.batches.append([tokens.text for tokens in batch])
        self._begun.release()
        assert self._permits.acquire(timeout=PATIENCE_SECONDS)
        if self.faults:
            raise self.faults.pop(0)
        vectors = np.stack([vector_of(tokens.text) for tokens in batch])
        return np.full_like(vectors, np.nan) if self.spoilt else vectors

    def let_run(self, batches: int = 10_000) -> None:
        """Permit so many batches."""
        self._permits.release(batches)

    async def begun(self, batches: int = 1) -> None:
        """Wait until so many more batches have begun."""
        for _ in range(batches):
            assert await asyncio.to_thread(self._begun.acquire, timeout=PATIENCE_SECONDS)


class Clock:
    """Clock that stands still unless a test moves it."""

    def __init__(self) -> None:
        """Start at an arbitrary moment."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def vector_of(text: str) -> Vectors:
    """Return the unit vector that the staged runtime gives a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def staged_encoder(
    runtime: StagedRuntime,
    *,
    max_queued_tokens: int = 100_000,
    text_cache_size: int = 0,
    observer: EncoderObserver | None = None,
    clock: Clock | None = None,
) -> BatchingEncoder:
    """Return the real encoder on a staged runtime."""
    return BatchingEncoder(
        runtime,
        fingerprint="0" * 16,
        reason="for a test",
        max_queued_tokens=max_queued_tokens,
        text_cache_size=text_cache_size,
        observer=observer,
        clock=clock or Clock(),
    )


_numbers = itertools.count()


def words(count: int) -> str:
    """Return a text of so many tokens, unlike any other."""
    return " ".join([f"n{next(_numbers)}", *["word"] * (count - 1)])


async def settled() -> None:
    """Let every task of the loop run as far as it can without waiting for a thread."""
    for _ in range(5):
        await asyncio.sleep(0)
