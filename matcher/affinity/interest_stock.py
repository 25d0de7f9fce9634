"""Interest stock: thousands of interests of nobody in particular, against which a floor is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from matcher.affinity.interest_lexicon import Entry, languages, packaged_text, read_lexicon
from matcher.affinity.language import ENGLISH

CUES: Final = 3
"""Cues that describe an interest. A name alone is so short that any short sentence is close to it."""

ENGLISH_EACH: Final = 2
"""Descriptions of an entry in English."""
OTHERS_STEP: Final = 3
"""Of the entries in another language every third has a description."""


def interest_stock() -> tuple[str, ...]:
    """Return thousands of descriptions of interests in the lexicon's languages, as agents might write them."""
    return tuple(dict.fromkeys(_descriptions()))


def _descriptions() -> Iterator[str]:
    for language in languages():
        entries = tuple(read_lexicon(packaged_text(language)).entries.values())
        for entry in entries if language == ENGLISH else entries[::OTHERS_STEP]:
            for number in range(ENGLISH_EACH if language == ENGLISH else 1):
                yield _described(entry, number)


def _described(entry: Entry, number: int) -> str:
    """Return an entry's name with cues from its whole list; another number gives other cues."""
    spread = entry.cues[number :: max(1, len(entry.cues) // CUES)][:CUES]
    return f"{entry.name}: {', '.join(spread)}"
