"""Freezer of long-lived objects, which the garbage collector then does not visit.

A full collection visits every object while nothing else runs. With 10,000 agents it took 70 ms while the roster was
read, and 90 to 150 ms beside a busy encoder, every few seconds under load (measured). A frozen object
is not visited; it is still freed when nothing refers to it: agents, interests and holds end that way. Only
reference cycles of frozen objects stay until the next thaw.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

LASTING: Final = 25_000
"""Objects are frozen only when at least this many survive a full collection. 10,000 agents have six times as many; the
calls in flight mostly have fewer."""
THAW_SECONDS: Final = 3_600.0
"""How often a full collection visits all objects nevertheless, for the cycles of frozen ones: the index of a site that
was deleted, the scorers of a former model, calls that were in flight."""
_FULL: Final = 2


class GcFreezer:
    """Freezes the objects that full collections leave, and thaws them before one collection every hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, lasting: int = LASTING) -> None:
        """clock: seconds; lasting: the number of objects from which they are frozen."""
        self._clock = clock
        self._lasting = lasting
        self._thaw_at = clock() + THAW_SECONDS

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        """Handle the start or the end of a collection; the collector calls this."""
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
    """Run a freezer within the block; at the end nothing stays frozen."""
    gc.callbacks.append(freezer)
    try:
        yield
    finally:
        gc.callbacks.remove(freezer)
        gc.unfreeze()
