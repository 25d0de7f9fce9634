"""Vocabulary of a model: finds the words of a text that its tokenizer does not know."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

from tokenizers import Tokenizer  # noqa: E402

LONGEST_WORD: Final = 100
"""A WordPiece tokenizer knows no longer word (`max_input_chars_per_word`)."""

_LONG: Final = re.compile(rf"\S{{{LONGEST_WORD}}}")

Places = list[tuple[int, int]]


class TokenizerVocabulary:
    """Look words up in a tokenizer's vocabulary; for several threads at once."""

    def __init__(self, tokenizer: Tokenizer, *, lower_case: bool = False) -> None:
        """lower_case: the model is given texts in lower case."""
        model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
        self._tokenizer = tokenizer
        self._lower_case = lower_case
        self._unknown_id = _unknown_id(tokenizer, model)
        self._knows_ascii = _knows_ascii(tokenizer, model, lower_case=lower_case)

    def unknown(self, texts: Sequence[str]) -> list[Places]:
        """Return for each text the places (code points) of the words that the tokenizer does not know, in order."""
        found: list[Places] = [[] for _ in texts]
        if self._unknown_id is None:
            return found
        doubtful = [at for at, text in enumerate(texts) if not self._is_plain(text)]
        if not doubtful:
            return found
        given = [self._given(texts[at]) for at in doubtful]
        for at, encoding in zip(doubtful, self._tokenizer.encode_batch(given, add_special_tokens=False), strict=True):
            found[at] = [
                (place[0], _with_accents(texts[at], place[1]))
                for token, place in zip(encoding.ids, encoding.offsets, strict=True)
                if token == self._unknown_id and place[0] < place[1]
            ]
        return found

    def _is_plain(self, text: str) -> bool:
        return self._knows_ascii and text.isascii() and (len(text) < LONGEST_WORD or not _LONG.search(text))

    def _given(self, text: str) -> str:
        """Return a text as the tokenizer is given it, with every sign at its place."""
        text = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair
        if not self._lower_case:
            return text
        return "".join(lower if len(lower := sign.lower()) == 1 else sign for sign in text)


def _with_accents(text: str, end: int) -> int:
    """Return the end of a word with its last accents, which the tokenizer may have stripped."""
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end


def _unknown_id(tokenizer: Tokenizer, model: dict[str, Any]) -> int | None:
    """Return the token of unknown words; None for a tokenizer that knows every word, such as one of bytes."""
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    token = model.get("unk_token")
    return tokenizer.token_to_id(token) if token else None


def _knows_ascii(tokenizer: Tokenizer, model: dict[str, Any], *, lower_case: bool) -> bool:
    """Return whether each word of ASCII is known: WordPiece finds one where each sign is known, alone and inside."""
    if model.get("type") != "WordPiece":
        return False
    normalizer = tokenizer.normalizer
    lowers = lower_case or (normalizer is not None and normalizer.normalize_str("A") == "a")
    signs = string.digits + (string.ascii_lowercase if lowers else string.ascii_letters)
    inside = [model.get("continuing_subword_prefix", "##") + sign for sign in signs]
    return all(tokenizer.token_to_id(token) is not None for token in (*signs, *string.punctuation, *inside))
