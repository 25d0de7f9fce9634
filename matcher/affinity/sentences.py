"""Units: the pieces of a message that are compared, sentences or windows of words."""

from __future__ import annotations

import re
import unicodedata
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
_CLOSERS: Final = "\"'”’“‘»›«‹)\\]}"
_EMOJI: Final = "\u2600-\u27bf\U0001f000-\U0001faff"
_BREAK: Final = re.compile(
    # Enders that need a space or a picture after them ("3.5", "a.b"), or stand in text without spaces.
    # A run of enders is tried once, from its first sign: tried again from each of its signs, 7,999 dots before a
    # letter took 2.6 s (Python 3.11), and a customer can send that.
    rf"(?<![.!?…‽؟۔።។։\u037e])[.!?…‽؟۔።។։\u037e]++[{_CLOSERS}]*+(?=\s|$|[{_EMOJI}])"
    rf"|(?<=[{_SPACELESS}])[.!?…]++[{_CLOSERS}]*+(?=[{_SPACELESS}])"
    # Enders of scripts that put none; a bar typed for a danda.
    r"|(?:[。！？｡‼⁉।॥။]|(?<!\d)．|．(?!\d)|(?<=[\u0900-\u097f])\s?\|)+[」』】）”’\"')]*"
    r"|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+"
)
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(.])(?:[^\W\dI_]|mrs?|ms|dr|dra|prof|sr|sra|st|vs|nr|núm|ej|bzw|ca|inkl|tel|ing|jr|approx)$",
    re.IGNORECASE,
)
# German dates: "am 24.12. an", "am 3. Oktober".
_DATE: Final = re.compile(r"\d\.\d{1,2}\.\s+(?=[a-zäöü])")
_DAY: Final = re.compile(
    r"\d\.\s+(?:januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember)\b", re.IGNORECASE
)
_CLAUSE: Final = re.compile(r"[,;:()、，；：،–—\n]|\s-\s")
_SAYING: Final = re.compile(r"[^\W_]")
_JOINER: Final = "\u200d"


class Span(NamedTuple):
    """Hold a unit's place in its text, as code-point offsets, end excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentences:
    """Hold the units of one text in order of their start; windows of one long run may overlap."""

    spans: tuple[Span, ...]
    merged: bool
    """Whether the text had more than 32 units, so that neighbours were merged."""

    def texts(self, text: str) -> list[str]:
        """Slice the units out of the text they were split from."""
        return [text[start:end] for start, end in self.spans]


def split(text: str) -> Sentences:
    """Split a text into at most 32 units: sentences, and windows of words in long unpunctuated runs.

    Every character that is no space lies in a unit. A text of spaces alone has no unit.
    """
    spans: list[Span] = []
    for sentence in _joined(text, list(_sentences(text))):
        spans.extend(_windows(text, sentence))
    if len(spans) <= MAX_UNITS:
        return Sentences(tuple(spans), merged=False)
    return Sentences(_merge(spans), merged=True)


def _sentences(text: str) -> Iterator[Span]:
    """Yield stripped, non-empty stretches between sentence breaks."""
    start = 0
    for found in _BREAK.finditer(text):
        if found.group() == "." and _stays(text, start, found.start()):
            continue
        if kept := _stripped(text, start, found.end()):
            yield kept
        start = found.end()
    if kept := _stripped(text, start, len(text)):
        yield kept


def _stays(text: str, start: int, dot: int) -> bool:
    """Tell whether the dot ends an abbreviation or a number of a date, and no sentence."""
    if _ABBREVIATION.search(text, max(start, dot - 8), dot):
        return True
    if not text[dot - 1 : dot].isdecimal():  # what follows looks for numbers
        return False
    return bool(
        _DAY.match(text, max(start, dot - 1))
        or _DATE.match(text, max(start, dot - 3))
        or _DATE.match(text, max(start, dot - 4))
    )


def _stripped(text: str, start: int, end: int) -> Span | None:
    piece = text[start:end]
    kept = piece.strip()
    if not kept:
        return None
    start += len(piece) - len(piece.lstrip())
    return Span(start, start + len(kept))


def _joined(text: str, spans: list[Span]) -> Iterator[Span]:
    """Join stretches that say nothing alone (signs, emoji) to the one before, or the first to the next."""
    held: Span | None = None
    held_says = False
    for span in spans:
        # Each stretch is searched once, not again with all that were joined before it.
        says = _SAYING.search(text, *span) is not None
        if held is None:
            held, held_says = span, says
        elif says and held_says:
            yield held
            held = span
        else:
            held, held_says = Span(held.start, span.end), held_says or says
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
        yield _around_signs(text, sentence, words[first][0], words[first + WINDOW_WORDS - 1][1])


def _around_signs(text: str, sentence: Span, start: int, end: int) -> Span:
    """Widen a window where it would cut a sign that several code points make: an accent, a joined emoji.

    By less than two windows begin apart, whatever a text piles up.
    """
    lowest, highest = max(sentence.start, start - WINDOW_STEP + 1), min(sentence.end, end + WINDOW_STEP)
    while start > lowest and (_joins(text[start]) or text[start - 1] == _JOINER) and not text[start - 1].isspace():
        start -= 1
    while end < highest and (_joins(text[end]) or text[end - 1] == _JOINER) and not text[end].isspace():
        end += 1
    return Span(start, end)


def _joins(sign: str) -> bool:
    return sign == _JOINER or "\U0001f3fb" <= sign <= "\U0001f3ff" or unicodedata.category(sign) in {"Mn", "Mc", "Me"}


def _rambles(text: str, sentence: Span) -> bool:
    cuts = [sentence.start, *(found.end() for found in _CLAUSE.finditer(text, *sentence)), sentence.end]
    clauses = [len(_WORD.findall(text, low, high)) for low, high in pairwise(cuts)]
    return max(clauses) > LONGEST_CLAUSE or sum(clauses) > LONGEST_SENTENCE


def _merge(spans: list[Span]) -> tuple[Span, ...]:
    """Merge neighbours into 32 stretches of an equal number of units each."""
    cuts = [round(index * len(spans) / MAX_UNITS) for index in range(MAX_UNITS + 1)]
    return tuple(Span(spans[low].start, spans[high - 1].end) for low, high in pairwise(cuts))
