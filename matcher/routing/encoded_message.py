"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences, split
from matcher.errors import EncoderOverloaded, ModelUnusable, ServiceOverloaded
from matcher.model import Degraded, Message, Pool, WhenOverloaded
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoder_share import EncoderShare

LONG_TEXT: Final = 1_600
"""Characters from which on a text is cut beside the event loop: to cut 8,000 takes 3.4 ms on an idle core, and several
times that on a busy one."""
_CUTTER: Final = ThreadPoolExecutor(1, "cut")
"""One thread: several would keep Python's lock from the event loop for longer than the cutting takes."""


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and their stems [units]. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]
    degraded: Degraded | None = None
    """Why the message has no units: it was not encoded, and its pool wants the longest idle agent then."""


async def encode_message(
    replica: SiteReplica, message: Message, share: EncoderShare | None = None, until: float | None = None
) -> EncodedMessage:
    """Split a message into units and encode them.

    share: encode them within a share of the encoder, a few at a time; until: as of `EncoderShare.of`.
    """
    if len(message.text) > LONG_TEXT:
        units, texts, known_stems = await asyncio.get_running_loop().run_in_executor(_CUTTER, _cut, message.text)
    else:
        units, texts, known_stems = _cut(message.text)
    encode = replica.matching.encoder.encode
    if share is None:
        return EncodedMessage(units, await encode(texts), known_stems)
    vectors = []
    for some in slices(texts, share.at_once):
        async with share.of(sum(map(len, some)), until):
            vectors.append(await encode(some))
    return EncodedMessage(units, np.concatenate(vectors), known_stems)


async def encode_or_fall_back(
    replica: SiteReplica, pool: Pool, message: Message, share: EncoderShare | None = None, until: float | None = None
) -> EncodedMessage:
    """Encode a message as `encode_message` does; where that fails, return a message without units if its pool wants it.

    A message without units meets no interest, so it gets the longest idle agent. Raises what the encoder raises, where
    the pool's when_overloaded is REFUSE.
    """
    try:
        return await encode_message(replica, message, share, until)
    except (EncoderOverloaded, ServiceOverloaded, ModelUnusable) as fault:
        if pool.policy.when_overloaded is not WhenOverloaded.FALLBACK:
            raise
        why = Degraded.ENCODER_BROKEN if isinstance(fault, ModelUnusable) else Degraded.ENCODER_FULL
    nothing = np.empty((0, replica.matching.encoder.dimension), np.float32)
    return EncodedMessage(split(""), nothing, [], why)


def _cut(text: str) -> tuple[Sentences, list[str], list[tuple[str, ...]]]:
    """Return a text's units, their texts and their stems."""
    units = split(text)
    texts = units.texts(text)
    return units, texts, [stems(unit) for unit in texts]


def slices(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Yield the texts in order, as many together as have at most so many characters, one at least."""
    some: list[str] = []
    characters = 0
    for text in texts:
        if some and characters + len(text) > most:
            yield some
            some, characters = [], 0
        some.append(text)
        characters += len(text)
    yield some
