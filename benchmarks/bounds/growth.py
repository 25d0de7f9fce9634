"""Growth of a cost: the exponent over four sizes, each twice the one before, by the best of nine measurements."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

TRIES: Final = 9
LONG: Final = 0.05
STEEPEST: Final = 1.3
"""The exponent of linear work as it is measured; quadratic work has one of 2."""
SIZES: Final = 4
SHORTEST: Final = 2e-4
"""Seconds: below them a measurement is mostly that of the clock and the call, and no growth can be told."""


def sizes_up_to(most: int) -> list[int]:
    """Return four sizes, each twice the one before, of which the last is `most`."""
    return [most >> shift for shift in reversed(range(SIZES))]


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the exponent by which a cost grows with the size; 0 where it is too short to tell."""
    if seconds[-1] < SHORTEST:
        return 0.0
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-9)), 1)[0])


def thread_seconds(read: Callable[[str], object], text: str, tries: int = TRIES) -> float:
    """Return the least processor time of this thread in which a function reads a text.

    What takes long is measured three times: the clock's own share in it is small. The garbage collector rests
    meanwhile: how often it runs depends on all objects of the process, not on the function alone.
    """
    times: list[float] = []
    gc.collect()
    gc.disable()
    try:
        while len(times) < (tries if not times or min(times) < LONG else min(tries, 3)):
            began = time.thread_time()
            read(text)
            times.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(times)
