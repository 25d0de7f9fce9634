"""A message as a whole is a unit beside its sentences, where the pool's scorer weighs it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from matcher.affinity.compared import LONGEST_WHOLE
from matcher.affinity.kinds import Others
from matcher.affinity.scorer import Scorer
from matcher.model import Message, Pool, PoolPolicy, Requirements
from matcher.routing.encoded_message import EncodedMessage, encode_message
from matcher.routing.message_reading import read_message
from tests.routing.test_language_of_a_message import Pair

POOL = Pool("p", PoolPolicy(), 1, 0, 0)
SENTENCES = "The gears on my bicycle slip on every hill. The chain is new, and my cat ate the bell."


async def encoded(text: str, whole: float, encoder: Pair | None = None) -> EncodedMessage:
    """Encode a message for a pool whose scorer has this weight of the whole."""
    scorer = Scorer(halves=(1, 1), others=Others(), whole=whole)
    replica: Any = SimpleNamespace(
        matching=SimpleNamespace(encoder=encoder or Pair()), index=SimpleNamespace(scorer_of=lambda _: scorer)
    )
    return await encode_message(replica, await read_message(Message(text, "", Requirements())), POOL)


async def test_the_whole_is_encoded_by_the_model_of_many_languages_alone_and_has_its_weight() -> None:
    """The last unit spans the message, shares no words, and counts by the scorer's weight."""
    pair = Pair()
    message = await encoded(SENTENCES, 0.8, pair)
    assert message.units.whole
    assert message.units.spans[-1] == (0, message.units.spans[-2].end)
    assert [told for text, told in pair.told.items() if text.startswith("The gears") and "bell" in text] == [False]
    assert not message.vectors[-1, 0].any()
    assert message.stems[-1] == ()
    query = message.query(0.0, 0.0)
    assert query.weights == [1.0] * (len(message.units.spans) - 1) + [0.8]


@pytest.mark.parametrize(("text", "whole"), [(SENTENCES, 0.0), ("My cat ate the bell.", 0.8), ("hi", 0.8)])
async def test_a_message_of_one_unit_has_no_other_whole(text: str, whole: float) -> None:
    """Nothing is added either where the scorer does not weigh it."""
    message = await encoded(text, whole)
    assert not message.units.whole
    assert len(message.units.spans) == len(message.vectors)
    assert message.query(0.0, 0.0).weights is None


async def test_a_long_message_is_compared_as_a_whole_by_its_beginning() -> None:
    """What is encoded besides the units is bounded."""
    pair = Pair()
    message = await encoded(" ".join(f"My cat number {n} ate bell {n}." for n in range(90)), 0.8, pair)
    assert message.units.whole
    assert max(map(len, pair.told)) == LONGEST_WHOLE
    assert np.isfinite(message.vectors).all()
