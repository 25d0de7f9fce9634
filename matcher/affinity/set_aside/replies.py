"""Quotes and reply headers: finds the lines of a mail that repeat an earlier mail."""

from __future__ import annotations

import re
from typing import Final

from matcher.affinity.set_aside.lines import Line, next_filled
from matcher.affinity.set_aside.reply_words import ABOVE_THIS_LINE, BEGIN_FORWARDED, LABELS, ORIGINAL, REPLY, WROTE
from matcher.model import AsideKind

LONGEST_HEADER: Final = 400
"""Characters of a header's line; a mail program breaks its lines far earlier."""
LONGEST_DESK_LINE: Final = 160
MOST_HEADER_LINES: Final = 4
MOST_COLONS: Final = 128
"""Lines that end in a colon and are looked at: a mail has a few, a text made to cost time has thousands."""
MOST_BLOCK_LINES: Final = 10
LEAST_LABELS: Final = 3

# "> 5" and ">:(" are no quotes.
_QUOTED: Final = re.compile(r"[>›](?![:;=_<.-]|\s?[\d.,]+\s*(?:$|[^\W\d]))")
_DATE: Final = re.compile(r"(?:19|20|[٢۲][٠۰])\d\d(?!\d)|\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{2,4}|\d年")
_TIME: Final = re.compile(r"\d{1,2}\s?[:.時点hH]\s?\d{2}(?!\d)")
# What stands behind an @, up to the end of the word: read once, however many more there are in it.
_BEHIND_AT: Final = re.compile(r"[^\s<>()\[\]]@([^\s<>()\[\]]++)")
_LABELLED: Final = re.compile(r"[\s>*_]*([^\W\d_][^:：*_]{0,30}?)[*_]*\s?[:：][*_]*(?:\s|$|(?<=：))(.*)$")
_RULE: Final = re.compile(r"[_\-=*─—]{5,}$")
_DASHED: Final = re.compile(r"[-_=*>\s]*-{2,}\s?\S.{0,58}?\S\s?-{2,}")

Kinds = list[AsideKind | None]
"""The kind of each line that is set aside; None: the line is kept."""


def mark_replies(lines: list[Line], kinds: Kinds) -> None:
    """Mark the lines of quotes and reply headers.

    Behind a reply header whose quote has no ">" everything up to the end is the quote, and so it is under the line of a
    help desk above which the customer replies.
    """
    headers = _wrote_headers(lines)
    at, any_kept = 0, False
    while at < len(lines):
        if _is_quoted(lines[at].text):
            kinds[at] = AsideKind.QUOTE
            at += 1
            continue
        if _is_desk_line(lines[at].text):
            kinds[at] = AsideKind.REPLY_HEADER
            if any_kept:
                kinds[at + 1 :] = [AsideKind.QUOTE] * (len(lines) - at - 1)
                return
            at += 1
            continue
        end = headers.get(at) or _block_end(lines, at)
        if not end:
            any_kept = any_kept or bool(lines[at].text)
            at += 1
            continue
        kinds[at:end] = [AsideKind.REPLY_HEADER] * (end - at)
        behind = next_filled(lines, end)
        if behind == len(lines) or not _is_quoted(lines[behind].text):
            kinds[end:] = [AsideKind.QUOTE] * (len(lines) - end)
            return
        at = end


def _is_desk_line(text: str) -> bool:
    return len(text) <= LONGEST_DESK_LINE and bool(ABOVE_THIS_LINE.search(text) and REPLY.search(text))


def _is_quoted(text: str) -> bool:
    return _QUOTED.match(text) is not None


def _wrote_headers(lines: list[Line]) -> dict[int, int]:
    """Return the headers of the form "On 3 June 2025 at 10:12, Anna wrote:" by their first line; its end excluded."""
    headers: dict[int, int] = {}
    colons = [last for last, line in enumerate(lines) if line.text.endswith((":", "：")) and not _is_quoted(line.text)]
    for last in colons[:MOST_COLONS]:
        joined = ""
        for first in range(last, max(-1, last - MOST_HEADER_LINES), -1):
            text = lines[first].text
            if not text or len(text) > LONGEST_HEADER or _is_quoted(text):
                break
            joined = f"{text} {joined}"
            if _introduces(joined):
                headers[first] = last + 1
                break
    return headers


def _introduces(line: str) -> bool:
    if not _DATE.search(line):
        return False
    time, address = _TIME.search(line), _has_address(line)
    return bool((time or address) and (WROTE.search(line) or (time and address)))


def _has_address(text: str) -> bool:
    return any("." in behind[1:-1] for behind in _BEHIND_AT.findall(text))


def _block_end(lines: list[Line], at: int) -> int:
    """Return the end of a header block ("From: … Sent: … Subject: …") that begins at a line; 0: none begins there."""
    text = lines[at].text
    if not text or len(text) > LONGEST_HEADER:
        return 0
    dashed = _DASHED.match(text)
    # A telephone may write the whole header behind the dashes, in one line.
    if BEGIN_FORWARDED.match(text) or (dashed and ORIGINAL.search(text, 0, dashed.end())):
        below = next_filled(lines, at + 1)
        return _labelled_end(lines, below) or at + 1
    if _RULE.match(text) or (dashed and dashed.end() == len(text)):
        return _labelled_end(lines, next_filled(lines, at + 1))
    return _labelled_end(lines, at)


def _labelled_end(lines: list[Line], at: int) -> int:
    roles: list[str] = []
    addressed = False
    end = last = min(at + MOST_BLOCK_LINES, len(lines))
    for number in range(at, last):
        text = lines[number].text[:LONGEST_HEADER]
        found = _LABELLED.match(text)
        role = LABELS.get(found.group(1).strip().lower()) if found else None
        if role is None:
            # One line more of a long list of addressees.
            if roles and roles[-1] == "to" and _has_address(text) and number + 1 < last:
                continue
            end = number
            break
        roles.append(role)
        addressed = addressed or _has_address(text)
    if len(roles) >= LEAST_LABELS and "from" in roles and ("subject" in roles or addressed):
        return end
    return 0
