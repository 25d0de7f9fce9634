"""Other people's text made harmless for a terminal."""

from __future__ import annotations

import unicodedata

MOVES_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Characters that reorder or break a line: what is shown would not be what is there (Unicode TR 36, section 2)."""


def visible(text: str) -> str:
    """Return the text on one line, every control character replaced by U+FFFD and every line end by a space."""
    kept = (" " if character in "\r\n\t" else "\ufffd" if _acts(character) else character for character in text)
    return "".join(kept)


def shortened(text: str, width: int) -> str:
    """Return the text on one line in at most `width` characters."""
    line = " ".join(visible(text).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _acts(character: str) -> bool:
    return character in MOVES_TEXT or unicodedata.category(character) in {"Cc", "Cs"}
