"""What a load generator is told, and what it tells; `generator.py` is the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Echoes:
    """Call an echo: so many calls, so many at once, each with a body of so many bytes."""

    target: str
    calls: int
    in_flight: int
    body_bytes: int = 200


@dataclass(frozen=True, slots=True)
class Routes:
    """Route messages, each sent once the one before it on the same line is answered.

    complete: "later" keeps what was held for `Completions`; "at once" completes each before the next is routed.
    repeat: routes the first so many texts over and over in place of unique ones; 0: unique ones.
    seconds: how long, in place of a number of calls, where it is not 0.
    """

    target: str
    calls: int
    in_flight: int
    complete: Literal["later", "at once"] = "later"
    repeat: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Route messages at moments drawn beforehand (Poisson), whether or not earlier ones are answered; complete each."""

    target: str
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Completions:
    """Complete what routes held, so many at once."""

    target: str
    in_flight: int = 32


Job = Echoes | Routes | Arrivals | Completions


@dataclass(slots=True)
class Outcome:
    """What became of a job. Latencies in seconds, of what was decided; from the scheduled time for arrivals."""

    seconds: float = 0.0
    held: int = 0
    unmatched: int = 0
    refused: int = 0
    """Answered with RESOURCE_EXHAUSTED."""
    refused_with_retry: int = 0
    """Of those, with a RetryInfo."""
    failed: dict[str, int] = field(default_factory=dict)
    """Other codes."""
    latencies: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    late: float = 0.0
    """The 99th percentile of how late the generator itself sent, in seconds."""

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds; NaN without any."""
        return 1000 * float(np.percentile(self.latencies, percent)) if len(self.latencies) else float("nan")
