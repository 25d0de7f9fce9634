"""Lines of a text with their offsets."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_END: Final = re.compile(r"\r\n?|\n|\u2028|\u2029|\x85")
_INVISIBLE: Final = " \t\r\n\xa0\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"


class Line(NamedTuple):
    """A line: its text without spaces at the ends, and its offsets with the line break."""

    text: str
    start: int
    end: int


def lines_of(text: str) -> list[Line]:
    """Return the lines of a text; together they cover it."""
    lines, start = [], 0
    for end in _END.finditer(text):
        lines.append(Line(text[start : end.start()].strip(_INVISIBLE), start, end.end()))
        start = end.end()
    lines.append(Line(text[start:].strip(_INVISIBLE), start, len(text)))
    return lines


def next_filled(lines: list[Line], at: int) -> int:
    """Return the number of the first line from `at` on that is not empty, or of the line behind the last."""
    while at < len(lines) and not lines[at].text:
        at += 1
    return at
