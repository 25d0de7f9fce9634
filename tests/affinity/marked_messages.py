"""Mails and chats in which brackets mark what should be set aside: ⟦kind|text⟧."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "data" / "messages"
_HEADER: Final = re.compile(r"^=== (\S+) (\S+)\n", re.MULTILINE)
_MARK: Final = re.compile(r"⟦(\w)\|(.*?)⟧", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MarkedMessage:
    """A text with the offsets of the signs that should be set aside."""

    name: str
    media_type: str
    text: str
    aside: frozenset[int]


def marked_messages() -> list[MarkedMessage]:
    """Read the messages of every file."""
    messages = []
    for path in sorted(FOLDER.glob("*.txt")):
        _, *parts = _HEADER.split(path.read_text("utf-8"))
        for name, media_type, marked in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            messages.append(_message(name, media_type, marked.rstrip("\n")))
    return messages


def _message(name: str, media_type: str, marked: str) -> MarkedMessage:
    text, aside, at = "", set[int](), 0
    for mark in _MARK.finditer(marked):
        text += marked[at : mark.start()]
        aside |= set(range(len(text), len(text) + len(mark.group(2))))
        text += mark.group(2)
        at = mark.end()
    return MarkedMessage(name, media_type, text + marked[at:], frozenset(aside))
