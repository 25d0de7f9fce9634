"""The threads that run the model: a free one takes what waits, so nothing is ever held back to fill a batch."""

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
from matcher.encoder.queue import Call, Lane, Text, Waiter, due, estimate_tokens
from matcher.encoder.settings import EncoderObserver, EncoderStats, Priority
from matcher.errors import EncoderOverloaded, MatcherError, ModelUnusable, ShuttingDown

# While routes wait without a pause, every so many batches one of profiles runs, so that they are not shut out for good.
ROUTES_PER_PROFILE = 32

Answer = tuple[Call, MatcherError | None]


class WorkerThreads:
    """One thread for each slot of a runtime, and a lane of waiting texts for each priority."""

    def __init__(
        self, runtime: Runtime, max_queued_tokens: int, observer: EncoderObserver, clock: Callable[[], float]
    ) -> None:
        """Start the threads; `clock` gives seconds."""
        self._runtime = runtime
        self._max_queued_tokens = max_queued_tokens
        self._observer = observer
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes = {priority: Lane() for priority in Priority}
        self._routes_in_a_row = 0
        self._in_hand: dict[int, list[Waiter]] = {slot: [] for slot in range(runtime.slots)}
        self._closed = False
        self._counts: dict[str, Any] = {}
        self._threads = {slot: self._start(slot) for slot in range(runtime.slots)}

    def stats(self) -> EncoderStats:
        """Return the counters of this moment."""
        with self._changed:
            return EncoderStats(**self._counts, queued_tokens=sum(lane.tokens for lane in self._lanes.values()))

    def count(self, **counts: float) -> None:
        """Add to counters."""
        with self._changed:
            self._count(**counts)

    def give_up(self, call: Call) -> None:
        """Forget a call whose caller is gone: what of it is not being encoded yet never will be."""
        with self._changed:
            self._count(dropped=self._lanes[call.priority].give_up(call))

    def stop(self) -> list[threading.Thread]:
        """Answer what waits with ShuttingDown; return the threads, each of which ends after the batch in its hands."""
        answers: list[Answer] = []
        with self._changed:
            self._closed = True
            for lane in self._lanes.values():
                for call in {waiter.call for waiter in lane.waiters()}:
                    lane.give_up(call)
                    answers.append((call, ShuttingDown()))
            self._changed.notify_all()
            threads = list(self._threads.values())
        _answer(answers)
        return threads

    def submit(self, call: Call, wanted: Sequence[tuple[int, str]]) -> None:
        """Queue the texts of a call, each with its row; raise EncoderOverloaded or ShuttingDown and queue none."""
        now = self._clock()
        estimates = [estimate_tokens(text) for _, text in wanted]
        size = sum(estimates)
        lane = self._lanes[call.priority]
        with self._changed:
            if self._closed:
                raise ShuttingDown
            # One call larger than the limit is taken when nothing else waits: otherwise it could never be encoded.
            if lane.tokens and lane.tokens + size > self._max_queued_tokens:
                self._count(refused=1)
                raise EncoderOverloaded(queued=lane.tokens, limit=self._max_queued_tokens)
            moment = due(now, size)
            for (row, text), estimate in zip(wanted, estimates, strict=True):
                lane.add(Waiter(call, row, text, estimate, now), moment)
            self._replace_dead()
            self._changed.notify()

    def _start(self, slot: int) -> threading.Thread:
        worker = threading.Thread(target=self._work, args=(slot,), name=f"encoder-{slot}", daemon=True)
        worker.start()
        return worker

    def _replace_dead(self) -> None:
        for slot, worker in self._threads.items():
            if not worker.is_alive() and not self._closed:
                self._count(workers_replaced=1)
                with contextlib.suppress(RuntimeError):  # no thread to be had now; tried again at the next call
                    self._threads[slot] = self._start(slot)

    def _work(self, slot: int) -> None:
        try:
            while self._step(slot):
                pass
        except BaseException as error:  # noqa: BLE001  (whatever ends a worker, its callers are answered)
            if not self._in_hand[slot]:
                # It fell over what waits, and so would the next one.
                self._in_hand[slot] = self._everyone()
            self._fail(slot, error)
            with self._changed:
                if not self._closed:
                    self._count(workers_replaced=1)
                    self._threads[slot] = self._start(slot)

    def _step(self, slot: int) -> bool:
        """Cut what has to be cut into tokens and run one batch; return False when closed."""
        with self._changed:
            while not self._closed and not any(self._lanes.values()):
                self._changed.wait()
            if self._closed:
                return False
            priority = self._next_priority()
            lane = self._lanes[priority]
            uncut = lane.take_uncut()
            self._in_hand[slot] = [waiter for _, waiter in uncut]
        try:
            cut = self._runtime.tokenize([waiter.text for _, waiter in uncut]) if uncut else []
        except Exception as error:  # noqa: BLE001  (whatever a tokenizer raises is answered)
            self._fail(slot, error)
            return True
        with self._changed:
            lane.put_cut(uncut, cut)
            self._in_hand[slot] = []
            batch = lane.take_batch(self._runtime.layout)
            self._in_hand[slot] = [waiter for text in batch for waiter in text.waiters]
            self._routes_in_a_row = self._routes_in_a_row + 1 if priority is Priority.ROUTE else 0
            if any(self._lanes.values()):
                self._changed.notify()  # one that came in wakes one thread; who leaves work behind wakes the next
        try:
            if batch:
                self._run(batch, slot)
        except Exception as error:  # noqa: BLE001  (whatever a model raises is answered)
            self._fail(slot, error)
        self._in_hand[slot] = []
        return True

    def _everyone(self) -> list[Waiter]:
        with self._changed:
            return [waiter for lane in self._lanes.values() for waiter in lane.waiters()]

    def _next_priority(self) -> Priority:
        routes, profiles = self._lanes[Priority.ROUTE], self._lanes[Priority.PROFILE]
        if routes and (not profiles or self._routes_in_a_row < ROUTES_PER_PROFILE):
            return Priority.ROUTE
        return Priority.PROFILE

    def _run(self, batch: Sequence[Text], slot: int) -> None:
        start = self._clock()
        vectors = self._runtime.run([text.tokens for text in batch], slot)
        seconds = self._clock() - start
        if vectors.shape != (len(batch), self._runtime.dimension) or not np.isfinite(vectors).all():
            raise ArithmeticError
        lengths = [text.length for text in batch]
        answers: list[Answer] = []
        with self._changed:
            for text, vector in zip(batch, vectors, strict=True):
                for waiter in text.waiters:
                    call = waiter.call
                    call.vectors[waiter.row] = vector
                    call.missing -= 1
                    if not call.missing and not call.over:
                        call.over = True
                        answers.append((call, None))
            padded = self._runtime.layout.arrange(lengths).tokens
            self._count(batches=1, texts=len(batch), tokens=sum(lengths), padded_tokens=padded, busy_seconds=seconds)
        _answer(answers)
        if self._observer.on_batch is not None:
            self._observer.on_batch(len(batch), seconds)
        if self._observer.on_wait is not None:
            for text in batch:
                for waiter in text.waiters:
                    self._observer.on_wait(start - waiter.since)

    def _fail(self, slot: int, error: BaseException) -> None:
        """Answer everyone whose text this worker has in hand, without the words of the error: they may hold theirs."""
        answers: list[Answer] = []
        with self._changed:
            for call in {waiter.call for waiter in self._in_hand[slot] if not waiter.call.over}:
                self._lanes[call.priority].give_up(call)
                answers.append((call, ModelUnusable(f"a batch failed with {type(error).__name__}")))
            self._in_hand[slot] = []
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
    """Wake the callers, with one wake-up of each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for call, error in answers:
        by_loop.setdefault(call.future.get_loop(), []).append((call, error))
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, some)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            continue


def _settle(answers: Sequence[Answer]) -> None:
    for call, error in answers:
        if call.future.done():
            continue
        if error is None:
            call.future.set_result(call.vectors)
        else:
            call.future.set_exception(error)
