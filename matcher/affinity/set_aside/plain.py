"""Cutter of plain text: finds what is not the customer's own words of now."""

from __future__ import annotations

import re
from typing import Final

from matcher.affinity.set_aside.closing_words import MOBILE
from matcher.affinity.set_aside.disclaimers import mark_disclaimers
from matcher.affinity.set_aside.lines import lines_of
from matcher.affinity.set_aside.replies import Kinds, mark_replies
from matcher.affinity.set_aside.signatures import mark_signatures
from matcher.affinity.set_aside.signs import signs
from matcher.model import SetAside

_SUSPECT: Final = re.compile(r"[\r\n\x85\u2028\u2029@#№{\[<>›/:：]|\d\d|www\.|[A-Za-z0-9+=]{24}")
"""Without any of these a text is one line of the customer's own words: so are most messages of a chat."""


def cut(text: str) -> list[SetAside]:
    """Return the parts of a text to set aside, in order and without overlaps."""
    if not _SUSPECT.search(text) and not MOBILE.match(text):
        return []
    lines = lines_of(text)
    kinds: Kinds = [None] * len(lines)
    mark_replies(lines, kinds)
    mark_disclaimers(lines, kinds)
    mark_signatures(lines, kinds)
    found: list[SetAside] = []
    for line, kind in zip(lines, kinds, strict=True):
        if kind is None or line.start == line.end:  # the empty line behind the last line end has no place
            continue
        if found and found[-1].kind is kind and found[-1].end == line.start:
            found[-1] = SetAside(kind, found[-1].start, line.end)
        else:
            found.append(SetAside(kind, line.start, line.end))
    return _with_signs(text, found)


def _with_signs(text: str, found: list[SetAside]) -> list[SetAside]:
    """Add the signs of the kept pieces between the lines that are set aside."""
    merged: list[SetAside] = []
    kept_from = 0
    for aside in [*found, None]:
        end = len(text) if aside is None else aside.start
        if end > kept_from:
            merged += [
                SetAside(sign.kind, sign.start + kept_from, sign.end + kept_from) for sign in signs(text[kept_from:end])
            ]
        if aside is not None:
            merged.append(aside)
            kept_from = aside.end
    return merged
