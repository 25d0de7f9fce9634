"""Compared units: the pieces of a message that are compared with interests, and the places of them in its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from matcher.affinity.comparable import Unknown, comparable, comparable_interests
from matcher.affinity.language import language_of
from matcher.affinity.sentences import MAX_UNITS, Sentences, Span, split
from matcher.affinity.set_aside import Places, longest
from matcher.affinity.small_talk import SmallTalk
from matcher.model import AsideKind, Message, ProfileUnit, SetAside, Stretch

LONGEST_WHOLE: Final = 1_000
"""Characters of a message that are compared as a whole: more says less of any one thing in it."""


@dataclass(frozen=True, slots=True, repr=False)
class ComparedUnits:
    """The units of a message, with their places in the caller's own text, and what is compared of them. Not logged."""

    units: Sentences
    texts: list[str]
    language: str
    """The tag of the language in which the message is written, or the customer's interests where no unit is left of it;
    "": unknown."""
    profile_texts: list[str] = field(default_factory=list)
    """What is compared of the customer's interests, one text for each of `units.profile`."""
    profile_language: str = ""
    """The tag of the language in which the interests are written, all together; "": unknown."""

    @property
    def whole_text(self) -> str:
        """The text of all units together; "" where there are fewer than two."""
        return whole_of(self.texts)


def profile_units(message: Message, unknown: Unknown) -> tuple[tuple[ProfileUnit, ...], list[str]]:
    """Return the units of the customer's interests and their texts: sentences, at most 32, else whole interests.

    A unit that is small talk, or of which the model knows no word, is left out. unknown: of the serving model.
    """
    cut = [split(interest).texts(interest) for interest in message.interests]
    if sum(map(len, cut)) > MAX_UNITS:
        cut = [[interest] for interest in message.interests]
    placed = [(str(place), text) for place, texts in enumerate(cut) for text in texts]
    known = comparable_interests([text for _, text in placed], unknown)
    kept = [(place, text) for (place, _), text in zip(placed, known, strict=True) if text]
    return tuple(ProfileUnit(place, message.interests_shareable) for place, _ in kept), [text for _, text in kept]


def whole_of(units: Sequence[str]) -> str:
    """Return the text of all units together; "" where there are fewer than two."""
    return " ".join(units)[:LONGEST_WHOLE] if len(units) > 1 else ""


def with_whole(units: Sentences) -> Sentences:
    """Return the units of a text with one more, which is the text of all of them."""
    whole = Span(units.spans[0].start, max(span.end for span in units.spans))
    return msgspec.structs.replace(units, spans=(*units.spans, whole), whole=True)


def compared_units(message: Message, unknown: Unknown, small_talk: SmallTalk) -> ComparedUnits:
    """Split what is compared of a message, which was read, into units.

    A unit that is small talk, or of which the model knows no word, is set aside. unknown: of the serving model.
    """
    assert message.kept is not None
    text = message.text
    language = language_of(text, message.requirements.language)
    sentences = split(text)
    spans = sentences.spans
    if message.kept != (Stretch(0, len(text), len(text)),):
        places = Places(message.kept)
        spans = tuple(Span(*places.own(*span)) for span in spans)
    units = sentences.texts(text)
    compared = comparable(units, unknown)
    kept, texts, aside = [], [], []
    for span, unit, known in zip(spans, units, compared, strict=True):
        if small_talk.is_one(unit):
            aside.append(SetAside(AsideKind.SMALL_TALK, *span))
        elif not known:
            aside.append(SetAside(AsideKind.UNKNOWN, *span))
        else:
            kept.append(span)
            texts.append(known)
    if not aside:
        return ComparedUnits(Sentences(spans, sentences.merged, longest(message.set_aside)), texts, language)
    aside = sorted([*message.set_aside, *aside], key=lambda part: part.start)
    return ComparedUnits(Sentences(tuple(kept), sentences.merged, longest(aside)), texts, language)
