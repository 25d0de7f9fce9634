"""The share of the encoder that many messages at once may take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from matcher.affinity import compared
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences, split
from matcher.errors import ServiceOverloaded
from matcher.model import Message, Requirements
from matcher.routing.encoded_message import encode_message, slices
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.message_reading import AT_ONCE, read_message


@dataclass
class Encoder:
    """An encoder that counts the characters it has at once; it answers when `go_on` is set."""

    fingerprint: str = "0" * 16
    now: int = 0
    most: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def matching(self) -> Encoder:
        """Be a replica."""
        return self

    @property
    def encoder(self) -> Encoder:
        """Be the model bundle."""
        return self

    async def encode(self, texts: Sequence[str], *, english: bool | None = None) -> Any:  # noqa: ARG002
        """Give each text a vector that its length tells."""
        characters = sum(map(len, texts))
        self.now += characters
        self.most = max(self.most, self.now)
        await self.go_on.wait()
        await asyncio.sleep(0)
        self.now -= characters
        return np.array([[len(text)] for text in texts], np.float32)


def message(text: str) -> Message:
    """Return a message."""
    return Message(text, "", Requirements())


async def test_a_batch_of_long_messages_has_one_run_with_the_encoder_at_a_time() -> None:
    """Sixty messages of 2,000 letters: never more than 500 letters at once, and each message has all its vectors."""
    encoder: Any = Encoder()
    encoder.go_on.set()
    share = EncoderShare(runs=1, at_once=500)
    text = "My bees swarmed into the garden this morning. " * 43
    messages = [await read_message(message(f"{number} {text}")) for number in range(60)]
    encoded = await asyncio.gather(*(encode_message(encoder, one, share=share) for one in messages))
    assert 0 < encoder.most <= 500
    assert share.taken == 0
    for one, done in zip(messages, encoded, strict=True):
        assert done.vectors[:, 0].tolist() == [len(unit) for unit in done.units.texts(one.text)]
        assert len(done.stems) == len(done.vectors)


async def test_a_text_above_the_share_takes_all_of_it() -> None:
    """It waits until nothing else is with the encoder, and goes alone."""
    share, events = EncoderShare(runs=1, at_once=10), list[str]()

    async def take(name: str, characters: int) -> None:
        async with share.of(characters):
            events.append(f"{name} begins")
            await asyncio.sleep(0)
            events.append(f"{name} ends")

    await asyncio.gather(take("small", 4), take("large", 99), take("last", 4))
    assert events == ["small begins", "small ends", "large begins", "large ends", "last begins", "last ends"]


async def test_a_caller_who_goes_leaves_the_share_to_the_next() -> None:
    """Cancelled while it waits, or at the moment its turn comes."""
    share, release = EncoderShare(runs=1, at_once=10), asyncio.Event()
    done = list[str]()

    async def take(name: str) -> None:
        async with share.of(10):
            done.append(name)
            await release.wait()

    tasks = [asyncio.create_task(take(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    release.set()
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done[0] == "a"
    assert done[-1] == "d"
    assert share.taken == 0


async def test_a_message_whose_turn_comes_too_late_is_refused() -> None:
    """The rest of the caller's time is for those that were encoded."""
    share, now = EncoderShare(), asyncio.get_running_loop().time()
    with pytest.raises(ServiceOverloaded):
        async with share.of(10, until=now - 1):
            raise AssertionError
    assert share.taken == 0


@pytest.mark.parametrize(("letters", "beside"), [(AT_ONCE // 2, False), (AT_ONCE * 2, True)])
async def test_a_long_text_is_cut_beside_the_event_loop(
    letters: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on meanwhile; the units, their vectors and their stems are the same as of a cut on the loop."""
    threads = list[int]()

    def noted(text: str) -> Sentences:
        threads.append(threading.get_ident())
        return split(text)

    monkeypatch.setattr(compared, "split", noted)
    encoder: Any = Encoder()
    encoder.go_on.set()
    text = ("My bees swarmed into the garden this morning. " * 80)[:letters]
    done = await encode_message(encoder, await read_message(message(text)))
    assert (threads[0] != threading.get_ident()) is beside
    assert done.units == split(text)
    assert done.stems == [stems(unit) for unit in done.units.texts(text)]


def test_slices_hold_all_texts_in_order() -> None:
    """As many together as fit; a text that is too long goes alone."""
    assert list(slices(["aa", "bb", "ccccc", "d"], 4)) == [["aa", "bb"], ["ccccc"], ["d"]]
