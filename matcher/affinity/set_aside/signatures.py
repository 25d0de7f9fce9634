"""Signatures: finds the lines at the end of a mail that say who wrote it."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from matcher.affinity.set_aside.closing_words import MOBILE, REGARDS, STRONG, WEAK
from matcher.affinity.set_aside.lines import Line, next_filled
from matcher.affinity.set_aside.replies import Kinds
from matcher.model import AsideKind

MOST_LINES: Final = 20
"""A signature of more lines is a part of the letter."""
LONGEST_LINE: Final = 110
MOST_WEAK_LINES: Final = 5
LONGEST_CLOSING: Final = 60
MOST_NAME_WORDS: Final = 4
MOST_PHRASE_WORDS: Final = 5
LEAST_SENTENCE_WORDS: Final = 6
LEAST_CONTACT_LINES: Final = 2

_DELIMITER: Final = re.compile(r"--\s?$|—$|__$")
_QUESTIONS: Final = ("?", "？")
_POSTSCRIPT: Final = re.compile(r"p\.?\s?s\.?\s?[:.\-–]|ps\s", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’)]*$")
_CONTACT: Final = re.compile(
    r"[^\s@]@[^\s@]+\.\w|https?://|www\.|\+\d[\d ()/.-]{6}"
    r"|(?:tel|phone|mobile|mob|fax|fon|telefon|tél|móvil|cell|t|m|f|e|w|电话|電話|тел)\b\.?\s?[:：]",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"\S+")
_AROUND: Final = " \t,.!;:،、。，！*_-–—~"
_BETWEEN: Final = re.compile(r"\s*[/|&+]\s*|\s+(?:and|und|et|y|e|en|och|i|и|ve)\s+(?=\S)|,\s+")


class _Strength(Enum):
    """How surely a phrase ends a letter: whatever follows, or only where a name follows."""

    STRONG = auto()
    WEAK = auto()


def mark_signatures(lines: list[Line], kinds: Kinds) -> None:
    """Mark the lines of signatures in every run of kept lines."""
    start, opening = 0, next_filled(lines, 0)
    while start < len(lines):
        if kinds[start] is not None:
            start += 1
            continue
        end = start
        while end < len(lines) and kinds[end] is None:
            end += 1
        _mark_run(lines, kinds, start, end, first=start <= opening)
        start = end


def _mark_run(lines: list[Line], kinds: Kinds, start: int, end: int, *, first: bool) -> None:
    filled = [number for number in range(start, end) if lines[number].text]
    if (begin := _delimited(lines, filled)) is not None:
        _mark(lines, kinds, filled, begin)
        filled = [number for number in filled if number < begin]
    for number in filled:
        text = lines[number].text
        if len(text) <= LONGEST_LINE and MOBILE.match(text):
            kinds[number] = AsideKind.SIGNATURE
    filled = [number for number in filled if kinds[number] is None]
    # A telephone's own signature below "-- " may follow a closing phrase.
    begin = _closed(lines, filled, first=first)
    if begin is None and filled:
        begin = _contacts(lines, filled, first=first)
    if begin is not None:
        _mark(lines, kinds, filled, begin)


def _mark(lines: list[Line], kinds: Kinds, filled: list[int], begin: int) -> None:
    """Mark the filled lines from the first of a signature on, up to a postscript."""
    for number in [number for number in filled if number >= begin]:
        if number > begin and _POSTSCRIPT.match(lines[number].text):
            return
        kinds[number] = AsideKind.SIGNATURE


def _delimited(lines: list[Line], filled: list[int]) -> int | None:
    """Return the line "-- " that a signature follows (RFC 3676 §4.3); nobody signs with a question."""
    for place in range(len(filled) - 1, max(-1, len(filled) - 1 - MOST_LINES), -1):
        text = lines[filled[place]].text
        if text.endswith(_QUESTIONS) or (len(text) > LONGEST_LINE):
            return None
        if _DELIMITER.match(text):
            return filled[place]
    return None


def _closed(lines: list[Line], filled: list[int], *, first: bool) -> int | None:
    """Return the line of a closing phrase that nothing but a signature follows."""
    lowest = max(1 if first else 0, len(filled) - MOST_LINES)
    for place in range(lowest, len(filled)):
        text, rest = lines[filled[place]].text, [lines[number].text for number in filled[place + 1 :]]
        rest = _before_postscript(rest)
        if any(len(line) > LONGEST_LINE or _is_sentence(line) for line in rest):
            continue
        strength = _strength(text)
        if strength is _Strength.STRONG or _names_after(text):
            return filled[place]
        # "Thanks!" ends a sentence: then only a name may follow, all of it in capitals.
        lone = text[-1] not in "!！" or (len(rest) == 1 and rest[0].istitle())
        if strength is _Strength.WEAK and lone and 0 < len(rest) <= MOST_WEAK_LINES and _is_name(rest[0]):
            return filled[place]
    return None


def _contacts(lines: list[Line], filled: list[int], *, first: bool) -> int | None:
    """Return the first line of a last paragraph that holds nothing but a name, telephone numbers and addresses."""
    begin = len(filled) - 1
    while begin and filled[begin] - filled[begin - 1] == 1:
        begin -= 1
    texts = [lines[number].text for number in filled[begin:]]
    if (first and begin == 0) or not 1 < len(texts) <= MOST_LINES:
        return None
    if any(len(text) > LONGEST_LINE or _is_sentence(text) for text in texts):
        return None
    contacts = sum(_CONTACT.search(text) is not None for text in texts)
    return filled[begin] if contacts >= LEAST_CONTACT_LINES else None


def _before_postscript(texts: list[str]) -> list[str]:
    for number, text in enumerate(texts):
        if _POSTSCRIPT.match(text):
            return texts[:number]
    return texts


def _strength(text: str) -> _Strength | None:
    """Return how surely a line ends a letter: by its phrase, or by each of several, "Best regards / Viele Grüße"."""
    if len(text) > LONGEST_CLOSING:
        return None
    parts = [part.strip(_AROUND) for part in _BETWEEN.split(text.lower().strip(_AROUND))]
    if not all(part in STRONG or part in WEAK or _is_regards(part) for part in parts):
        return None
    return _Strength.STRONG if any(part in STRONG or _is_regards(part) for part in parts) else _Strength.WEAK


def _is_regards(phrase: str) -> bool:
    return len(phrase.split()) <= MOST_PHRASE_WORDS and REGARDS.search(phrase) is not None


def _names_after(text: str) -> bool:
    """Tell whether a line is a closing phrase with a name behind it: "Viele Grüße, Sabine"."""
    if len(text) > LONGEST_CLOSING or _SENTENCE_END.search(text):
        return False
    words = text.split()
    for cut in range(1, len(words)):
        if words[cut - 1].endswith(",") and _strength(" ".join(words[:cut])) is _Strength.STRONG:
            return _is_name(" ".join(words[cut:]))
    return False


def _is_name(text: str) -> bool:
    words = _WORDS.findall(text)
    if not 0 < len(words) <= MOST_NAME_WORDS or _SENTENCE_END.search(text.rstrip(".")):
        return False
    # A script without capitals (Han, Arabic): a short line.
    capitals = [word for word in words if not word[0].islower() and not word[0].isdigit()]
    return len(capitals) >= len(words) - 1 and not words[0][0].islower()


def _is_sentence(text: str) -> bool:
    ends = _SENTENCE_END.search(text) is not None
    words = len(_WORDS.findall(text))
    return (ends and words >= LEAST_SENTENCE_WORDS) or text.endswith(("?", "？", "。"))
