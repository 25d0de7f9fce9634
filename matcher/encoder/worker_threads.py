"""Worker threads that run the model: a free thread takes the next batch at once and never waits to fill it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matcher.encoder.protocols import Runtime
from matcher.encoder.queue import EncodeRequest, Lane, QueuedText, TokenizedText, due, estimate_tokens
from matcher.encoder.settings import EncoderObserver, EncoderStats, Priority
from matcher.errors import EncoderOverloaded, MatcherError, ModelUnusable, ShuttingDown

# Batches of routes between two batches of profiles while routes are always queued, so that profiles do not starve.
ROUTES_PER_PROFILE = 32

Answer = tuple[EncodeRequest, MatcherError | None]


class WorkerThreads:
    """One thread for each worker of a runtime, and a lane of queued texts for each priority."""

    def __init__(
        self,
        runtime: Runtime,
        max_queued_tokens: int,
        observer: EncoderObserver,
        clock: Callable[[], float],
        cores: contextlib.AbstractContextManager[object] | None = None,
    ) -> None:
        """Start the threads; `clock` gives seconds. cores: as of `BatchingEncoder`."""
        self._cores = cores or contextlib.nullcontext()
        self._runtime = runtime
        self._max_queued_tokens = max_queued_tokens
        self._observer = observer
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes = {priority: Lane() for priority in Priority}
        self._routes_in_a_row = 0
        self._running: dict[int, list[QueuedText]] = {worker: [] for worker in range(runtime.workers)}
        self._closed = False
        self._counts: dict[str, Any] = {}
        self._threads = {worker: self._start(worker) for worker in range(runtime.workers)}

    def stats(self) -> EncoderStats:
        """Return the counters."""
        with self._changed:
            return EncoderStats(**self._counts, queued_tokens=sum(lane.tokens for lane in self._lanes.values()))

    def count(self, **counts: float) -> None:
        """Add to counters."""
        with self._changed:
            self._count(**counts)

    def cancel(self, request: EncodeRequest) -> None:
        """Cancel a request whose caller is gone: its texts that do not run yet are never encoded."""
        with self._changed:
            self._count(dropped=self._lanes[request.priority].cancel(request))

    def stop(self) -> list[threading.Thread]:
        """Answer queued requests with ShuttingDown; return the threads, each of which ends after the batch it runs."""
        answers: list[Answer] = []
        with self._changed:
            self._closed = True
            for lane in self._lanes.values():
                for request in {queued.request for queued in lane.queued()}:
                    lane.cancel(request)
                    answers.append((request, ShuttingDown()))
            self._changed.notify_all()
            threads = list(self._threads.values())
        _answer(answers)
        return threads

    def submit(self, request: EncodeRequest, texts: Sequence[tuple[int, str]]) -> None:
        """Queue the texts of a request, each with its row; raise EncoderOverloaded or ShuttingDown and queue none."""
        now = self._clock()
        estimates = [estimate_tokens(text) for _, text in texts]
        size = sum(estimates)
        lane = self._lanes[request.priority]
        with self._changed:
            if self._closed:
                raise ShuttingDown
            # A request larger than the limit is queued when the lane is empty: otherwise it could never be encoded.
            if lane.tokens and lane.tokens + size > self._max_queued_tokens:
                self._count(refused=1)
                raise EncoderOverloaded(queued=lane.tokens, limit=self._max_queued_tokens)
            due_at = due(now, size)
            for (row, text), estimate in zip(texts, estimates, strict=True):
                lane.add(QueuedText(request, row, text, estimate, now), due_at)
            self._replace_dead()
            self._changed.notify()

    def _start(self, worker: int) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(worker,), name=f"encoder-{worker}", daemon=True)
        thread.start()
        return thread

    def _replace_dead(self) -> None:
        for worker, thread in self._threads.items():
            if not thread.is_alive() and not self._closed:
                self._count(workers_replaced=1)
                with contextlib.suppress(RuntimeError):  # no thread to be had; the next request tries again
                    self._threads[worker] = self._start(worker)

    def _work(self, worker: int) -> None:
        try:
            while self._step(worker):
                pass
        except BaseException as error:  # noqa: BLE001  (whatever ends a thread, the callers are answered)
            if not self._running[worker]:
                # A queued text ended this thread, and would end the next one.
                self._running[worker] = self._all_queued()
            self._fail(worker, error)
            with self._changed:
                if not self._closed:
                    self._count(workers_replaced=1)
                    self._threads[worker] = self._start(worker)

    def _step(self, worker: int) -> bool:
        """Tokenize what the next batch is chosen from, and run that batch; return False when closed."""
        with self._changed:
            while not self._closed and not any(self._lanes.values()):
                self._changed.wait()
            if self._closed:
                return False
            priority = self._next_priority()
            lane = self._lanes[priority]
            untokenized = lane.take_untokenized()
            self._running[worker] = [queued for _, queued in untokenized]
        try:
            tokens = self._runtime.tokenize([queued.text for _, queued in untokenized]) if untokenized else []
        except Exception as error:  # noqa: BLE001  (whatever a tokenizer raises is answered)
            self._fail(worker, error)
            return True
        with self._changed:
            lane.put_tokenized(untokenized, tokens)
            self._running[worker] = []
        with self._cores:
            self._run_next(worker, priority)
        self._running[worker] = []
        return True

    def _run_next(self, worker: int, priority: Priority) -> None:
        """Choose a batch only now that it can run, because more texts may have come, and run it."""
        lane = self._lanes[priority]
        with self._changed:
            batch = lane.take_batch(self._runtime.layout)
            self._running[worker] = [queued for text in batch for queued in text.queued]
            self._routes_in_a_row = self._routes_in_a_row + 1 if priority is Priority.ROUTE else 0
            if any(self._lanes.values()):
                self._changed.notify()  # a request wakes one thread; a thread that leaves work wakes the next
        try:
            if batch:
                self._run(batch, worker)
        except Exception as error:  # noqa: BLE001  (whatever a model raises is answered)
            self._fail(worker, error)

    def _all_queued(self) -> list[QueuedText]:
        with self._changed:
            return [queued for lane in self._lanes.values() for queued in lane.queued()]

    def _next_priority(self) -> Priority:
        routes, profiles = self._lanes[Priority.ROUTE], self._lanes[Priority.PROFILE]
        if routes and (not profiles or self._routes_in_a_row < ROUTES_PER_PROFILE):
            return Priority.ROUTE
        return Priority.PROFILE

    def _run(self, batch: Sequence[TokenizedText], worker: int) -> None:
        start = self._clock()
        vectors = self._runtime.run([text.tokens for text in batch], worker)
        seconds = self._clock() - start
        if vectors.shape != (len(batch), self._runtime.dimension) or not np.isfinite(vectors).all():
            raise ArithmeticError
        lengths = [text.length for text in batch]
        answers: list[Answer] = []
        with self._changed:
            for text, vector in zip(batch, vectors, strict=True):
                for queued in text.queued:
                    request = queued.request
                    request.vectors[queued.row] = vector
                    request.missing -= 1
                    if not request.missing and not request.closed:
                        request.closed = True
                        answers.append((request, None))
            padded = self._runtime.layout.arrange(lengths).tokens
            self._count(batches=1, texts=len(batch), tokens=sum(lengths), padded_tokens=padded, busy_seconds=seconds)
        _answer(answers)
        if self._observer.on_batch is not None:
            self._observer.on_batch(len(batch), seconds)
        if self._observer.on_wait is not None:
            for text in batch:
                for queued in text.queued:
                    self._observer.on_wait(start - queued.since)

    def _fail(self, worker: int, error: BaseException) -> None:
        """Answer the requests whose texts this thread runs, without the error's message: it may hold their words."""
        answers: list[Answer] = []
        with self._changed:
            for request in {queued.request for queued in self._running[worker] if not queued.request.closed}:
                self._lanes[request.priority].cancel(request)
                answers.append((request, ModelUnusable(f"a batch failed with {type(error).__name__}")))
            self._running[worker] = []
            self._count(failures=1)
        _answer(answers)
        if self._observer.on_failure is not None:
            frames = traceback.extract_tb(error.__traceback__)
            where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
            self._observer.on_failure(f"{type(error).__name__}{where}")

    def _count(self, **counts: float) -> None:
        for name, more in counts.items():
            self._counts[name] = self._counts.get(name, 0) + more


def _answer(answers: Iterable[Answer]) -> None:
    """Wake the callers, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for request, error in answers:
        by_loop.setdefault(request.future.get_loop(), []).append((request, error))
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, some)
        except RuntimeError:
            # The loop is closed, and with it the caller is gone.
            continue


def _settle(answers: Sequence[Answer]) -> None:
    for request, error in answers:
        if request.future.done():
            continue
        if error is None:
            request.future.set_result(request.vectors)
        else:
            request.future.set_exception(error)
