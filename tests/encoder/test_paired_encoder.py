"""Two models side by side: which half of a vector says what, and what each model is given to read."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from matcher.encoder import (
    PACKAGED_PAIR,
    UNIVERSAL_MODEL,
    Encoder,
    EncoderSettings,
    EncoderStats,
    Priority,
    TextReading,
    Vectors,
    fingerprint_of,
    halves_of,
    open_encoder,
    unknown_words,
)
from matcher.encoder.infer_requests import StaticInferRequest
from matcher.encoder.paired_encoder import PairedEncoder
from matcher.errors import EncoderOverloaded, ModelUnusable
from tests.encoder.conftest import model_cache

GERMAN = "Mein Fahrrad knackt, seit ich im Regen gefahren bin."
ENGLISH = "The gears on my bicycle slip when I ride uphill."
MIXED = "I love kung fu 功夫 films"


def without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a text without the words at some places."""
    return "".join(sign for at, sign in enumerate(text) if not any(start <= at < end for start, end in places)).strip()


READING = TextReading(lambda text: text in {ENGLISH, MIXED}, without)


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[Encoder]:
    """Give the packaged pair on one core; English are the two texts of this file."""
    settings = EncoderSettings(model_cache(), PACKAGED_PAIR, threads=1)
    encoder = await open_encoder(settings, lambda _: None, reading=READING)
    yield encoder
    await encoder.close()


@pytest.fixture(scope="module")
async def universal() -> AsyncIterator[Encoder]:
    """Give the second model alone."""
    encoder = await open_encoder(EncoderSettings(model_cache(), UNIVERSAL_MODEL, threads=1), lambda _: None)
    yield encoder
    await encoder.close()


async def test_an_english_text_has_both_halves_and_another_the_second_alone(
    pair: Encoder, encoder: Encoder, universal: Encoder
) -> None:
    """Each half is the vector that its model gives by itself, of unit length; the other's first half is all zeros."""
    vectors = await pair.encode([GERMAN, ENGLISH])
    assert halves_of(pair) == (384, 512)
    assert pair.dimension == 896
    np.testing.assert_array_equal(vectors[0, :384], 0)
    np.testing.assert_array_equal(vectors[1, :384], (await encoder.encode([ENGLISH]))[0])
    np.testing.assert_array_equal(vectors[:, 384:], await universal.encode([GERMAN, ENGLISH]))


async def test_the_caller_may_say_the_language_of_a_whole_message(pair: Encoder) -> None:
    """What is said of all texts counts, whatever each would be taken for by itself."""
    texts = [GERMAN, ENGLISH]
    assert (await pair.encode(texts, english=True))[:, :384].any(axis=1).tolist() == [True, True]
    assert (await pair.encode(texts, english=False))[:, :384].any(axis=1).tolist() == [False, False]


async def test_the_first_model_does_not_run_for_texts_that_are_not_english(pair: Encoder) -> None:
    """Such a text is one text to the pair, an English one two."""
    before = pair.stats()
    await pair.encode([GERMAN])
    assert pair.stats().texts == before.texts + 1
    await pair.encode([ENGLISH], priority=Priority.PROFILE)
    assert pair.stats().texts == before.texts + 3


async def test_the_first_model_is_given_what_it_knows_of_an_english_text(pair: Encoder, encoder: Encoder) -> None:
    """A sign in Chinese is left out of the first half, and read by the second model; alone it would leave it zero."""
    vectors = await pair.encode([MIXED, "ⰀⰁ"], english=True)
    (places,) = unknown_words(encoder, [MIXED])
    assert places
    assert not unknown_words(pair, [MIXED])[0]
    np.testing.assert_array_equal(vectors[0, :384], (await encoder.encode([without(MIXED, places)]))[0])
    assert not vectors[1, :384].any()
    assert vectors[1, 384:].any()


def test_a_word_is_unknown_where_neither_model_knows_it(pair: Encoder, encoder: Encoder) -> None:
    """The second knows the words of sixteen languages; a script that neither knows is unknown to the pair."""
    thai = "กีตาร์ที่สั่งมามีรอยแตก"
    assert unknown_words(encoder, [thai])[0]
    assert [list(places) for places in unknown_words(pair, ["plain", thai, "the ⰀⰁ of old"])] == [[], [], [(4, 6)]]


async def test_its_fingerprint_is_known_before_it_is_opened(pair: Encoder, encoder: Encoder) -> None:
    """It belongs to both models, and is neither's own."""
    assert pair.fingerprint == await fingerprint_of(PACKAGED_PAIR)
    assert pair.fingerprint not in {encoder.fingerprint, await fingerprint_of(UNIVERSAL_MODEL)}
    assert pair.runtime.count("openvino-") == 2
    assert pair.reason.count("agrees with the original") == 2


async def test_both_models_together_take_no_more_cores_than_one(pair: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one core, of forty texts that are asked for at once, no two runs of any model overlap."""
    most = 0
    run = StaticInferRequest.run
    lock = threading.Lock()
    now = 0

    def counted(request: StaticInferRequest, given: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            return run(request, given)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(StaticInferRequest, "run", counted)
    await asyncio.gather(*(pair.encode([f"{ENGLISH} {number}"], english=True) for number in range(40)))
    assert most == 1


class Double:
    """Encoder of which each call fails, or waits for ever; it is an encoding, too."""

    fingerprint = "0" * 16
    dimension = 2

    def __init__(self, fault: Exception | None = None) -> None:
        """fault: what each call raises; None: a call waits for ever."""
        self.fault = fault
        self.begun = asyncio.Event()
        self.cancelled = self.closed = False

    def begin(self, texts: Sequence[str], priority: Priority) -> Double:  # noqa: ARG002
        """Refuse a call where the encoder is full."""
        if isinstance(self.fault, EncoderOverloaded):
            raise self.fault
        self.begun.set()
        return self

    async def vectors(self) -> Vectors:
        """Raise the fault, or wait."""
        if self.fault:
            raise self.fault
        await asyncio.Event().wait()
        raise AssertionError

    def cancel(self) -> None:
        """Note that nobody waits."""
        self.cancelled = True

    def stats(self) -> EncoderStats:
        """Return counters."""
        return EncoderStats(batches=1, busy_seconds=0.5)

    async def close(self) -> None:
        """Note that it is closed."""
        self.closed = True


def pair_of(first: Any, second: Any) -> PairedEncoder:
    """Return the pair of two doubles."""
    return PairedEncoder(first, second, READING)


@pytest.mark.parametrize("fault", [EncoderOverloaded(queued=9, limit=9), ModelUnusable("a batch failed")])
@pytest.mark.parametrize("failing", [0, 1])
async def test_a_failure_of_one_model_fails_the_call_and_cancels_the_other(fault: Exception, failing: int) -> None:
    """The caller gets the error, and nothing is encoded for nobody; a full encoder refuses at once."""
    doubles = [Double(), Double()]
    doubles[failing].fault = fault
    if failing and isinstance(fault, ModelUnusable):
        doubles[0].vectors = _nothing  # type: ignore[method-assign]
    pair = pair_of(*doubles)
    with pytest.raises(type(fault)):
        await pair.encode([ENGLISH])
    other = doubles[1 - failing]
    assert other.cancelled is other.begun.is_set()


async def _nothing() -> Vectors:
    return np.zeros((1, 2), np.float32)


async def test_a_caller_who_leaves_cancels_both() -> None:
    """And closing the pair closes both; its counters are the sums."""
    doubles = [Double(), Double()]
    pair = pair_of(*doubles)
    call = asyncio.create_task(pair.encode([ENGLISH]))
    await doubles[1].begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [double.cancelled for double in doubles] == [True, True]
    assert pair.stats() == EncoderStats(batches=2, busy_seconds=1.0)
    await pair.close()
    assert [double.closed for double in doubles] == [True, True]


class Knowing(Double):
    """Encoder that does not know some places."""

    def __init__(self, places: Sequence[tuple[int, int]]) -> None:
        """places: those of every text that it does not know."""
        super().__init__()
        self.places = places

    def unknown(self, texts: Sequence[str]) -> list[Sequence[tuple[int, int]]]:
        """Return the places of each text."""
        return [self.places] * len(texts)


def test_what_neither_knows_is_what_both_do_not_know_sign_by_sign() -> None:
    """By chance, a thousand times: the places of the pair cover the signs that lie in places of both."""
    chance = random.Random(3)

    def places() -> list[tuple[int, int]]:
        cuts = sorted(chance.sample(range(30), 2 * chance.randint(0, 6)))
        return list(zip(cuts[::2], cuts[1::2], strict=True))

    def signs(parts: Sequence[tuple[int, int]]) -> list[int]:
        return [at for start, end in parts for at in range(start, end)]

    for _ in range(1000):
        some, others = places(), places()
        (found,) = pair_of(Knowing(some), Knowing(others)).unknown(["x" * 30])
        assert signs(found) == sorted(set(signs(some)) & set(signs(others)))
