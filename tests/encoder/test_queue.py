"""Queue of texts: a cancelled text never runs."""

from __future__ import annotations

import asyncio

import numpy as np

from matcher.encoder.layout import PackedLayout
from matcher.encoder.protocols import Tokens
from matcher.encoder.queue import EncodeRequest, Lane, QueuedText
from matcher.encoder.settings import Priority


async def test_a_text_that_is_cancelled_while_it_is_tokenized_does_not_run() -> None:
    """Another thread chooses a batch meanwhile; the tokenized text is then dropped."""
    lane, vectors = Lane(), np.zeros((1, 4), np.float32)
    request = EncodeRequest(asyncio.get_running_loop().create_future(), Priority.ROUTE, vectors, 1)
    lane.add(QueuedText(request, 0, "gone", 4, 0.0), 0.0)
    taken = lane.take_untokenized()
    lane.cancel(request)
    assert lane.take_batch(PackedLayout()) == []
    lane.put_tokenized(taken, [Tokens("gone", (1,), 1)])
    assert lane.take_batch(PackedLayout()) == []
    assert lane.tokens == 0
