"""Encode for many callers at once: a free worker takes what waits, so nothing is ever held back to fill a batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy as np

from matcher.encoder.protocols import Runtime, Vectors
from matcher.encoder.queue import Call
from matcher.encoder.settings import EncoderObserver, EncoderStats, Priority
from matcher.encoder.vector_cache import VectorCache
from matcher.encoder.worker_threads import WorkerThreads


class BatchingEncoder:
    """The encoder of the service: a queue in two lanes, and a worker thread for each slot of the runtime."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        fingerprint: str,
        reason: str,
        max_queued_tokens: int,
        text_cache_size: int = 0,
        observer: EncoderObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._fingerprint = fingerprint
        self._reason = reason
        self._recent = VectorCache(text_cache_size)
        self._workers = WorkerThreads(runtime, max_queued_tokens, observer or EncoderObserver(), clock)

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of the model's files: vectors under one fingerprint are comparable."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._runtime.dimension

    @property
    def runtime(self) -> str:
        """Return what runs the model and how precisely."""
        return self._runtime.name

    @property
    def reason(self) -> str:
        """Return one sentence saying why this runtime was chosen."""
        return self._reason

    def stats(self) -> EncoderStats:
        """Return the counters of this moment."""
        return self._workers.stats()

    async def encode(self, texts: Sequence[str], *, priority: Priority = Priority.ROUTE) -> Vectors:
        """Encode texts into unit vectors of shape (len(texts), dimension).

        Raises EncoderOverloaded when too much waits, ModelUnusable when the model fails, ShuttingDown once closed.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        wanted: list[tuple[int, str]] = []
        for row, text in enumerate(texts):
            known = self._recent.get(text)
            if known is None:
                # A lone half of a surrogate pair is no text; the tokenizer would refuse the whole batch for it.
                wanted.append((row, text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")))
            else:
                vectors[row] = known
        if len(wanted) < len(texts):
            self._workers.count(cache_hits=len(texts) - len(wanted))
        if not wanted:
            return vectors
        call = Call(asyncio.get_running_loop().create_future(), priority, vectors, len(wanted))
        self._workers.submit(call, wanted)
        try:
            await call.future
        except asyncio.CancelledError:
            self._workers.give_up(call)
            raise
        for row, _ in wanted:
            self._recent.put(texts[row], vectors[row])
        return vectors

    async def close(self) -> None:
        """Stop: what runs is finished, what waits is answered with ShuttingDown."""
        for thread in self._workers.stop():
            await asyncio.to_thread(thread.join)
