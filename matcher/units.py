"""Units: the pieces of a message that are compared, sentences or windows of words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

MAX_UNITS: Final = 32
WINDOW_WORDS: Final = 12
WINDOW_STEP: Final = 8
LONGEST_CLAUSE: Final = 20
"""Words; a longer run without any sign is chat without punctuation, and is read through windows."""
LONGEST_SENTENCE: Final = 40
"""Words; a longer sentence is read through windows even where commas part it."""

# Scripts written without spaces between words: kana, Han, bopomofo, Thai, Lao, Burmese, Khmer.
_SPACELESS: Final = (
    "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff"
)
# Two signs of a spaceless script say about as much as one word; a "word" of hundreds of signs is cut.
_WORD: Final = re.compile(rf"[{_SPACELESS}]{{1,2}}|[^\s{_SPACELESS}]{{1,40}}")
_CLOSERS: Final = "\"'”’»›)\\]}"
_BREAK: Final = re.compile(
    rf"[.!?…‽؟۔።։\u037e]+[{_CLOSERS}]*(?=\s|$)"  # enders that need a space after them ("3.5", "a.b")
    r"|[。！？｡．‼⁉।॥]+[」』】）”’\"')]*"  # enders of scripts that put none
    r"|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+"
)
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(.])(?:[^\W\dI_]|mrs?|ms|dr|prof|sr|sra|st|vs|nr|bzw|ca|inkl|tel|ing|jr|approx)$", re.IGNORECASE
)
_CLAUSE: Final = re.compile(r"[,;:()、，；：،–—\n]|\s-\s")
_SAYING: Final = re.compile(r"[^\W_]")


class Span(NamedTuple):
    """Hold a unit's place in its text, as code-point offsets, end excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Units:
    """Hold the units of one text in order of their start; windows of one long run may overlap."""

    spans: tuple[Span, ...]
    merged: bool
    """Whether the text had more than 32 units, so that neighbours were merged."""

    def texts(self, text: str) -> list[str]:
        """Slice the units out of the text they were split from."""
        return [text[start:end] for start, end in self.spans]


def split(text: str) -> Units:
    """Split a text into at most 32 units: sentences, and windows of words in long unpunctuated runs.

    Every character that is no space lies in a unit. A text of spaces alone has no unit.
    """
    spans: list[Span] = []
    for sentence in _joined(text, list(_sentences(text))):
        spans.extend(_windows(text, sentence))
    if len(spans) <= MAX_UNITS:
        return Units(tuple(spans), merged=False)
    return Units(_merge(spans), merged=True)


def _sentences(text: str) -> Iterator[Span]:
    """Yield stripped, non-empty stretches between sentence breaks."""
    start = 0
    for found in _BREAK.finditer(text):
        if found.group() == "." and _ABBREVIATION.search(text, max(start, found.start() - 8), found.start()):
            continue
        yield from _stripped(text, start, found.end())
        start = found.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    kept = piece.strip()
    if kept:
        start += len(piece) - len(piece.lstrip())
        yield Span(start, start + len(kept))


def _joined(text: str, spans: list[Span]) -> Iterator[Span]:
    """Join stretches that say nothing alone (signs, emoji) to the one before, or the first to the next."""
    held: Span | None = None
    for span in spans:
        if held is None:
            held = span
        elif _SAYING.search(text, *span) and _SAYING.search(text, *held):
            yield held
            held = span
        else:
            held = Span(held.start, span.end)
    if held is not None:
        yield held


def _windows(text: str, sentence: Span) -> Iterator[Span]:
    """Yield the sentence, or overlapping windows of its words where it is too long to say one thing."""
    if sentence.end - sentence.start <= LONGEST_CLAUSE or not _rambles(text, sentence):
        yield sentence
        return
    words = [found.span() for found in _WORD.finditer(text, *sentence)]
    last = len(words) - WINDOW_WORDS
    for first in [*range(0, last, WINDOW_STEP), last]:
        yield Span(words[first][0], words[first + WINDOW_WORDS - 1][1])


def _rambles(text: str, sentence: Span) -> bool:
    cuts = [sentence.start, *(found.end() for found in _CLAUSE.finditer(text, *sentence)), sentence.end]
    clauses = [len(_WORD.findall(text, low, high)) for low, high in pairwise(cuts)]
    return max(clauses) > LONGEST_CLAUSE or sum(clauses) > LONGEST_SENTENCE


def _merge(spans: list[Span]) -> tuple[Span, ...]:
    """Merge neighbours into 32 stretches of an equal number of units each."""
    cuts = [round(index * len(spans) / MAX_UNITS) for index in range(MAX_UNITS + 1)]
    return tuple(Span(spans[low].start, spans[high - 1].end) for low, high in pairwise(cuts))
