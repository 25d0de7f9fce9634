"""Choose what to encode next. Pure: no threads, no clock, no model.

Texts wait in order of `due`: the moment they came plus an allowance for the size of the call they belong to. So a short
message overtakes long ones that came shortly before it, and nothing starves: with time every text becomes the most due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

# Seconds of age that one token is worth: a call of 300 tokens lets calls of 20 that come within 0.28 s go first.
# About ten times what a token takes to encode, so that overtaking is rare where nothing is queued.
SECONDS_PER_TOKEN = 0.001
# A run costs as much as this many tokens before its first (0.6 ms against 55 µs a token, int8 on one 2.6 GHz core):
# joining a batch pays while it adds less padding.
RUN_COST_TOKENS = 12
MOST_TEXTS = 16
# Bounds both the memory of a run and the time the next text waits for it, about 25 ms.
MOST_TOKENS = 512
# While routes wait without a pause, every so manieth batch is one of profiles, so that these are not shut out for good.
ROUTES_PER_PROFILE = 32


class Sized(Protocol):
    """Has a length in tokens."""

    @property
    def length(self) -> int:
        """Return the number of tokens."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound one run of the model."""

    most_texts: int = MOST_TEXTS
    most_tokens: int = MOST_TOKENS
    run_cost_tokens: int = RUN_COST_TOKENS


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, without cutting it: four bytes each, and the two at its ends.

    Bytes, not characters, because scripts other than Latin have more tokens a character.
    """
    return len(text.encode("utf-8", "surrogatepass")) // 4 + 3


def due(now: float, tokens: int) -> float:
    """Return the moment that orders a call of so many tokens, in the unit of `now`, seconds."""
    return now + tokens * SECONDS_PER_TOKEN


def choose_batch(waiting: Sequence[Sized], padded: Callable[[int], int], limits: Limits) -> list[int]:
    """Return the indexes into `waiting` of one batch: the first, and those it pays to run along with it.

    `waiting` is in order of `due`, so the first is always served. Others join from the nearest in length on, while the
    padding they add costs less than a run of their own would, and the batch stays within its limits.
    """
    if not waiting:
        return []
    first = waiting[0].length
    chosen, tokens, longest = [0], first, padded(first)
    others = sorted(range(1, len(waiting)), key=lambda index: (abs(waiting[index].length - first), index))
    for index in others:
        if len(chosen) == limits.most_texts:
            break
        length = waiting[index].length
        width = max(longest, padded(length))
        area = width * (len(chosen) + 1)
        added = area - longest * len(chosen) - length
        if area <= limits.most_tokens and added <= limits.run_cost_tokens:
            chosen.append(index)
            tokens, longest = tokens + length, width
    return chosen
