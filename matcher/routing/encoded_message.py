"""A message as the search compares it: its units with their vectors and stems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import Sentences, split
from matcher.model import Message
from matcher.replica.site_replica import SiteReplica


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message's units, their vectors [units, dimension] and their stems [units]. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]


async def encode_message(replica: SiteReplica, message: Message) -> EncodedMessage:
    """Split a message into units and encode them."""
    units = split(message.text)
    texts = units.texts(message.text)
    return EncodedMessage(units, await replica.matching.encoder.encode(texts), [stems(text) for text in texts])
