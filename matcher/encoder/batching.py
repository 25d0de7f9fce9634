"""Encode for many callers at once: a free worker takes what waits, so nothing is ever held back to fill a batch."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from matcher.encoder.contract import Runtime, Vectors
from matcher.encoder.settings import EncoderObserver, EncoderStats, Priority
from matcher.encoder.waiting import Call, Lane, Text, Waiter, due, estimate_tokens
from matcher.errors import EncoderOverloaded, MatcherError, ModelUnusable, ShuttingDown

# While routes wait without a pause, every so many batches one of profiles runs, so that they are not shut out for good.
ROUTES_PER_PROFILE = 32

Answer = tuple[Call, MatcherError | None]


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
        self._max_queued_tokens = max_queued_tokens
        self._recent = RecentVectors(text_cache_size)
        self._observer = observer or EncoderObserver()
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes = {priority: Lane() for priority in Priority}
        self._routes_in_a_row = 0
        self._in_hand: dict[int, list[Waiter]] = {slot: [] for slot in range(runtime.slots)}
        self._closed = False
        self._stats = EncoderStats()
        self._workers = {slot: self._start_worker(slot) for slot in range(runtime.slots)}

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
        with self._changed:
            return replace(self._stats, queued_tokens=sum(lane.tokens for lane in self._lanes.values()))

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
                wanted.append((row, text.encode("utf-8", "replace").decode("utf-8")))
            else:
                vectors[row] = known
        if len(wanted) < len(texts):
            self._count(cache_hits=len(texts) - len(wanted))
        if not wanted:
            return vectors
        call = Call(asyncio.get_running_loop().create_future(), vectors, len(wanted))
        self._submit(call, wanted, priority)
        try:
            await call.future
        except asyncio.CancelledError:
            with self._changed:
                self._count_locked(dropped=self._lanes[priority].give_up(call))
            raise
        for row, _ in wanted:
            self._recent.put(texts[row], vectors[row])
        return vectors

    async def close(self) -> None:
        """Stop: what runs is finished, what waits is answered with ShuttingDown."""
        with self._changed:
            self._closed = True
            answers: list[Answer] = []
            for lane in self._lanes.values():
                for call in lane.calls():
                    lane.give_up(call)
                    answers.append((call, ShuttingDown()))
            self._changed.notify_all()
            workers = list(self._workers.values())
        _answer(answers)
        for worker in workers:
            await asyncio.to_thread(worker.join)

    def _submit(self, call: Call, wanted: Sequence[tuple[int, str]], priority: Priority) -> None:
        now = self._clock()
        estimates = [estimate_tokens(text) for _, text in wanted]
        size = sum(estimates)
        lane = self._lanes[priority]
        with self._changed:
            if self._closed:
                raise ShuttingDown
            # One call larger than the limit is taken when nothing else waits: otherwise it could never be encoded.
            if lane.tokens and lane.tokens + size > self._max_queued_tokens:
                self._count_locked(refused=1)
                raise EncoderOverloaded(queued=lane.tokens, limit=self._max_queued_tokens)
            moment = due(now, size)
            for (row, text), estimate in zip(wanted, estimates, strict=True):
                lane.add(Waiter(call, row, text, estimate, now), moment)
            self._replace_dead_workers()
            self._changed.notify(min(len(wanted), len(self._workers)))

    # What follows runs on the worker threads.

    def _start_worker(self, slot: int) -> threading.Thread:
        worker = threading.Thread(target=self._work, args=(slot,), name=f"encoder-{slot}", daemon=True)
        worker.start()
        return worker

    def _replace_dead_workers(self) -> None:
        for slot, worker in self._workers.items():
            if not worker.is_alive() and not self._closed:
                self._count_locked(workers_replaced=1)
                self._workers[slot] = self._start_worker(slot)

    def _work(self, slot: int) -> None:
        try:
            while self._step(slot):
                pass
        except BaseException as error:  # noqa: BLE001  (whatever ends a worker, its callers are answered)
            self._fail(slot, error)
            with self._changed:
                if not self._closed:
                    self._count_locked(workers_replaced=1)
                    self._workers[slot] = self._start_worker(slot)

    def _step(self, slot: int) -> bool:
        """Cut a few texts into tokens, or run one batch; return False when closed."""
        with self._changed:
            while not self._closed and not any(self._lanes.values()):
                self._changed.wait()
            if self._closed:
                return False
            priority = self._next_priority()
            lane = self._lanes[priority]
            uncut = lane.take_uncut()
            batch: list[Text] = []
            if uncut:
                self._in_hand[slot] = [waiter for _, waiter in uncut]
            else:
                batch = lane.take_batch(self._runtime.layout)
                self._in_hand[slot] = [waiter for text in batch for waiter in text.waiters]
                self._routes_in_a_row = self._routes_in_a_row + 1 if priority is Priority.ROUTE else 0
        try:
            if uncut:
                cut = self._runtime.tokenize([waiter.text for _, waiter in uncut])
                with self._changed:
                    lane.put_cut(uncut, cut)
                    self._changed.notify()
            elif batch:
                self._run(batch, slot)
        except Exception as error:  # noqa: BLE001  (a model may raise anything; its callers are answered, and work goes on)
            self._fail(slot, error)
        self._in_hand[slot] = []
        return True

    def _next_priority(self) -> Priority:
        routes, profiles = self._lanes[Priority.ROUTE], self._lanes[Priority.PROFILE]
        if routes and (not profiles or self._routes_in_a_row < ROUTES_PER_PROFILE):
            return Priority.ROUTE
        return Priority.PROFILE

    def _run(self, batch: Sequence[Text], slot: int) -> None:
        start = self._clock()
        vectors = self._runtime.run([text.tokens for text in batch], slot)
        seconds = self._clock() - start
        if vectors.shape != (len(batch), self.dimension) or not np.isfinite(vectors).all():
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
            self._count_locked(
                batches=1, texts=len(batch), tokens=sum(lengths), padded_tokens=padded, busy_seconds=seconds
            )
        _answer(answers)
        if self._observer.batch is not None:
            self._observer.batch(len(batch), seconds)
        if self._observer.wait is not None:
            for text in batch:
                for waiter in text.waiters:
                    self._observer.wait(start - waiter.since)

    def _fail(self, slot: int, error: BaseException) -> None:
        """Answer everyone whose text this worker has in hand: with the kind of error alone, its words may hold theirs."""
        answers: list[Answer] = []
        with self._changed:
            for call in {waiter.call for waiter in self._in_hand[slot] if not waiter.call.over}:
                for lane in self._lanes.values():
                    lane.give_up(call)
                answers.append((call, ModelUnusable(f"a batch failed with {type(error).__name__}")))
            self._in_hand[slot] = []
            self._count_locked(failures=1)
        _answer(answers)

    def _count(self, **counts: float) -> None:
        with self._changed:
            self._count_locked(**counts)

    def _count_locked(self, **counts: float) -> None:
        self._stats = replace(self._stats, **{name: getattr(self._stats, name) + more for name, more in counts.items()})


class RecentVectors:
    """The vectors of the last few texts, found by a keyed hash: the texts themselves are not kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._key = secrets.token_bytes(32)
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def get(self, text: str) -> Vectors | None:
        """Return the vector of a text, if it is still here."""
        if not self._size:
            return None
        name = self._name(text)
        vector = self._vectors.get(name)
        if vector is not None:
            self._vectors.move_to_end(name)
        return vector

    def put(self, text: str, vector: Vectors) -> None:
        """Keep a copy of a vector, in place of the one that was not asked for the longest."""
        if not self._size:
            return
        self._vectors[self._name(text)] = vector.copy()
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)

    def _name(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


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
