"""The garbage collector, kept from walking through what lives as long as the service.

A full collection visits every object there is while nothing else runs: with 10,000 agents 70 ms while they are read,
90 to 150 ms beside a busy encoder, every few seconds under load (seen). What was frozen is not visited; it is still
freed when its last reference goes, which is how agents, interests and holds end. Only rings that were frozen wait.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

LASTING: Final = 25_000
"""Objects that outlived a full collection, from which they are frozen: a sixth of those above. Calls under way are
mostly fewer."""
THAW_SECONDS: Final = 3_600.0
"""How often everything is visited all the same, for the rings among what was frozen: the index of a site deleted since,
the scorers of a former model, calls that were under way."""
_FULL: Final = 2


class GcFreezer:
    """Freezes what full collections leave over, and thaws it before one of them every hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, lasting: int = LASTING) -> None:
        """Take a clock in seconds, and how many objects are enough to be frozen."""
        self._clock = clock
        self._lasting = lasting
        self._thaw_at = clock() + THAW_SECONDS

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        """Be told by the collector that it starts or stops."""
        if info["generation"] != _FULL:
            return
        if phase == "stop":
            if len(gc.get_objects(_FULL)) >= self._lasting:
                gc.freeze()
        elif self._clock() >= self._thaw_at:
            self._thaw_at = self._clock() + THAW_SECONDS
            gc.unfreeze()


@contextmanager
def sparing(freezer: GcFreezer) -> Iterator[None]:
    """Let a freezer tell the collector what to spare, and leave nothing frozen behind."""
    gc.callbacks.append(freezer)
    try:
        yield
    finally:
        gc.callbacks.remove(freezer)
        gc.unfreeze()
