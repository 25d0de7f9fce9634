"""Progress of a compilation: the step it is at, and how long the rest takes by the speed measured so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from matcher.model.durations import in_words

BEFORE_QUANTISING: Final = 0.23
"""Share of a compilation that loading and converting take: 0.21 to 0.24 of 34, 57 and 65 s on a machine more or less
busy (all-MiniLM-L6-v2)."""
PASSES: Final = ((0.0, 0.17), (0.34, 0.78))
"""Shares of the quantisation at the beginning and at the end of each pass over the sentences (measured as above)."""
LEAST_SHARE: Final = 0.05
"""Before that the time is mostly preparation, and an estimate by it was four times too long (measured)."""
REPORT_EVERY_SECONDS: Final = 5.0


class CompileProgress:
    """Reports the steps of one compilation."""

    def __init__(self, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._began = self._reported = clock()

    def step(self, step: str) -> None:
        """Report a step that begins."""
        self._reported = self._clock()
        self._report(step)

    def quantising(self, examples: Sequence[Any]) -> _Counted:
        """Report that quantising begins; return the examples, of which each pass reports how far it is."""
        elapsed = self._clock() - self._began
        left = elapsed * (1 - BEFORE_QUANTISING) / BEFORE_QUANTISING
        self.step(f"quantising it on {len(examples)} sentences: about {in_words(left)} left")
        return _Counted(examples, self)

    def quantised(self, share: float, began: float) -> None:
        """Report how much of the quantisation is done, unless a report was made a moment ago."""
        now = self._clock()
        if share >= LEAST_SHARE and now - self._reported >= REPORT_EVERY_SECONDS:
            left = (now - began) * (1 - share) / share
            self.step(f"quantising it: about {in_words(left)} left")

    def now(self) -> float:
        """Return the time by the clock."""
        return self._clock()


class _Counted:
    """Examples that the quantisation iterates over, once for each of its passes."""

    def __init__(self, examples: Sequence[Any], progress: CompileProgress) -> None:
        self._examples = examples
        self._progress = progress
        self._began = progress.now()
        self._passes = 0

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Any]:
        first, last = PASSES[min(self._passes, len(PASSES) - 1)]
        self._passes += 1
        for number, example in enumerate(self._examples):
            self._progress.quantised(first + (last - first) * number / len(self._examples), self._began)
            yield example
