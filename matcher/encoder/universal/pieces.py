"""Pieces of universal-sentence-encoder-multilingual: SentencePiece's tokens of a text, and the signs without one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sentencepiece import SentencePieceProcessor

from matcher.encoder.model_source import UNIVERSAL_PIECES
from matcher.encoder.protocols import Tokens

MOST_PIECES: Final = 254
"""Pieces of a text that are read, as far as about 1,000 letters: the model itself has no limit, and a row has one."""
GAP: Final = 2
"""Empty places behind each text in a row: the widest n-gram reaches over two places on either side."""
MOST_SIGNS: Final = 65_536
"""Signs of which it is remembered whether the model knows them."""

_UNKNOWN: Final = 0
_MARKS: Final = frozenset({"Mn", "Mc", "Me", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Kinds of signs that are nothing alone: accents, joiners, spaces."""


class Pieces:
    """Cut texts into pieces; for several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Load the pieces from the folder that has `sp.model`; takes 0.3 s. Raises OSError and RuntimeError."""
        self._processor = SentencePieceProcessor(model_file=str(folder / UNIVERSAL_PIECES))
        self._known: dict[str, bool] = {}

    def ids(self, text: str) -> list[int]:
        """Return the pieces of a text between its two ends, truncated to MOST_PIECES in all."""
        ids: list[int] = self._processor.encode(_whole(text), out_type=int, add_bos=True, add_eos=True)
        return ids if len(ids) <= MOST_PIECES else [*ids[: MOST_PIECES - 1], ids[-1]]

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens; a text's length counts the gap behind it."""
        return [Tokens(text, tuple(ids), len(ids) + GAP) for text in texts for ids in (self.ids(text),)]

    def unknown(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return for each text the places (code points) of runs of signs that the model has no piece for, in order."""
        return [[] if text.isascii() else list(self._runs(text)) for text in texts]

    def _runs(self, text: str) -> Iterator[tuple[int, int]]:
        start = None
        for at, sign in enumerate(text):
            if start is not None and unicodedata.category(sign).startswith("M"):
                continue  # an accent of a sign that is not known
            if self._knows(sign):
                if start is not None:
                    yield start, at
                start = None
            elif start is None:
                start = at
        if start is not None:
            yield start, len(text)

    def _knows(self, sign: str) -> bool:
        known = self._known.get(sign)
        if known is None:
            known = unicodedata.category(sign) in _MARKS or _UNKNOWN not in self._processor.encode(
                _whole(sign), out_type=int
            )
            if len(self._known) < MOST_SIGNS:
                self._known[sign] = known
        return known


def _whole(text: str) -> str:
    """Return a text that can be written in UTF-8: half of a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
