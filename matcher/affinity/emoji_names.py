"""Names of emoji: what a picture shows, in the words of Unicode's CLDR, so that it is compared by its meaning."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

FIRST_SIGN: Final = 0x2300
"""Signs below it are digits, marks and arrows that are emoji only with a variation selector."""

_SKIN_TONE: Final = re.compile(r"_(?:medium-light|medium-dark|light|medium|dark)_skin_tone")
_MAYBE: Final = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2934-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")


class _Names(NamedTuple):
    """The names by the signs of an emoji, and the most signs that an emoji has."""

    of: dict[str, str]
    longest: int


def named(text: str) -> str:
    """Return a text with each emoji replaced by its English name; a text without emoji as it is.

    The package's own `replace_emoji` takes 18 s for 32,000 joined signs, and a customer can send that; here each sign
    begins at most one look-up of each length.
    """
    if text.isascii() or not _MAYBE.search(text):
        return text
    names = _names()
    pieces, at = [], 0
    for sign in _MAYBE.finditer(text):
        start = sign.start()
        if start < at:
            continue
        for end in range(min(len(text), start + names.longest), start, -1):
            if (name := names.of.get(text[start:end])) is not None:
                pieces += [text[at:start], f" {name} "]
                at = end
                break
    if not pieces:
        return text
    return "".join([*pieces, text[at:]]).strip()


@cache
def _names() -> _Names:
    import emoji

    of = {
        signs: _SKIN_TONE.sub("", data["en"]).strip(":").replace("_", " ")
        for signs, data in emoji.EMOJI_DATA.items()
        if ord(signs[0]) >= FIRST_SIGN
    }
    return _Names(of, max(map(len, of)))
