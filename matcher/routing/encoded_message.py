"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.compared import compared_units
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences
from matcher.model import Message
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


async def encode_message(
    replica: SiteReplica, message: Message, share: EncoderShare | None = None, until: float | None = None
) -> EncodedMessage:
    """Split a message that was read into units, and encode them.

    share: encode them within a share of the encoder, a few at a time; until: as of `EncoderShare.of`.
    """
    if len(message.text) > LONG_TEXT:
        cut = await asyncio.get_running_loop().run_in_executor(_CUTTER, _cut, message)
    else:
        cut = _cut(message)
    units, texts, known_stems = cut
    encode = replica.matching.encoder.encode
    if share is None:
        return EncodedMessage(units, await encode(texts), known_stems)
    vectors = []
    for some in slices(texts, share.at_once):
        async with share.of(sum(map(len, some)), until):
            vectors.append(await encode(some))
    return EncodedMessage(units, np.concatenate(vectors), known_stems)


def _cut(message: Message) -> tuple[Sentences, list[str], list[tuple[str, ...]]]:
    """Return a message's units, their texts and their stems."""
    compared = compared_units(message)
    return compared.units, compared.texts, [stems(text) for text in compared.texts]


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
