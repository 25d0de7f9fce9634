"""Small talk: sentences that say nothing about a topic, and how a text is recognised as one of them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from matcher.affinity.sentences import split
from matcher.affinity.set_aside import read
from matcher.model import Message, Requirements

LONGEST: Final = 200
"""Characters; a longer text is no small talk."""
EXACT: Final = "exact"
"""The section of the file whose sentences are never compared, and not measured either."""
ENGLISH: Final = "en"
MOST_MEASURED: Final = 38
"""Sentences measured of each other language: each costs a search of the whole roster, 10 ms with 250,000 interests."""

# Letters, digits and accents of words; everything else counts as a space.
_OTHER: Final = re.compile(r"[\W_]+")


@cache
def packaged_sentences() -> Mapping[str, tuple[str, ...]]:
    """Return the sentences of the packaged file by language."""
    return _sections("small_talk.txt")


def support_texts() -> Mapping[str, tuple[str, ...]]:
    """Return texts about a support matter with nothing of a person in them, by language."""
    return _sections("support_texts.txt")


def measured_sentences() -> dict[str, tuple[str, ...]]:
    """Return the sentences that a floor is computed from, by language: all in English, a part of the others."""
    return {
        language: of_language if language == ENGLISH else of_language[:: math.ceil(len(of_language) / MOST_MEASURED)]
        for language, of_language in packaged_sentences().items()
        if language != EXACT
    }


def _sections(file: str) -> Mapping[str, tuple[str, ...]]:
    sections: dict[str, list[str]] = {}
    name = ""
    for line in (resources.files("matcher") / file).read_text("utf-8").splitlines():
        if line.startswith("# "):
            name = line[2:]
        elif line.strip():
            sections.setdefault(name, []).append(line)
    return {name: tuple(of_section) for name, of_section in sections.items()}


class SmallTalk:
    """The sentences that are no unit of a message."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self._keys = frozenset(_key(text) for sentence in sentences for text in _forms(sentence))

    @staticmethod
    def of_pool(own: tuple[str, ...]) -> SmallTalk:
        """Return the packaged sentences with those of a pool."""
        return _of_pool(own)

    def is_one(self, text: str) -> bool:
        """Tell whether a text is one of the sentences, up to case, punctuation and emoji."""
        return len(text) <= LONGEST and _key(text) in self._keys


@lru_cache(256)
def _of_pool(own: tuple[str, ...]) -> SmallTalk:
    return SmallTalk((*(sentence for each in packaged_sentences().values() for sentence in each), *own))


def _forms(sentence: str) -> Iterator[str]:
    """Yield a sentence, its units, and what is left of both without numbers of orders."""
    for form in (sentence, read(Message(sentence, "", Requirements())).text):
        yield form
        yield from split(form).texts(form)


def _key(text: str) -> str:
    """Return the words of a text; without words its emoji, each once, and without emoji the signs themselves."""
    if text.isascii():  # else the same, in a third of the time
        text = text.lower().replace("'", "")
    else:
        text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'", "")
    words = _OTHER.sub(" ", text).strip()
    if words:
        return words
    symbols = sorted({sign for sign in text if unicodedata.category(sign) == "So"})
    return "".join(symbols) or "".join(text.split())
