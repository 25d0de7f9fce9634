"""Text of agents and customers for a terminal: replaces the control characters, which a terminal would obey."""

from __future__ import annotations

import unicodedata

MOVES_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Characters that reorder or break a line, so that a reader sees another text (Unicode TR 36, section 2)."""


def visible(text: str) -> str:
    """Return the text on one line, with U+FFFD for every control character and a space for every line end."""
    characters = (
        " " if character in "\r\n\t" else "\ufffd" if _is_control(character) else character for character in text
    )
    return "".join(characters)


def shortened(text: str, width: int) -> str:
    """Return the text on one line in at most `width` characters."""
    line = " ".join(visible(text).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _is_control(character: str) -> bool:
    return character in MOVES_TEXT or unicodedata.category(character) in {"Cc", "Cs"}
