"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.compared import compared_units
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences
from matcher.affinity.small_talk import SmallTalk
from matcher.encoder import unknown_words
from matcher.model import Message, Pool
from matcher.replica.site_replica import SiteReplica
from matcher.routing.message_reading import AT_ONCE, in_reader


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and their stems [units]. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]


async def encode_message(replica: SiteReplica, message: Message, pool: Pool | None = None) -> EncodedMessage:
    """Split a message that was read into units, and encode them; pool: whose own small talk is no unit."""
    encoder = replica.matching.encoder
    small_talk = SmallTalk.of_pool(pool.policy.small_talk if pool else ())
    compare = partial(compared_units, unknown=partial(unknown_words, encoder), small_talk=small_talk)
    compared = compare(message) if len(message.text) <= AT_ONCE else await in_reader(compare, message)
    vectors = await encoder.encode(compared.texts)
    return EncodedMessage(compared.units, vectors, [stems(text) for text in compared.texts])
