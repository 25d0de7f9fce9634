"""Lexicon of a roster's words: weighs the rare words that a unit of a message shares with an interest."""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import Stemmer
from numpy.typing import NDArray

from matcher import kernels
from matcher.affinity.emoji_names import named
from matcher.affinity.piled_marks import without_piled_marks
from matcher.affinity.stop_words import STOP_WORDS

MOST_STEMS: Final = 16
"""Distinct stems kept of an interest; further stems count neither in the interest nor in the frequencies."""

RARE: Final = 0.5
"""Share of the highest idf above which a stem counts as rare."""

MOST_SHARED: Final = 2.0
"""The most that the shared stems of one unit and one interest count together."""

PRIOR_INTERESTS: Final = 100
"""Added to the number of interests, so that in a small roster not every word is rare."""

# A letter, or a vowel sign or accent that Python does not count as a letter; the danda ends a sentence.
_LETTER: Final = (
    r"(?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece"
    r"\u102b-\u103e\u17b4-\u17d3])"
)
_TOKEN: Final = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")
_SPACELESS: Final = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uac00-\ud7af]"
)
_SCRIPTS: Final = (
    ("\u0370", "\u03ff", "greek"),
    ("\u0400", "\u04ff", "russian"),
    ("\u0530", "\u058f", "armenian"),
    ("\u0600", "\u06ff", "arabic"),
    ("\u0900", "\u097f", "hindi"),
    ("\u0b80", "\u0bff", "tamil"),
)


_ROSTER_STEMS: Final[dict[tuple[str, str], tuple[str, ...]]] = {}
"""Stems of words that stand in agents' interests, by word and language. A customer's word is looked up here and never
added: what a customer wrote is gone when the call is over."""
MOST_ROSTER_STEMS: Final = 65_536


def stems(text: str, language: str = "english") -> tuple[str, ...]:
    """Return the distinct stems of a text in order, without stop words; keep no word of it.

    `language` names the Snowball stemmer of Latin script; other scripts have their own. A script without a stemmer
    gives whole words, and text written without spaces gives pairs of signs.
    """
    distinct: dict[str, None] = {}
    for token in _tokens(text):
        known = _ROSTER_STEMS.get((token, language))
        for stem in _stems_of(token, language) if known is None else known:
            distinct[stem] = None
    return tuple(distinct)


def interest_stems(text: str, language: str = "english") -> tuple[str, ...]:
    """Return the stems of an agent's interest, and remember its words, which messages are likely to share.

    Emoji count as the words of their names, as in the compared text of a unit.
    """
    text = named(text)
    for token in _tokens(text):
        if len(_ROSTER_STEMS) < MOST_ROSTER_STEMS:
            _ROSTER_STEMS[token, language] = _stems_of(token, language)
    return stems(text, language)


def _tokens(text: str) -> list[str]:
    if not text.isascii():  # else it is normal
        text = unicodedata.normalize("NFKC", without_piled_marks(text)).replace("’", "'")
    return _TOKEN.findall(text.lower())


def _stems_of(token: str, language: str) -> tuple[str, ...]:
    if token in STOP_WORDS:
        return ()
    if _SPACELESS.match(token):
        return tuple(token[index : index + 2] for index in range(max(1, len(token) - 1)))
    first = token[0]
    algorithm = next((name for low, high, name in _SCRIPTS if low <= first <= high), None)
    if algorithm is None:
        algorithm = language if first < "\u0250" else None
    if algorithm is None or token.isdigit():
        return (token,)
    return (_stemmer(algorithm)(token) or token,)


class _Stemmers(threading.local):
    """Hold one stemmer a thread and language: a Snowball stemmer must not be shared by threads."""

    def __init__(self) -> None:
        self.of: dict[str, Callable[[str], str]] = {}


_STEMMERS: Final = _Stemmers()


def _stemmer(algorithm: str) -> Callable[[str], str]:
    stemmer = _STEMMERS.of.get(algorithm)
    if stemmer is None:
        stemmer = _STEMMERS.of[algorithm] = Stemmer.Stemmer(algorithm, 0).stemWord  # 0: no cache
    return stemmer


class Lexicon:
    """Count how many interests of a roster hold each stem, updated interest by interest.

    The weights depend on the set of interests alone, not on the order of changes, so all replicas of a roster give the
    same weights. Not for several threads at once: the owner holds a lock.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._names: list[str] = [""]
        self._free_ids: list[int] = []
        self._frequency = np.zeros(1024, np.int32)
        self._interests = np.zeros((1024, MOST_STEMS), np.int32)
        self._used = 0
        self._free_handles: list[int] = []
        self._local = np.zeros(1024, np.int32)
        self._weights: dict[str, tuple[int, float] | None] = {}

    def __len__(self) -> int:
        """Count the interests."""
        return self._used - len(self._free_handles)

    def add(self, interest: Sequence[str]) -> int:
        """Add an interest by its stems and return its handle."""
        self._weights.clear()
        if self._free_handles:
            handle = self._free_handles.pop()
        else:
            handle = self._used
            self._used += 1
            if handle == len(self._interests):
                self._interests = np.concatenate([self._interests, np.zeros_like(self._interests)])
        ids = [self._ensure_id(stem) for stem in dict.fromkeys(interest[:MOST_STEMS])]
        self._interests[handle] = 0
        self._interests[handle, : len(ids)] = ids
        self._frequency[ids] += 1
        return handle

    def remove(self, handle: int) -> None:
        """Remove an interest; its handle may name another interest later."""
        self._weights.clear()
        ids = self._interests[handle][self._interests[handle] > 0]
        self._frequency[ids] -= 1
        for index in ids[self._frequency[ids] == 0].tolist():
            del self._ids[self._names[index]]
            self._names[index] = ""
            self._free_ids.append(index)
        self._interests[handle] = 0
        self._free_handles.append(handle)

    def shared(
        self, units: Sequence[Sequence[str]], unit: NDArray[np.integer], handle: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the weight [triples] of the rare stems that units and interests share.

        `units` are the stems of each unit; `unit` and `handle`, both [triples], pair a unit with an interest.
        The weight is Σ (idf / highest idf)² over the shared stems with more than half the highest idf, at most 2.
        """
        counted = [
            (number, *rare) for number, of_unit in enumerate(units) for rare in filter(None, map(self._rare, of_unit))
        ]
        if not counted or not len(unit):
            return np.zeros(len(unit), np.float32)
        columns: dict[int, int] = {}
        for _, index, _ in counted:
            columns.setdefault(index, len(columns) + 1)
        ids = list(columns)
        table = np.zeros((len(units), len(ids) + 1), np.float32)
        for number, index, weight in counted:
            table[number, columns[index]] = weight
        self._local[ids] = range(1, len(ids) + 1)
        try:
            return self._weighed(table, np.ascontiguousarray(unit, np.int64), np.ascontiguousarray(handle, np.int64))
        finally:
            self._local[ids] = 0

    def _weighed(
        self, table: NDArray[np.float32], unit: NDArray[np.int64], handle: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Sum a table [units, columns] of weights over each pair's interest; `_local` is the column of a stem's id."""
        if kernels.compiled is not None:
            total = np.empty(len(unit), np.float32)
            kernels.compiled.shared(self._interests, self._local, table, unit, handle, MOST_SHARED, total)
            return total
        local = self._local.take(self._interests.take(handle, axis=0))
        at = np.flatnonzero(local)
        row = at // MOST_STEMS
        total = np.bincount(row, table[unit[row], local.ravel()[at]], minlength=len(unit)).astype(np.float32)
        return np.minimum(total, np.float32(MOST_SHARED), out=total)

    def _rare(self, stem: str) -> tuple[int, float] | None:
        """Return the id and weight of a rare stem of the lexicon; kept until an interest is added or removed."""
        try:
            return self._weights[stem]
        except KeyError:
            pass
        index = self._ids.get(stem)
        if index is None:
            return None  # not kept: callers must not fill the memory with words that no interest holds
        share = self._idf(int(self._frequency[index])) / self._idf(1)
        rare = self._weights[stem] = (index, share * share) if share > RARE else None
        return rare

    def _idf(self, interests: int) -> float:
        """Return ln((N + PRIOR_INTERESTS + 1) / (n + 0.5)) of a stem that n of the N interests hold."""
        return math.log((len(self) + PRIOR_INTERESTS + 1) / (interests + 0.5))

    def _ensure_id(self, stem: str) -> int:
        index = self._ids.get(stem)
        if index is None:
            if self._free_ids:
                index = self._free_ids.pop()
                self._names[index] = stem
            else:
                index = len(self._names)
                self._names.append(stem)
                if index == len(self._frequency):
                    self._frequency = np.concatenate([self._frequency, np.zeros_like(self._frequency)])
                    self._local = np.zeros(len(self._frequency), np.int32)
            self._ids[stem] = index
        return index
