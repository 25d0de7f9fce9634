"""Layout of texts in the input of one run of the model. Pure: no threads, no model.

The cost of a run is that of its tokens, padding included. In a graph that takes any shape, a change of shape costs as
much as 15 tokens (1.0 to 1.5 ms, measured with OpenVINO 2026.4). So texts are packed: several texts share a row, a mask
keeps them apart, and the row has one of a few lengths, each with a graph compiled for it alone. A model that cannot be
packed gets a row for each text, in batches of about equal length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

# Row lengths with a graph of their own: for one chat message, for a few and for many. Each graph takes 65 MB with two
# streams. 16, 24, 32, 48 and 64 would save a fifth of a single message's padding (chat messages of 17 tokens). Without
# 128 the peak is 8 % lower, and few texts at a time cost more: in an overload p99 was 0.9 s instead of 0.6 s.
STATIC_ROWS = (24, 64, 128)
# The longest row bounds how long the next text waits for a run, about 10 ms on a core of its own: with 256 instead of
# 128 the slowest percent of calls took a sixth to a quarter longer, and the peak was no higher (measured).
MOST_TOKENS = STATIC_ROWS[-1]
# A model that reads up to this number of tokens has a graph for its longest row too; a model that reads more has one
# for any shape.
LONGEST_STATIC_ROW = 512
# Lengths of other rows; a longer text is rounded up to a multiple of the last.
ROW_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
# Tokens of input for each row of the pooling matrix: a text has two tokens at its ends and seldom less than two more.
TOKENS_PER_TEXT = 4
# A run of a static graph costs as much as this many tokens besides its own (0.5 ms against 72 µs a token).
RUN_COST_TOKENS = 7
# The same for a graph of any shape (0.6 ms against 55 µs): a text joins a padded batch while it adds less padding.
PADDED_RUN_COST_TOKENS = 12
# Bounds of the padded runs of a model that cannot be packed, and so of the memory of a run.
MOST_PADDED_TOKENS = 256
MOST_PADDED_ROWS = 16


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The shape of a run, and for each text, in order, the row and the column where it begins."""

    rows: int
    row_length: int
    places: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> int:
        """Return how many tokens the run costs, padding included."""
        return self.rows * self.row_length


class Layout(Protocol):
    """Chooses which queued texts run together, and where each is in the input."""

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Return the indexes of the next batch, always with the first; lengths: of the queued texts, most due first."""

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return where the texts of a batch are in the input."""


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Put several texts in one row, one behind the other, so that there is little padding whatever their lengths."""

    rows: tuple[int, ...] = STATIC_ROWS

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Choose the most due text and, in order, all that still fit, in the row that costs least a token of text."""
        longest = max(MOST_TOKENS, self._row(lengths[0]))
        chosen, least = [0], math.inf
        for row_length in self.rows:
            if lengths[0] <= row_length <= longest:
                filled = _fill(lengths, row_length)
                cost = (RUN_COST_TOKENS + row_length) / sum(lengths[index] for index in filled)
                if cost < least:
                    chosen, least = filled, cost
        return chosen

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return the shortest row that holds the texts."""
        row_length = self._row(max(sum(lengths), TOKENS_PER_TEXT * len(lengths)))
        begins = accumulate(lengths[:-1], initial=0)
        return Arrangement(1, row_length, tuple((0, column) for column in begins))

    def _row(self, tokens: int) -> int:
        return next((row_length for row_length in self.rows if tokens <= row_length), rounded(tokens))


@dataclass(frozen=True, slots=True)
class PaddedLayout:
    """Give each text a row of its own; texts of about one length run together, to save padding."""

    def choose(self, lengths: Sequence[int]) -> list[int]:
        """Choose the most due text and the nearest in length while their padding costs less than another run."""
        first = lengths[0]
        chosen, longest = [0], rounded(first)
        for index in sorted(range(1, len(lengths)), key=lambda index: (abs(lengths[index] - first), index)):
            width = max(longest, rounded(lengths[index]))
            area = width * (len(chosen) + 1)
            added = area - longest * len(chosen) - lengths[index]
            if area <= MOST_PADDED_TOKENS and added <= PADDED_RUN_COST_TOKENS:
                chosen.append(index)
                longest = width
            if len(chosen) == MOST_PADDED_ROWS:
                break
        return chosen

    def arrange(self, lengths: Sequence[int]) -> Arrangement:
        """Return a row for each text, and empty rows up to a power of two: fewer shapes, less memory."""
        rows = 1 << (len(lengths) - 1).bit_length()
        return Arrangement(rows, rounded(max(lengths)), tuple((row, 0) for row in range(len(lengths))))


def static_rows(max_length: int) -> tuple[int, ...]:
    """Return the row lengths, ascending, with a graph of their own for a model that reads up to `max_length` tokens."""
    if max_length > LONGEST_STATIC_ROW:
        return STATIC_ROWS
    longest = -(-max_length // TOKENS_PER_TEXT) * TOKENS_PER_TEXT
    return (*(row_length for row_length in STATIC_ROWS if row_length < longest), longest)


def rounded(length: int) -> int:
    """Return the length of the row for a text of the given number of tokens."""
    last = ROW_LENGTHS[-1]
    return next((row_length for row_length in ROW_LENGTHS if length <= row_length), -(-length // last) * last)


def _fill(lengths: Sequence[int], row_length: int) -> list[int]:
    """Return the indexes of the texts that fit in one row, in their order; the first one fits."""
    free, texts = row_length, row_length // TOKENS_PER_TEXT
    chosen: list[int] = []
    for index, length in enumerate(lengths):
        if length <= free:
            free -= length
            chosen.append(index)
            if len(chosen) == texts or free == 0:
                break
    return chosen
