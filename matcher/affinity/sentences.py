"""Sentences of a message: splits it into units, the pieces that are compared with interests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from matcher.model import ProfileUnit, SetAside

MAX_UNITS: Final = 32
WINDOW_WORDS: Final = 12
WINDOW_STEP: Final = 8
LONGEST_CLAUSE: Final = 20
"""Words; a longer run without punctuation is split into windows."""
LONGEST_SENTENCE: Final = 40
"""Words; a longer sentence is split into windows even where it has commas."""

# Scripts written without spaces between words: kana, Han, bopomofo, Thai, Lao, Burmese, Khmer.
_SPACELESS: Final = (
    "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff"
)
# Two signs of a spaceless script mean about as much as one word; a "word" of hundreds of signs is cut.
_WORD: Final = re.compile(rf"[{_SPACELESS}]{{1,2}}|[^\s{_SPACELESS}]{{1,40}}")
_CLOSERS: Final = "\"'”’“‘»›«‹)\\]}"
_EMOJI: Final = "\u2600-\u27bf\U0001f000-\U0001faff"
_BREAK: Final = re.compile(
    # Marks that end a sentence only before a space or an emoji ("3.5", "a.b" do not end), or in text without spaces.
    # A run of marks is tried once, from its first mark: tried again from each of its marks, 7,999 dots before a
    # letter took 2.6 s (Python 3.11), and a customer can send that.
    rf"(?<![.!?…‽؟۔።។։\u037e])[.!?…‽؟۔።។։\u037e]++[{_CLOSERS}]*+(?=\s|$|[{_EMOJI}])"
    rf"|(?<=[{_SPACELESS}])[.!?…]++[{_CLOSERS}]*+(?=[{_SPACELESS}])"
    # Marks of scripts that put no space after them; a bar typed for a danda.
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
_READABLE: Final = re.compile(r"[^\W_]")
_JOINER: Final = "\u200d"


class Span(NamedTuple):
    """Hold where a unit begins and ends in its text, as code-point offsets, end excluded."""

    start: int
    end: int


class Sentences(msgspec.Struct, frozen=True):
    """Hold the units of one text in the order of their start; windows of one long run may overlap."""

    spans: tuple[Span, ...]
    merged: bool
    """Whether neighbours were merged because the text had more than 32 units."""
    set_aside: tuple[SetAside, ...] = ()
    """The parts of the message that are in no unit."""
    profile: tuple[ProfileUnit, ...] = ()
    """The units that follow those of the text: the interests that the customer brings along."""
    whole: bool = False
    """Whether the last span is that of all units together, compared as a unit of its own."""

    def texts(self, text: str) -> list[str]:
        """Return the units' texts, cut out of the text they were split from."""
        return [text[start:end] for start, end in self.spans]


def split(text: str) -> Sentences:
    """Split a text into at most 32 units: sentences, and windows of words in long runs without punctuation.

    Every character other than a space is in a unit. A text of spaces alone has no unit.
    """
    spans: list[Span] = []
    for sentence in _joined(text, list(_sentences(text))):
        spans.extend(_windows(text, sentence))
    if len(spans) <= MAX_UNITS:
        return Sentences(tuple(spans), merged=False)
    return Sentences(_merge(spans), merged=True)


def _sentences(text: str) -> Iterator[Span]:
    """Yield the stripped, non-empty spans between sentence breaks."""
    start = 0
    for mark in _BREAK.finditer(text):
        if mark.group() == "." and _is_inner_dot(text, start, mark.start()):
            continue
        if kept := _stripped(text, start, mark.end()):
            yield kept
        start = mark.end()
    if kept := _stripped(text, start, len(text)):
        yield kept


def _is_inner_dot(text: str, start: int, dot: int) -> bool:
    """Tell whether a dot belongs to an abbreviation or a date and ends no sentence."""
    if _ABBREVIATION.search(text, max(start, dot - 8), dot):
        return True
    if not text[dot - 1 : dot].isdecimal():  # a date has a digit before the dot
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
    """Join spans without a letter or digit (signs, emoji) to the span before them, or the first to the next."""
    pending: Span | None = None
    pending_readable = False
    for span in spans:
        # Each span is searched once, not again with all that were joined before it.
        readable = _READABLE.search(text, *span) is not None
        if pending is None:
            pending, pending_readable = span, readable
        elif readable and pending_readable:
            yield pending
            pending = span
        else:
            pending, pending_readable = Span(pending.start, span.end), pending_readable or readable
    if pending is not None:
        yield pending


def _windows(text: str, sentence: Span) -> Iterator[Span]:
    """Yield the sentence, or overlapping windows of its words where it is too long for one unit."""
    if sentence.end - sentence.start <= LONGEST_CLAUSE or not _is_long(text, sentence):
        yield sentence
        return
    words = [word.span() for word in _WORD.finditer(text, *sentence)]
    last = len(words) - WINDOW_WORDS
    before = -1
    for first in [*range(0, last, WINDOW_STEP), last]:
        start = words[first][0]
        window = _around_signs(text, sentence, start, words[first + WINDOW_WORDS - 1][1])
        if window.start <= before:
            # The last window may begin one word after the window before it, with an accent on that word.
            window = Span(start, window.end)
        before = window.start
        yield window


def _around_signs(text: str, sentence: Span, start: int, end: int) -> Span:
    """Widen a window that would cut a sign of several code points: an accent, a joined emoji.

    A window grows by less than the step between two windows, however many code points a sign has.
    """
    lowest, highest = max(sentence.start, start - WINDOW_STEP + 1), min(sentence.end, end + WINDOW_STEP)
    while start > lowest and (_joins(text[start]) or text[start - 1] == _JOINER) and not text[start - 1].isspace():
        start -= 1
    while end < highest and (_joins(text[end]) or text[end - 1] == _JOINER) and not text[end].isspace():
        end += 1
    return Span(start, end)


def _joins(sign: str) -> bool:
    return sign == _JOINER or "\U0001f3fb" <= sign <= "\U0001f3ff" or unicodedata.category(sign) in {"Mn", "Mc", "Me"}


def _is_long(text: str, sentence: Span) -> bool:
    cuts = [sentence.start, *(comma.end() for comma in _CLAUSE.finditer(text, *sentence)), sentence.end]
    clauses = [len(_WORD.findall(text, low, high)) for low, high in pairwise(cuts)]
    return max(clauses) > LONGEST_CLAUSE or sum(clauses) > LONGEST_SENTENCE


def _merge(spans: list[Span]) -> tuple[Span, ...]:
    """Merge neighbours into 32 spans of about equally many units."""
    cuts = [round(index * len(spans) / MAX_UNITS) for index in range(MAX_UNITS + 1)]
    return tuple(Span(spans[low].start, spans[high - 1].end) for low, high in pairwise(cuts))
