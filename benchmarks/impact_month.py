"""A simulated month: what becomes of contacts, with planted effects of affinity, and the ledger's time stretched.

The contacts are routed within minutes; a month passes between them only in the ledger, whose times are stretched before
the report is made. Nothing else of the ledger is touched.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from matcher.v1 import feedback_pb2 as pb

TIMES: Final = {
    "contacts": ("born", "offered_at", "accepted_at", "ended_at", "last_at"),
    "steps": ("born", "at"),
    "outcomes": ("born", "observed_at", "recorded_at"),
    "corrections": ("born", "observed_at", "recorded_at"),
}
"""The columns of the ledger that hold a time, by table."""
DAY_MS: Final = 86_400_000
SOURCE: Final = "survey"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is planted of an outcome.

    expected: its mean, by the affinity of the agent and what the customer brings along; asked: the share of contacts of
    which it becomes known.
    """

    expected: Callable[[float, float], float]
    asked: float


def _above(mean: float, spread: float, edge: float) -> float:
    """Return the probability that a normal variable is above an edge."""
    return 0.5 * math.erfc((edge - mean) / (spread * math.sqrt(2)))


def _csat(affinity: float, mood: float) -> float:
    return 1 + sum(_above(3.5 + 0.5 * affinity + 0.4 * mood, 0.9, step + 0.5) for step in range(1, 5))


def _nps(affinity: float, mood: float) -> float:
    mean = 7.3 + 1.1 * affinity + 0.8 * mood
    return _above(mean, 1.8, 8.5) - (1 - _above(mean, 1.8, 6.5))


def _resolved(affinity: float, mood: float) -> float:
    return min(1.0, max(0.0, 0.66 + 0.11 * affinity + 0.08 * mood))


def _returned(affinity: float, mood: float) -> float:
    return min(1.0, max(0.0, 0.17 - 0.06 * affinity - 0.03 * mood))


TRUTHS: Final[Mapping[str, Truth]] = {
    "resolved": Truth(_resolved, 0.95),
    "csat": Truth(_csat, 0.4),
    "nps": Truth(_nps, 0.25),
    "recommended": Truth(lambda affinity, _mood: 0.25 + 0.4 * affinity, 0.03),
    "returned": Truth(_returned, 1.0),
    "metrics.basket": Truth(lambda _affinity, _mood: 40.0, 0.5),
}
"""What is planted: `metrics.basket` has no effect, so that none must be found."""


def draw(random: np.random.Generator, affinity: float, mood: float) -> pb.Outcome:
    """Draw what becomes of a contact that an agent of this affinity served."""
    outcome = pb.Outcome(source=SOURCE)
    asked = {kind for kind, truth in TRUTHS.items() if random.random() < truth.asked}
    if "resolved" in asked:
        outcome.resolved = bool(random.random() < _resolved(affinity, mood))
    if "csat" in asked:
        outcome.csat = int(np.clip(round(random.normal(3.5 + 0.5 * affinity + 0.4 * mood, 0.9)), 1, 5))
    if "nps" in asked:
        outcome.nps = int(np.clip(round(random.normal(7.3 + 1.1 * affinity + 0.8 * mood, 1.8)), 0, 10))
    if "recommended" in asked:
        warned = 0.2 - 0.15 * affinity
        place = random.random()
        outcome.recommended.recommendation = (
            pb.WARNED if place < warned else pb.NEITHER if place < 1 - (0.45 + 0.25 * affinity) else pb.PROMOTED
        )
    if random.random() < _returned(affinity, mood):
        outcome.returned_within.FromSeconds(int(random.integers(3_600, 7 * 86_400)))
    if "metrics.basket" in asked:
        outcome.metrics["basket"] = float(random.gamma(4, 10))
    return outcome


def recorded(ledger: Path) -> int:
    """Return how many outcomes of the survey the ledger has."""
    with closing(sqlite3.connect(ledger, timeout=60)) as connection:
        count: int = connection.execute("SELECT count(*) FROM outcomes WHERE source = ?", (SOURCE,)).fetchone()[0]
        return count


def stretch(ledger: Path, days: int, end_ms: int) -> None:
    """Stretch every time of the ledger to so many days that end at a time."""
    with closing(sqlite3.connect(ledger, timeout=60)) as connection, connection:
        first, last = connection.execute("SELECT min(born), max(born) FROM contacts").fetchone()
        factor = days * DAY_MS / max(1, last - first)
        for table, columns in TIMES.items():
            moved = ", ".join(
                f"{name} = {end_ms} - CAST(({last} - {name}) * {factor!r} AS INTEGER)" for name in columns
            )
            connection.execute(f"UPDATE {table} SET {moved}")
