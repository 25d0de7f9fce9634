"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences, split
from matcher.model import Message
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoder_share import EncoderShare


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and their stems [units]. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]


async def encode_message(
    replica: SiteReplica, message: Message, share: EncoderShare | None = None, until: float | None = None
) -> EncodedMessage:
    """Split a message into units and encode them.

    share: encode them within a share of the encoder, a few at a time; until: as of `EncoderShare.of`.
    """
    units = split(message.text)
    texts = units.texts(message.text)
    encode = replica.matching.encoder.encode
    if share is None:
        return EncodedMessage(units, await encode(texts), [stems(text) for text in texts])
    vectors = []
    for some in slices(texts, share.at_once):
        async with share.of(sum(map(len, some)), until):
            vectors.append(await encode(some))
    return EncodedMessage(units, np.concatenate(vectors), [stems(text) for text in texts])


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
