"""Encoder with many callers at once: answers, order, refusals and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from matcher.encoder import EncoderObserver, Priority
from matcher.encoder.batching_encoder import BatchingEncoder
from matcher.encoder.worker_threads import ROUTES_PER_PROFILE
from matcher.errors import EncoderOverloaded, ModelUnusable, ShuttingDown
from tests.encoder.staged import Clock, StagedRuntime, settled, staged_encoder, vector_of, words


@pytest.fixture
def runtime() -> StagedRuntime:
    """Give a runtime that runs one batch at a time, with permission."""
    return StagedRuntime()


@pytest.fixture
async def encoder(runtime: StagedRuntime) -> AsyncIterator[BatchingEncoder]:
    """Give the encoder on that runtime, and close it after the test."""
    encoder = staged_encoder(runtime)
    yield encoder
    runtime.let_run()
    await encoder.close()


def call(encoder: BatchingEncoder, *texts: str, priority: Priority = Priority.ROUTE) -> asyncio.Task[np.ndarray]:
    """Start a call."""
    return asyncio.create_task(encoder.encode(texts, priority=priority))


async def test_each_caller_gets_the_vectors_of_their_own_texts_in_order(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """Forty callers with one to seven texts of mixed lengths at once: every row is the row of its text."""
    runtime.let_run()
    texts_of = [[words(1 + (7 * i + 3 * j) % 60) for j in range(1 + i % 7)] for i in range(40)]
    answers = await asyncio.gather(*[encoder.encode(texts) for texts in texts_of])
    for texts, vectors in zip(texts_of, answers, strict=True):
        np.testing.assert_array_equal(vectors, np.stack([vector_of(text) for text in texts]))
    assert encoder.stats().texts == sum(len(texts) for texts in texts_of)


async def test_no_text_is_no_work(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """An empty call is answered with an empty matrix, and the model is not run."""
    assert (await encoder.encode([])).shape == (0, 4)
    assert runtime.batches == []


async def test_a_free_worker_starts_at_once_and_then_takes_all_that_arrived_meanwhile(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """The first text does not wait for others; the five that arrive while it runs share the next batch."""
    first = call(encoder, "alone")
    await runtime.begun()
    others = [call(encoder, f"together {n}") for n in range(5)]
    await settled()
    runtime.let_run(2)
    await asyncio.gather(first, *others)
    assert runtime.batches == [["alone"], [f"together {n}" for n in range(5)]]


async def test_two_workers_run_two_batches_at_once() -> None:
    """With two workers both batches have begun before either has ended."""
    runtime = StagedRuntime(workers=2)
    encoder = staged_encoder(runtime)
    left = call(encoder, "left")
    await runtime.begun()
    right = call(encoder, "right")
    await runtime.begun()
    assert runtime.batches == [["left"], ["right"]]
    runtime.let_run()
    await asyncio.gather(left, right)
    await encoder.close()


async def test_a_short_message_does_not_wait_behind_a_long_one(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """A message of 2,000 tokens is queued, a short message arrives after it: the short one is in the next batch."""
    running = call(encoder, "running")
    await runtime.begun()
    long = call(encoder, *[words(200) for _ in range(10)])
    await settled()
    short = call(encoder, "short and sweet")
    await settled()
    runtime.let_run(2)
    await asyncio.gather(running, short)
    assert runtime.batches[1][0] == "short and sweet"
    assert not long.done()
    runtime.let_run()
    await long


async def test_a_long_message_is_not_overtaken_for_ever() -> None:
    """Short messages that arrive after a long message's allowance are queued behind it."""
    clock, runtime = Clock(), StagedRuntime()
    encoder = staged_encoder(runtime, clock=clock)
    running = call(encoder, "running")
    await runtime.begun()
    long = call(encoder, long_text := words(250))
    await settled()
    clock.now += 1.0
    late = [call(encoder, words(60)) for _ in range(8)]
    await settled()
    runtime.let_run()
    await asyncio.gather(running, long, *late)
    assert long_text in runtime.batches[1]
    await encoder.close()


async def test_an_import_delays_a_route_by_one_batch_at_most(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """A thousand interests are queued and one batch of them runs; a route that arrives then is in the next batch."""
    interests = call(encoder, *[words(20) for _ in range(1000)], priority=Priority.PROFILE)
    await runtime.begun()
    route = call(encoder, "my router is broken")
    await settled()
    runtime.let_run(2)
    await route
    assert runtime.batches[1] == ["my router is broken"]
    runtime.let_run()
    await interests


async def test_profiles_are_encoded_while_routes_never_pause(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """With routes always queued, one batch of profiles follows each `ROUTES_PER_PROFILE` batches of routes."""
    running = call(encoder, words(250))
    await runtime.begun()
    routes = [call(encoder, words(250)) for _ in range(2 * ROUTES_PER_PROFILE)]
    interest = call(encoder, "an interest", priority=Priority.PROFILE)
    await settled()
    runtime.let_run()
    await asyncio.gather(running, interest, *routes)
    assert runtime.batches.index(["an interest"]) == ROUTES_PER_PROFILE


async def test_texts_of_a_cancelled_call_are_not_encoded(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """A call that is cancelled in the queue costs nothing, and its tokens leave the queue at once."""
    running = call(encoder, "running")
    await runtime.begun()
    gone = call(encoder, "cancelled", "cancelled too")
    stays = call(encoder, "not cancelled")
    await settled()
    before = encoder.stats().queued_tokens
    gone.cancel()
    await asyncio.wait([gone])
    assert encoder.stats().queued_tokens < before
    runtime.let_run()
    await asyncio.gather(running, stays)
    assert runtime.batches == [["running"], ["not cancelled"]]
    assert encoder.stats().dropped == 2
    assert encoder.stats().queued_tokens == 0


async def test_a_full_queue_refuses_at_once_and_accepts_again_later(runtime: StagedRuntime) -> None:
    """Above the limit a call is refused with the number of queued tokens; after these are encoded it is accepted."""
    encoder = staged_encoder(runtime, max_queued_tokens=30)
    running = call(encoder, "running")
    await runtime.begun()
    waiting = call(encoder, "x" * 80)
    await settled()
    with pytest.raises(EncoderOverloaded) as refused:
        await encoder.encode(["y" * 80])
    assert refused.value.metadata == {"queued": "23", "limit": "30"}
    runtime.let_run()
    await asyncio.gather(running, waiting)
    await encoder.encode(["y" * 80])
    assert encoder.stats().refused == 1
    await encoder.close()


async def test_an_import_that_fills_its_queue_refuses_no_route(runtime: StagedRuntime) -> None:
    """Routes and profiles each have a limit of their own."""
    encoder = staged_encoder(runtime, max_queued_tokens=30)
    running = call(encoder, "running", priority=Priority.PROFILE)
    await runtime.begun()
    waiting = call(encoder, "x" * 80, priority=Priority.PROFILE)
    await settled()
    with pytest.raises(EncoderOverloaded):
        await encoder.encode(["y" * 80], priority=Priority.PROFILE)
    route = call(encoder, "z" * 80)
    await settled()
    runtime.let_run()
    await asyncio.gather(running, waiting, route)
    await encoder.close()


async def test_a_call_larger_than_the_limit_is_accepted_by_an_empty_queue(runtime: StagedRuntime) -> None:
    """Otherwise it could never be encoded, however often the caller tries."""
    encoder = staged_encoder(runtime, max_queued_tokens=30)
    runtime.let_run()
    assert (await encoder.encode(["x" * 1000])).shape == (1, 4)
    await encoder.close()


async def test_a_failed_batch_fails_all_calls_in_it_and_no_others(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """Three callers share the batch that fails: all three get an error without their words; the next call works."""
    running = call(encoder, "running")
    await runtime.begun()
    failing = [call(encoder, f"secret {n}") for n in range(3)]
    await settled()
    runtime.let_run(1)
    await running
    runtime.faults.append(RuntimeError("could not encode 'secret 1'"))
    runtime.let_run(1)
    answers = await asyncio.gather(*failing, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ModelUnusable] * 3
    assert all(
        "secret" not in f"{answer!r} {answer.__cause__!r}" for answer in answers if isinstance(answer, Exception)
    )
    runtime.let_run()
    assert (await encoder.encode(["afterwards"])).shape == (1, 4)
    assert encoder.stats().failures == 1


async def test_vectors_that_are_not_numbers_never_reach_a_caller(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """A call with NaN from the model fails, instead of making every later comparison wrong."""
    runtime.spoilt = True
    runtime.let_run()
    with pytest.raises(ModelUnusable):
        await encoder.encode(["anything"])


async def test_a_worker_that_dies_answers_its_callers_and_is_replaced(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """The only thread ends in the middle of a batch: its caller gets an error, a new thread serves the queued calls."""
    runtime.faults.append(SystemExit("the thread is gone"))
    doomed = call(encoder, "doomed")
    await runtime.begun()
    waiting = call(encoder, "waiting")
    await settled()
    runtime.let_run()
    with pytest.raises(ModelUnusable):
        await doomed
    np.testing.assert_array_equal(await waiting, [vector_of("waiting")])
    assert encoder.stats().workers_replaced == 1


async def test_the_same_text_from_several_callers_is_encoded_once(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """Ten callers say hello while the worker is busy: the model encodes it once, all ten get the same vector."""
    running = call(encoder, "running")
    await runtime.begun()
    callers = [call(encoder, "hello", "hello") for _ in range(10)]
    await settled()
    runtime.let_run()
    answers = await asyncio.gather(*callers)
    assert runtime.batches[1:] == [["hello"]]
    assert all((answer == vector_of("hello")).all() for answer in answers)
    await running


async def test_closing_finishes_running_batches_and_answers_queued_calls(runtime: StagedRuntime) -> None:
    """The running batch is answered; queued and later calls get ShuttingDown."""
    encoder = staged_encoder(runtime)
    running = call(encoder, "running")
    await runtime.begun()
    waiting = call(encoder, "waiting")
    await settled()
    closing = asyncio.create_task(encoder.close())
    with pytest.raises(ShuttingDown):
        await waiting
    with pytest.raises(ShuttingDown):
        await encoder.encode(["late"])
    runtime.let_run()
    await closing
    np.testing.assert_array_equal(await running, [vector_of("running")])


async def test_vectors_are_kept_only_where_the_settings_say_so(runtime: StagedRuntime) -> None:
    """With a cache of two, a repeated text is encoded again only after two others; the default keeps none."""
    runtime.let_run()
    keeps, keeps_none = staged_encoder(runtime, text_cache_size=2), staged_encoder(runtime)
    for text in ("a", "a", "b", "a", "c", "b"):
        np.testing.assert_array_equal(await keeps.encode([text]), [vector_of(text)])
    assert runtime.batches == [["a"], ["b"], ["c"], ["b"]]
    assert keeps.stats().cache_hits == 2
    for _ in range(2):
        await keeps_none.encode(["a"])
    assert runtime.batches[4:] == [["a"], ["a"]]
    await asyncio.gather(keeps.close(), keeps_none.close())


async def test_an_observer_gets_batch_sizes_waits_and_the_place_of_a_failure(runtime: StagedRuntime) -> None:
    """Two texts in one batch, then an error: sizes, seconds in the queue, and kind and place of the error, no words."""
    batches: list[int] = []
    waits: list[float] = []
    failures: list[str] = []
    clock = Clock()
    encoder = staged_encoder(
        runtime,
        clock=clock,
        observer=EncoderObserver(lambda texts, _: batches.append(texts), waits.append, failures.append),
    )
    running = call(encoder, "running")
    await runtime.begun()
    pair = call(encoder, "one", "two")
    await settled()
    clock.now += 0.25
    runtime.let_run(2)
    await asyncio.gather(running, pair)
    runtime.faults.append(ValueError("private words"))
    runtime.let_run()
    with pytest.raises(ModelUnusable):
        await encoder.encode(["three"])
    await encoder.close()
    assert batches == [1, 2]
    assert waits == [0.0, 0.25, 0.25]
    assert len(failures) == 1
    assert failures[0].startswith("ValueError at staged.py:")
