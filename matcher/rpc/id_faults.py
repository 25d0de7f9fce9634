"""Faults of ids: which sign stands at which place that no id takes, and a similar id that would be taken."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

NAMED: Final = 3
"""Wrong signs that an error names; further ones are counted."""
READ: Final = 1_024
"""Characters of a text that are read: a request may have 64 ids of 1,000 characters and more."""
_WITHOUT_DECOMPOSITION: Final = str.maketrans(
    {"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "þ": "th"}
)
"""Latin letters that Unicode does not decompose into a plain letter and a mark."""
_ALIKE: Final = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456", "aeopcyxi")
"""Cyrillic letters that look like Latin ones; read so in a text that has Latin letters too."""
_EDGES: Final = "-_.:~+=,/"


def fault(text: str, takes: re.Pattern[str], most: int, rule: str, suggest: Callable[[str], str]) -> str:
    """Return why a text is no id, for an error.

    takes: one sign that an id takes; most: characters; rule: in words; suggest: makes a similar id of a text, "" for
    none.
    """
    wrong = [(place, sign) for place, sign in enumerate(text[:READ], start=1) if not takes.fullmatch(sign)]
    parts = [f"{described(sign)} at place {place}" for place, sign in wrong[:NAMED]]
    if len(wrong) > NAMED:
        parts.append(f"{len(wrong) - NAMED} more")
    if len(text) > most:
        parts.append(f"{len(text)} characters")
    elif not wrong:
        parts.append(f"{described(text[0])} at place 1")
    similar = suggest(text)
    return f"has {', '.join(parts)}, but takes {rule}" + (f'; "{similar}" would be taken' if similar else "")


def described(sign: str) -> str:
    """Return a sign as an error shows it: invisible signs by their number and name in Unicode."""
    if sign == " ":
        return "a space"
    if sign.isascii() and sign.isprintable():
        return f'"{sign}"'
    numbered = f"U+{ord(sign):04X}"
    name = unicodedata.name(sign, "")
    if sign.isprintable() and not unicodedata.combining(sign) and not sign.isspace():
        return f'"{sign}" ({f"{numbered} {name}".strip()})'
    return f"{numbered} {name}".strip()


def similar_id(text: str) -> str:
    """Return an id of an agent, a pool, a site, a skill or a channel that is similar to a text; "" for none."""
    return _similar(text.casefold(), r"[^a-z0-9_.]+", 63).lstrip("_.-")


def similar_contact_id(text: str) -> str:
    """Return an id of a contact that is similar to a text; "" for none."""
    return _similar(text, r"[^A-Za-z0-9_.:~@<>+=,/]+", 128)


def _similar(text: str, others: str, most: int) -> str:
    """Return the text with plain letters, and with "-" for each stretch of `others`; "" if half of it would be lost."""
    visible = "".join(sign for sign in text[: 4 * most] if unicodedata.category(sign) != "Cf")
    if any(sign.isascii() and sign.isalpha() for sign in visible):
        visible = visible.translate(_ALIKE)
    plain = unicodedata.normalize("NFKD", visible.translate(_WITHOUT_DECOMPOSITION))
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    similar = re.sub("-+", "-", re.sub(others, "-", letters)).strip(_EDGES)[:most].strip(_EDGES)
    kept, given = (sum(map(str.isalnum, part)) for part in (similar, letters[:most]))
    return similar if kept * 2 > given else ""
