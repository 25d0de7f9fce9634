"""Compared units: the pieces of a message that are compared with interests, and the places of them in its text."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.affinity.comparable import Unknown, comparable
from matcher.affinity.language import language_of
from matcher.affinity.sentences import Sentences, Span, split
from matcher.affinity.set_aside import Places, longest
from matcher.affinity.small_talk import SmallTalk
from matcher.model import AsideKind, Message, SetAside, Stretch


@dataclass(frozen=True, slots=True, repr=False)
class ComparedUnits:
    """The units of a message, with their places in the caller's own text, and what is compared of them. Not logged."""

    units: Sentences
    texts: list[str]
    language: str
    """The tag of the language in which the message is written; "": unknown."""


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
