"""The jobs of a load generator and their outcome; `generator.py` is the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Echoes:
    """Call an echo server `calls` times, `in_flight` at once, with a body of `body_bytes`."""

    target: str
    calls: int
    in_flight: int
    body_bytes: int = 200


@dataclass(frozen=True, slots=True)
class Routes:
    """Route messages with `in_flight` workers, each of which sends a message once its last one is answered.

    complete: "later" keeps the reservations for `Completions`; "at once" completes each before the next is routed.
    repeat: the number of texts that are routed again and again; 0: every text is unique.
    seconds: the duration, instead of the number of calls, if it is not 0.
    customers: the messages name so many customers in turn, by `handle`; 0: none.
    """

    target: str
    calls: int
    in_flight: int
    complete: Literal["later", "at once"] = "later"
    repeat: int = 0
    seconds: float = 0.0
    customers: int = 0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Route messages at the moments of a Poisson process, whether or not earlier ones are answered; complete each."""

    target: str
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Completions:
    """Complete the reservations of earlier routes, `in_flight` at once."""

    target: str
    in_flight: int = 32


def handle(number: int) -> str:
    """Return how the messages name a customer."""
    return f"customer-{number:05d}@example.com"


Job = Echoes | Routes | Arrivals | Completions


@dataclass(slots=True)
class Outcome:
    """The outcome of a job; latencies are those of decisions, in seconds, for `Arrivals` from the scheduled time."""

    seconds: float = 0.0
    held: int = 0
    unmatched: int = 0
    refused: int = 0
    """Calls that were answered with RESOURCE_EXHAUSTED."""
    refused_with_retry: int = 0
    """Those of the refused calls that had a RetryInfo."""
    failed: dict[str, int] = field(default_factory=dict)
    """Calls that failed with another code, by code."""
    latencies: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    late: float = 0.0
    """The 99th percentile of the generator's own delay, in seconds."""

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds; NaN without latencies."""
        return 1000 * float(np.percentile(self.latencies, percent)) if len(self.latencies) else float("nan")
