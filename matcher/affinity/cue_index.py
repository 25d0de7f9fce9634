"""Cue index: finds which entries' cues stand in a text, by the words that the text and the cues have in common.

A cue of several words stands in a text that has all of them, in any order and any form that the language's stemmer
knows. In Japanese and Chinese a cue is a stretch of signs.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final

import Stemmer


class Standing(IntEnum):
    """How a cue stands in a text, from the least to the most telling: "dating" has the stem of "date"."""

    STEMS = 0
    WORD = 1
    """Word for word, a cue of one word; in Japanese and Chinese of fewer than three signs."""
    PHRASE = 2
    """Word for word, a longer cue."""


SPACELESS: Final = ("ja", "zh")
"""Languages that are written without spaces between words."""

SHORTEST: Final = 3
"""Letters of a stem; a word whose stem is shorter is compared as it is."""

PHRASE_SIGNS: Final = 3
"""Signs from which a Japanese or Chinese cue is a phrase."""

CUT: Final = 5
"""Letters of a long word by which it is compared in a language without a stemmer."""

_STEMMERS: Final = {
    "en": "english",
    "de": "german",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "nl": "dutch",
    "pt": "portuguese",
    "ru": "russian",
    "tr": "turkish",
}
_WORD: Final = re.compile(r"[^\W_]+")
_NOT: Final = re.compile(r"n't\b")


class _Stemmers(threading.local):
    """Hold one stemmer a thread and language: a Snowball stemmer must not be shared by threads."""

    def __init__(self) -> None:
        self.of: dict[str, Stemmer.Stemmer] = {}

    def stem(self, words: list[str], language: str) -> list[str]:
        """Return the stem of each word."""
        stemmer = self.of.get(language)
        if stemmer is None:
            # No cache of words: what a customer wrote is gone when the call is over.
            stemmer = self.of[language] = Stemmer.Stemmer(_STEMMERS[language], 0)
        stems: list[str] = stemmer.stemWords(words)
        return stems


_THREAD: Final = _Stemmers()


def _words(text: str, language: str) -> list[str]:
    text = text.lower()
    return _WORD.findall(_NOT.sub(" not", text) if language == "en" else text)


def _stems(words: list[str], language: str) -> list[str]:
    if language in _STEMMERS:
        stems = _THREAD.stem(words, language)
        # A stem of a letter or two tells nothing: "aed" is not "a".
        return [stem if len(stem) >= SHORTEST else word for stem, word in zip(stems, words, strict=True)]
    return [word[:CUT] if len(word) > CUT + 1 else word for word in words]


def _stems_by_word(words: set[str], language: str) -> dict[str, str]:
    distinct = list(words)
    return dict(zip(distinct, _stems(distinct, language), strict=True))


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text).replace("\u2019", "'")


class CueIndex:
    """Find the entries of one language whose cues stand in a text. It is read by several threads and never changed."""

    def __init__(self, language: str, cues: Iterable[tuple[int, str]]) -> None:
        """cues: each with the number of its entry."""
        self._language = language
        self._signs: dict[str, list[tuple[str, int]]] = {}
        self._words: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...], int], ...]] = {}
        """By the stem that leads to a cue: the cue's other stems, its words, and the number of its entry."""
        if language in SPACELESS:
            self._index_signs(cues)
        else:
            self._index_words(cues)

    def find(self, text: str) -> dict[int, Standing]:
        """Return the entries that have a cue in the text, by number, with how its most telling cue stands."""
        found: dict[int, Standing] = {}
        for number, stands in self._find_signs(text) if self._language in SPACELESS else self._find_words(text):
            found[number] = max(stands, found.get(number, Standing.STEMS))
        return found

    def _index_signs(self, cues: Iterable[tuple[int, str]]) -> None:
        for number, cue in cues:
            signs = _normal(cue)
            if signs:
                self._signs.setdefault(signs[:2], []).append((signs, number))

    def _find_signs(self, text: str) -> Iterator[tuple[int, Standing]]:
        text = _normal(text)
        for at in range(len(text)):
            # A cue is found by its first two signs, or by its one.
            for begin in {text[at], text[at : at + 2]}:
                for signs, number in self._signs.get(begin, ()):
                    if text.startswith(signs, at):
                        yield number, Standing.PHRASE if len(signs) >= PHRASE_SIGNS else Standing.WORD

    def _index_words(self, cues: Iterable[tuple[int, str]]) -> None:
        said = [(number, tuple(dict.fromkeys(_words(_normal(cue), self._language)))) for number, cue in cues]
        stems = _stems_by_word({word for _, words in said for word in words}, self._language)
        often = Counter(stem for _, words in said for stem in {stems[word] for word in words})
        leading = defaultdict[str, set[tuple[tuple[str, ...], tuple[str, ...], int]]](set)
        for number, words in said:
            of_cue = {stems[word] for word in words}
            if of_cue:
                # The rarest of its stems leads to a cue: few texts have it.
                rarest = min(of_cue, key=lambda stem: (often[stem], stem))
                leading[rarest].add((tuple(sorted(of_cue - {rarest})), words, number))
        self._words = {stem: tuple(cues_of) for stem, cues_of in leading.items()}

    def _find_words(self, text: str) -> Iterator[tuple[int, Standing]]:
        said = _words(_normal(text), self._language)
        words, stems = set(said), set(_stems(said, self._language))
        for stem in stems:
            for others, of_cue, number in self._words.get(stem, ()):
                if not others or stems.issuperset(others):
                    if not words.issuperset(of_cue):
                        yield number, Standing.STEMS
                    else:
                        yield number, Standing.PHRASE if len(of_cue) > 1 else Standing.WORD


def indexes(cues: Iterable[tuple[str, int, Sequence[str]]]) -> dict[str, CueIndex]:
    """Return an index by language, given entries in it: language, number of the entry, cues."""
    by_language = defaultdict[str, list[tuple[int, str]]](list)
    for language, number, of_entry in cues:
        by_language[language] += ((number, cue) for cue in of_entry)
    return {language: CueIndex(language, pairs) for language, pairs in by_language.items()}
