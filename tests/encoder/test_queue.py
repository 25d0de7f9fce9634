"""The texts that wait: what nobody waits for any more is never run."""

from __future__ import annotations

import asyncio

import numpy as np

from matcher.encoder.layout import PackedLayout
from matcher.encoder.protocols import Tokens
from matcher.encoder.queue import EncodeRequest, Lane, QueuedText
from matcher.encoder.settings import Priority


async def test_a_text_that_is_given_up_while_it_is_cut_is_not_run() -> None:
    """Another thread chooses a batch meanwhile; the text comes back from the tokenizer and is left out."""
    lane, vectors = Lane(), np.zeros((1, 4), np.float32)
    request = EncodeRequest(asyncio.get_running_loop().create_future(), Priority.ROUTE, vectors, 1)
    lane.add(QueuedText(request, 0, "gone", 4, 0.0), 0.0)
    taken = lane.take_untokenized()
    lane.cancel(request)
    assert lane.take_batch(PackedLayout()) == []
    lane.put_tokenized(taken, [Tokens("gone", (1,), 1)])
    assert lane.take_batch(PackedLayout()) == []
    assert lane.tokens == 0
