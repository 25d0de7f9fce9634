"""Interfaces of this package: the encoder that the service calls, and the runtime that runs a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from matcher.encoder.layout import Layout
from matcher.encoder.settings import EncoderStats, Priority

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into unit vectors without blocking the event loop.

    An encoder of a pair of models has `halves`, too: see `halves_of`.
    """

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of the model's files: vectors under one fingerprint are comparable."""

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""

    @property
    def runtime(self) -> str:
        """Return the name of the runtime and its precision, such as `openvino-int8`."""

    @property
    def reason(self) -> str:
        """Return one sentence saying why this runtime was chosen."""

    async def encode(
        self, texts: Sequence[str], *, english: bool | None = None, priority: Priority = Priority.ROUTE
    ) -> Vectors:
        """Encode texts into unit vectors of shape (len(texts), dimension); a pair gives two halves of such.

        english: whether the texts are surely in English; None: each is asked by itself. It matters to a pair only.
        Raises EncoderOverloaded when the queue is full, ModelUnusable when the model fails, ShuttingDown once closed.
        """

    def stats(self) -> EncoderStats:
        """Return the counters."""

    async def close(self) -> None:
        """Stop: running batches are finished, queued requests are answered with ShuttingDown."""


def unknown_words(model: Encoder | Runtime, texts: Sequence[str]) -> Sequence[Sequence[tuple[int, int]]]:
    """Return for each text the places of the words that an encoder's or runtime's model does not know, in order.

    An encoder or a runtime without `unknown` knows every word.
    """
    # isinstance of a Protocol takes 9 us, of a decision's 1,500.
    unknown: Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]] | None = getattr(model, "unknown", None)
    return [()] * len(texts) if unknown is None else unknown(texts)


def halves_of(encoder: Encoder) -> tuple[int, int] | None:
    """Return how many components the halves of a pair's vectors have; None: an encoder of one model."""
    halves: tuple[int, int] | None = getattr(encoder, "halves", None)
    return halves


class Tokens(msgspec.Struct, frozen=True):
    """A text as the model reads it; `text` is kept for runtimes that tokenize by themselves."""

    text: str
    ids: tuple[int, ...]
    length: int


class Runtime(Protocol):
    """Runs a model; several worker threads use it at once, each with a number of its own."""

    @property
    def name(self) -> str:
        """Return the name of the runtime and its precision."""

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""

    @property
    def workers(self) -> int:
        """Return how many threads may run the model at once."""

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""

    def run(self, batch: Sequence[Tokens], worker: int) -> Vectors:
        """Return one unit vector a text, in order, shape (len(batch), dimension); worker: number of the thread."""

    @property
    def layout(self) -> Layout:
        """Return the layout that chooses the texts of a run and arranges them."""
