"""Reading of texts for a pair of models: which are in English, and what is left of a text without unknown words."""

from __future__ import annotations

from typing import Final

from matcher.affinity.comparable import without
from matcher.affinity.language import ENGLISH, language_of
from matcher.encoder import TextReading


def _surely_english(text: str) -> bool:
    return language_of(text) == ENGLISH


TEXT_READING: Final = TextReading(_surely_english, without)
