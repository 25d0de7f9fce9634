"""Compared units: the pieces of a message that are compared with interests, and the places of them in its text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from matcher.affinity.sentences import Sentences, Span, split
from matcher.affinity.set_aside import Places, longest
from matcher.model import Message, Stretch


@dataclass(frozen=True, slots=True, repr=False)
class ComparedUnits:
    """The units of a message, with their places in the caller's own text, and their texts. Never logged."""

    units: Sentences
    texts: list[str]


def compared_units(message: Message) -> ComparedUnits:
    """Split what is compared of a message, which was read, into units."""
    assert message.kept is not None
    text = message.text
    units = split(text)
    spans = units.spans
    if message.kept != (Stretch(0, len(text), len(text)),):
        places = Places(message.kept)
        spans = tuple(Span(*places.own(*span)) for span in spans)
    return ComparedUnits(replace(units, spans=spans, set_aside=longest(message.set_aside)), units.texts(text))
