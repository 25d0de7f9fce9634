"""Canaries: words that nobody else says, and the forms in which a byte search finds them."""

from __future__ import annotations

import base64
import secrets
import string
from collections import Counter
from typing import Final

LENGTH: Final = 14
_LETTERS: Final = string.ascii_lowercase + string.digits


class Canaries:
    """Makes canaries: those of a kind begin alike, so that one search finds all of the kind."""

    def __init__(self) -> None:
        self.begins: dict[str, str] = {}
        self.said: Counter[str] = Counter()

    def new(self, kind: str) -> str:
        """Return a word that was never said before."""
        begins = self.begins.setdefault(kind, "q" + "".join(secrets.choice(_LETTERS) for _ in range(LENGTH - 1)))
        self.said[kind] += 1
        return f"{begins}n{self.said[kind]}"

    def found(self, held: bytes) -> dict[str, dict[str, int]]:
        """Return how often each kind is in some bytes, by the form: in the clear, or encoded."""
        lowered = held.lower()
        found: dict[str, dict[str, int]] = {}
        for kind, begins in self.begins.items():
            counts = {
                name: count
                for name, form in forms(begins).items()
                if (count := lowered.count(form.lower()) if name in _ANY_CASE else held.count(form))
            }
            if counts:
                found[kind] = counts
        return found


_ANY_CASE: Final = frozenset({"clear", "hex", "percent", "escaped", "UTF-16"})


def forms(word: str) -> dict[str, bytes]:
    """Return what a word looks like in each form; of base64 the part that is alike wherever the word stands."""
    plain = word.encode()
    found = {
        "clear": plain,
        "backwards": plain[::-1],
        "hex": plain.hex().encode(),
        "percent": "".join(f"%{byte:02x}" for byte in plain).encode(),
        "escaped": "".join(f"\\u{byte:04x}" for byte in plain).encode(),
        # Without the outer zeros it is alike in both orders of bytes.
        "UTF-16": word.encode("utf-16-le")[:-1],
        "base32": base64.b32encode(plain[: len(plain) // 5 * 5]),
    }
    for before in range(3):
        # The first and the last letters of base64 also hold bits of what stands before and after.
        text = base64.b64encode(b"\0" * before + plain)
        inner = text[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
        found[f"base64 at {before}"] = inner
        found[f"base64 of URLs at {before}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found
