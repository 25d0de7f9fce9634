"""What callers of the encoder see while others call it too."""

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
    """Give a runtime that runs one batch at a time, on leave."""
    return StagedRuntime()


@pytest.fixture
async def encoder(runtime: StagedRuntime) -> AsyncIterator[BatchingEncoder]:
    """Give the encoder on that runtime; it is closed whatever happens."""
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
    asked = [[words(1 + (7 * i + 3 * j) % 60) for j in range(1 + i % 7)] for i in range(40)]
    answers = await asyncio.gather(*[encoder.encode(texts) for texts in asked])
    for texts, vectors in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(vectors, np.stack([vector_of(text) for text in texts]))
    assert encoder.stats().texts == sum(len(texts) for texts in asked)


async def test_no_text_is_no_work(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """An empty call is answered with an empty matrix, and the model is not run."""
    assert (await encoder.encode([])).shape == (0, 4)
    assert runtime.batches == []


async def test_a_free_worker_starts_at_once_and_takes_all_that_came_meanwhile(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """The first text is not held back for company; the five that come while it runs share the next batch."""
    first = call(encoder, "alone")
    await runtime.begun()
    others = [call(encoder, f"together {n}") for n in range(5)]
    await settled()
    runtime.let_run(2)
    await asyncio.gather(first, *others)
    assert runtime.batches == [["alone"], [f"together {n}" for n in range(5)]]


async def test_two_workers_run_two_batches_at_once() -> None:
    """Two slots: both batches have begun before either has ended."""
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
    """A message of 2,000 tokens waits, a short one comes after it: the short one is in the very next batch."""
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
    """Short messages that come later than a long one's allowance stand behind it."""
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
    """A thousand profile lines wait and one batch of them runs; the route that comes then is in the next batch."""
    lines = call(encoder, *[words(20) for _ in range(1000)], priority=Priority.PROFILE)
    await runtime.begun()
    route = call(encoder, "my router is broken")
    await settled()
    runtime.let_run(2)
    await route
    assert runtime.batches[1] == ["my router is broken"]
    runtime.let_run()
    await lines


async def test_profiles_get_a_turn_while_routes_never_pause(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """With more routes than can ever be worked off, every so many batches is one of profiles."""
    running = call(encoder, words(250))
    await runtime.begun()
    routes = [call(encoder, words(250)) for _ in range(2 * ROUTES_PER_PROFILE)]
    line = call(encoder, "profile line", priority=Priority.PROFILE)
    await settled()
    runtime.let_run()
    await asyncio.gather(running, line, *routes)
    assert runtime.batches.index(["profile line"]) == ROUTES_PER_PROFILE


async def test_what_nobody_waits_for_any_more_is_not_encoded(encoder: BatchingEncoder, runtime: StagedRuntime) -> None:
    """A caller who hangs up while waiting costs nothing, and their room in the queue is free at once."""
    running = call(encoder, "running")
    await runtime.begun()
    gone = call(encoder, "nobody reads this", "nor this")
    stays = call(encoder, "somebody reads this")
    await settled()
    waited = encoder.stats().queued_tokens
    gone.cancel()
    await asyncio.wait([gone])
    assert encoder.stats().queued_tokens < waited
    runtime.let_run()
    await asyncio.gather(running, stays)
    assert runtime.batches == [["running"], ["somebody reads this"]]
    assert encoder.stats().dropped == 2
    assert encoder.stats().queued_tokens == 0


async def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room(runtime: StagedRuntime) -> None:
    """Past the limit a call is refused with how much waits; what waited is answered, and then there is room."""
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
    """Routes and profiles each have their own room."""
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


async def test_a_call_larger_than_the_limit_is_taken_when_nothing_waits(runtime: StagedRuntime) -> None:
    """Otherwise it could never be encoded, however often it is tried."""
    encoder = staged_encoder(runtime, max_queued_tokens=30)
    runtime.let_run()
    assert (await encoder.encode(["x" * 1000])).shape == (1, 4)
    await encoder.close()


async def test_a_failed_batch_answers_everyone_in_it_and_nobody_else(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """Three callers share the batch that fails: all three are told, without their words; the next call works."""
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
    """A model that gives NaN fails the call instead of spoiling every comparison after it."""
    runtime.spoilt = True
    runtime.let_run()
    with pytest.raises(ModelUnusable):
        await encoder.encode(["anything"])


async def test_a_worker_that_dies_answers_its_callers_and_is_replaced(
    encoder: BatchingEncoder, runtime: StagedRuntime
) -> None:
    """The only thread ends in the middle of a batch: the caller is told, those waiting are served by a new one."""
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
    """Ten callers say hello while the worker is busy: the model reads it once, all ten are answered alike."""
    running = call(encoder, "running")
    await runtime.begun()
    callers = [call(encoder, "hello", "hello") for _ in range(10)]
    await settled()
    runtime.let_run()
    answers = await asyncio.gather(*callers)
    assert runtime.batches[1:] == [["hello"]]
    assert all((answer == vector_of("hello")).all() for answer in answers)
    await running


async def test_closing_finishes_what_runs_and_answers_what_waits(runtime: StagedRuntime) -> None:
    """The batch that runs is answered; who waits is told that the server stops; who comes later too."""
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


async def test_recent_texts_are_remembered_only_where_asked_for(runtime: StagedRuntime) -> None:
    """With a cache of two, a repeated text is not encoded again until two others came; the default keeps none."""
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


async def test_an_observer_is_told_batch_sizes_waits_and_where_it_failed(runtime: StagedRuntime) -> None:
    """Two texts in one batch, then an error: sizes, seconds in the queue, and a kind and place without words."""
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
