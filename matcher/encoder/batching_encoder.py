"""Encoder of the service: batches the texts of many callers, with a queue of two priorities and worker threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np

from matcher.encoder.protocols import Runtime, Vectors, unknown_words
from matcher.encoder.queue import EncodeRequest
from matcher.encoder.settings import EncoderObserver, EncoderStats, Priority
from matcher.encoder.vector_cache import VectorCache
from matcher.encoder.worker_threads import WorkerThreads


class Encoding:
    """Texts that are being encoded for one caller."""

    def __init__(self, request: EncodeRequest, workers: WorkerThreads, keep: Callable[[], None]) -> None:
        """keep: called once the vectors are there."""
        self._request = request
        self._workers = workers
        self._keep = keep

    async def vectors(self) -> Vectors:
        """Return the vectors; a cancelled caller cancels the texts. Raises what `BatchingEncoder.encode` raises."""
        try:
            vectors = await self._request.future
        except asyncio.CancelledError:
            self.cancel()
            raise
        self._keep()
        return vectors

    def cancel(self) -> None:
        """Cancel the texts that do not run yet: nobody waits for them any more."""
        self._request.future.cancel()
        self._workers.cancel(self._request)


class BatchingEncoder:
    """Encode the texts of many callers in batches; a free worker thread never waits to fill a batch."""

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
        cores: AbstractContextManager[object] | None = None,
    ) -> None:
        """cores: a semaphore that each run holds, of encoders that share some cores; None: no other encoder does."""
        self._runtime = runtime
        self._fingerprint = fingerprint
        self._reason = reason
        self._recent = VectorCache(text_cache_size)
        self._workers = WorkerThreads(runtime, max_queued_tokens, observer or EncoderObserver(), clock, cores)

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
        """Return the name of the runtime and its precision, such as `openvino-int8`."""
        return self._runtime.name

    @property
    def reason(self) -> str:
        """Return one sentence saying why this runtime was chosen."""
        return self._reason

    def stats(self) -> EncoderStats:
        """Return the counters."""
        return self._workers.stats()

    def unknown(self, texts: Sequence[str]) -> Sequence[Sequence[tuple[int, int]]]:
        """Return for each text the places of the words that the model does not know."""
        return unknown_words(self._runtime, texts)

    async def encode(
        self,
        texts: Sequence[str],
        *,
        english: bool | None = None,  # noqa: ARG002  (one model reads every text)
        priority: Priority = Priority.ROUTE,
    ) -> Vectors:
        """Encode texts into unit vectors of shape (len(texts), dimension).

        Raises EncoderOverloaded when the queue is full, ModelUnusable when the model fails, ShuttingDown once closed.
        """
        return await self.begin(texts, priority).vectors()

    def begin(self, texts: Sequence[str], priority: Priority = Priority.ROUTE) -> Encoding:
        """Queue texts, and return what gives their vectors. Raises EncoderOverloaded or ShuttingDown."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        missing: list[tuple[int, str]] = []
        for row, text in enumerate(texts):
            vector = self._recent.get(text)
            if vector is None:
                # The tokenizer would refuse the whole batch for half of a surrogate pair.
                missing.append((row, text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")))
            else:
                vectors[row] = vector
        if len(missing) < len(texts):
            self._workers.count(cache_hits=len(texts) - len(missing))
        request = EncodeRequest(asyncio.get_running_loop().create_future(), priority, vectors, len(missing))
        if missing:
            self._workers.submit(request, missing)
        else:
            request.future.set_result(vectors)

        def keep() -> None:
            for row, _ in missing:
                self._recent.put(texts[row], vectors[row])

        return Encoding(request, self._workers, keep)

    async def close(self) -> None:
        """Stop: running batches are finished, queued requests are answered with ShuttingDown."""
        for thread in self._workers.stop():
            await asyncio.to_thread(thread.join)
