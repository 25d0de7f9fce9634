"""The language of a message decides what a pair of models reads of it, in the service and in an evaluation alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.encoder import Priority, Vectors
from matcher.evaluation.production import Production
from matcher.evaluation.vector_cache import VectorCache
from matcher.model import Message, Requirements
from matcher.replica.affinity_floors import AffinityFloors
from matcher.routing.encoded_message import encode_message
from matcher.routing.message_reading import read_message
from tests.evaluation.conftest import silent

GERMAN = "Mein Fahrrad knackt, seit ich im Regen zur Arbeit gefahren bin. I love it. Bitte helfen Sie mir."
ENGLISH = "The gears on my bicycle slip whenever I ride up the hill to work. Das nervt. Please help me."
SHORT = "Ok 4471 xx."


class Pair:
    """A pair of models that records what it was told of each text; a vector says the same."""

    fingerprint = "0" * 16
    halves = (1, 1)
    dimension = 2
    runtime = reason = "told"

    def __init__(self) -> None:
        self.told: dict[str, bool | None] = {}

    @property
    def matching(self) -> Pair:
        """Be a replica."""
        return self

    @property
    def encoder(self) -> Pair:
        """Be the model bundle."""
        return self

    async def encode(
        self,
        texts: Sequence[str],
        *,
        english: bool | None = None,
        priority: Priority = Priority.ROUTE,  # noqa: ARG002
    ) -> Vectors:
        """Encode texts."""
        self.told |= dict.fromkeys(texts, english)
        return np.array([[english is True, 1]] * len(texts), np.float32).reshape(-1, 2)


@pytest.mark.parametrize(
    ("text", "language", "english"), [(GERMAN, "de", False), (ENGLISH, "en", True), (SHORT, "", False)]
)
async def test_all_units_of_a_message_are_read_in_its_language(text: str, language: str, english: bool) -> None:
    """A sentence in another language changes nothing; where no language is sure, the message is not English."""
    pair: Any = Pair()
    encoded = await encode_message(pair, await read_message(Message(text, "", Requirements())))
    assert encoded.language == language
    assert len(encoded.units.spans) == len(pair.told)
    assert set(pair.told.values()) == {english}
    again: Any = Pair()
    production = Production(VectorCache(again), Scorer(), AffinityFloors({}), tolerance=0.03)
    await production.encode((), "units", silent, messages=[text])
    read = production.read(text)
    assert read.language == language
    np.testing.assert_array_equal(read.vectors, encoded.vectors)
    assert again.told == pair.told


async def test_the_interests_of_a_customer_are_read_in_their_own_language() -> None:
    """What is known of a customer may be in another language than the message; all interests have one."""
    pair: Any = Pair()
    interests = ("I restore wooden sailing boats.", "Chess.")
    await encode_message(pair, await read_message(Message(GERMAN, "", Requirements(), interests=interests)))
    assert {text: pair.told.pop(text) for text in interests} == dict.fromkeys(interests, True)
    assert set(pair.told.values()) == {False}
