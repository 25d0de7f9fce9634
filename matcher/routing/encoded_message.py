"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.comparable import Unknown
from matcher.affinity.compared import ComparedUnits, compared_units
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences
from matcher.affinity.small_talk import SmallTalk
from matcher.encoder import unknown_words
from matcher.errors import EncoderOverloaded, ModelUnusable, ServiceOverloaded
from matcher.model import Degraded, Message, Pool, WhenOverloaded
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.message_reading import AT_ONCE, in_reader


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and their stems [units]. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]
    degraded: Degraded | None = None
    """Why the message has no units: it was not encoded, and its pool wants the least utilized agent then."""
    language: str = ""
    """The tag of the language in which the whole text is written; "": unknown."""


async def encode_message(
    replica: SiteReplica,
    message: Message,
    pool: Pool | None = None,
    share: EncoderShare | None = None,
    until: float | None = None,
) -> EncodedMessage:
    """Split a message that was read into units, and encode them.

    pool: whose own small talk is no unit. share: encode them within a share of the encoder, a few at a time; until: as
    of `EncoderShare.of`.
    """
    encoder = replica.matching.encoder
    small_talk = SmallTalk.of_pool(pool.policy.small_talk if pool else ())
    cut = partial(_cut, unknown=partial(unknown_words, encoder), small_talk=small_talk)
    compared, known_stems = cut(message) if len(message.text) <= AT_ONCE else await in_reader(cut, message)
    if share is None or not compared.texts:
        vectors = await encoder.encode(compared.texts)
    else:
        pieces = []
        for some in slices(compared.texts, share.at_once):
            async with share.of(sum(map(len, some)), until):
                pieces.append(await encoder.encode(some))
        vectors = np.concatenate(pieces)
    return EncodedMessage(compared.units, vectors, known_stems, language=compared.language)


async def encode_or_fall_back(
    replica: SiteReplica, pool: Pool, message: Message, share: EncoderShare | None = None, until: float | None = None
) -> EncodedMessage:
    """Encode a message as `encode_message` does; where that fails, return a message without units if its pool wants it.

    A message without units meets no interest, so it gets the least utilized agent. Raises what the encoder raises,
    where the pool's when_overloaded is REFUSE.
    """
    try:
        return await encode_message(replica, message, pool, share, until)
    except (EncoderOverloaded, ServiceOverloaded, ModelUnusable) as fault:
        if pool.policy.when_overloaded is not WhenOverloaded.FALLBACK:
            raise
        why = Degraded.ENCODER_BROKEN if isinstance(fault, ModelUnusable) else Degraded.ENCODER_FULL
    return without_units(replica, message, why)


def without_units(replica: SiteReplica, message: Message, degraded: Degraded | None = None) -> EncodedMessage:
    """Return a message that meets no interest: the least utilized agent gets it. degraded: why, where it has a text."""
    nothing = np.empty((0, replica.matching.encoder.dimension), np.float32)
    return EncodedMessage(Sentences((), merged=False, set_aside=message.set_aside), nothing, [], degraded)


def _cut(message: Message, *, unknown: Unknown, small_talk: SmallTalk) -> tuple[ComparedUnits, list[tuple[str, ...]]]:
    """Return a message's units and their stems."""
    compared = compared_units(message, unknown=unknown, small_talk=small_talk)
    return compared, [stems(text) for text in compared.texts]


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
