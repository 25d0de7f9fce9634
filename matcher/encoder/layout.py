"""How the texts of one run of the model lie in its input. Pure: no threads, no model.

A run costs what its tokens cost, padding included, and the runtime keeps about 5 MB for each input shape it has
seen. So texts are packed: several in a row, told apart by a mask, in one of a dozen shapes. A model that cannot be
packed gets a row for each text, in batches of about equal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# The lengths of a row; what is longer than all of them is rounded up to a multiple of the last.
ROW_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
# The rows that may lie beside others. Shorter ones leave more unfilled, longer ones attend over more.
SHARED_ROWS = (64, 96, 128)
# A token of a row this long costs twice that of a very short one, for attention (measured, int8 on one core: 0.088 ms a
# token in rows of 64, 0.095 in rows of 128, 0.107 in rows of 256).
DOUBLING_LENGTH = 768
# Longer rows are not tried where the shorter ones leave less than this unfilled.
FULL_ENOUGH = 0.95
# Bounds the memory of a run and how long the next text waits for it: about 12 ms on a core of its own. With 256 the
# slowest percent of calls took a sixth to a quarter longer below the peak, and the peak was no higher (measured).
MOST_TOKENS = 128
# Rows of the pooling matrix for each token of input; a text has two tokens at its ends and seldom less than two more.
TOKENS_PER_TEXT = 4
# A run costs as much as this many tokens before its first (0.6 ms against 55 µs): joining a batch pays while it
# adds less padding.
RUN_COST_TOKENS = 12
MOST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A shape, and for each text, in order, the row and the column where it begins."""

    rows: int
    row_length: int
    places: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> int:
        """Return how many tokens the run costs, with what is left unfilled."""
        return self.rows * self.row_length

    @property
    def cost(self) -> float:
        """Return what the run costs, in tokens of short rows."""
        return RUN_COST_TOKENS + self.tokens * (1 + self.row_length / DOUBLING_LENGTH)


class Layout(Protocol):
    """Says which of the waiting texts run together, and where each lies."""

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Return the indexes of one batch of the texts that wait, most due first: the first is always in it."""

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return where the texts of a batch lie."""


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Put several texts in a row, first fit, so that little is padding whatever their lengths."""

    most_tokens: int = MOST_TOKENS

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Take the most due text, then in their order all that still fit, in rows of the length that wastes least."""
        lone = rounded(lengths[0])
        chosen: list[int] = []
        worth = 0.0
        for row_length in [length for length in (*SHARED_ROWS, self.most_tokens) if length >= lone] or [lone]:
            offered = self._fill(lengths, row_length)
            taken = [lengths[index] for index in offered]
            arrangement = self.arrange(taken)
            if sum(taken) > worth * arrangement.cost:
                chosen, worth = offered, sum(taken) / arrangement.cost
            if sum(taken) >= FULL_ENOUGH * arrangement.tokens:
                break
        return chosen

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return the cheapest of one row and of several of equal length."""
        pooled = TOKENS_PER_TEXT * len(lengths)
        alone = rounded(max(sum(lengths), pooled))
        offers = [Arrangement(1, alone, first_fit(lengths, alone))]
        for row_length in SHARED_ROWS:
            if alone > row_length >= max(lengths):
                places = first_fit(lengths, row_length)
                rows = max(1 + max(row for row, _ in places), -(-pooled // row_length))
                if rows * row_length <= self.most_tokens:
                    offers.append(Arrangement(rows, row_length, places))
        return min(offers, key=lambda offer: offer.cost)

    def _fill(self, lengths: Sequence[int], row_length: int) -> list[int]:
        free = [row_length] * max(1, self.most_tokens // row_length)
        most_texts = row_length * len(free) // TOKENS_PER_TEXT
        chosen: list[int] = []
        for index, length in enumerate(lengths):
            row = next((row for row, room in enumerate(free) if length <= room), None)
            if row is not None:
                free[row] -= length
                chosen.append(index)
                if len(chosen) == most_texts:
                    break
        return chosen


@dataclass(frozen=True, slots=True)
class PaddedLayout:
    """Give each text a row of its own; texts of about one length run together, as padding is what is left to save."""

    most_tokens: int = 2 * MOST_TOKENS

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Take the most due text, then the nearest in length while their padding costs less than another run."""
        first = lengths[0]
        chosen, longest = [0], rounded(first)
        for index in sorted(range(1, len(lengths)), key=lambda index: (abs(lengths[index] - first), index)):
            width = max(longest, rounded(lengths[index]))
            area = width * (len(chosen) + 1)
            added = area - longest * len(chosen) - lengths[index]
            if area <= self.most_tokens and added <= RUN_COST_TOKENS:
                chosen.append(index)
                longest = width
            if len(chosen) == MOST_ROWS:
                break
        return chosen

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return a row for each text, and empty ones up to a power of two: fewer shapes, less memory."""
        rows = 1 << (len(lengths) - 1).bit_length()
        return Arrangement(rows, rounded(max(lengths)), tuple((row, 0) for row in range(len(lengths))))


def rounded(length: int) -> int:
    """Return the row length that a text of this many tokens takes."""
    last = ROW_LENGTHS[-1]
    return next((known for known in ROW_LENGTHS if length <= known), -(-length // last) * last)


def first_fit(lengths: Sequence[int], row_length: int) -> tuple[tuple[int, int], ...]:
    """Return the row and column of each text, each in the first row that has room, with as many rows as it takes."""
    filled: list[int] = []
    places: list[tuple[int, int]] = []
    for length in lengths:
        row = next((row for row, used in enumerate(filled) if used + length <= row_length), len(filled))
        if row == len(filled):
            filled.append(0)
        places.append((row, filled[row]))
        filled[row] += length
    return tuple(places)
