"""Coverage of the report's intervals on simulated truth, along the whole path; the table of docs/impact.md.

Run: python -m benchmarks.impact_coverage [--runs 1000] [--json FILE]. About a minute on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from matcher.impact.adjustment import adjusted
from matcher.impact.sequence import FIXED_TIME, Floats, path

SEED: Final = 20_221_130
CONTACTS: Final = 10_000
Draw = Callable[[np.random.Generator, np.ndarray], Floats]


@dataclass(frozen=True, slots=True)
class Truth:
    """A simulated truth.

    draw: the outcomes, given which contacts are treatment's; effect: the difference of the arms' means; ends: the least
    and the greatest value; share: of control contacts, of the first and of the second half. customers: the standard
    deviation of what each customer adds to every outcome; an earlier outcome of every second customer is known.
    """

    name: str
    draw: Draw
    effect: float
    ends: tuple[float, float] | None
    share: tuple[float, float] = (0.3, 0.3)
    customers: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a truth; shares of the runs, and widths at the end beside an interval for that one time."""

    name: str
    runs: int
    covers: float
    found: float
    width: float
    fixed_covers: float


def measure(truth: Truth, runs: int) -> Row:
    """Simulate runs of a truth, look after every outcome, and count."""
    random = np.random.default_rng((SEED, *truth.name.encode()))
    covered = found = fixed = 0
    widths = []
    for _ in range(runs):
        share = np.repeat(truth.share, CONTACTS // 2)
        treated = random.random(CONTACTS) >= share
        values = truth.draw(random, treated)
        if truth.customers:
            values = _adjusted(random, values, truth.customers)
        along = path(values, treated, 1 / np.where(treated, 1 - share, share), truth.ends)
        shown = ~np.isnan(along.low)
        low, high = along.low[shown], along.high[shown]
        reach = FIXED_TIME * along.error[shown]
        off = np.abs(along.difference[shown] - truth.effect)
        covered += bool(((low <= truth.effect) & (truth.effect <= high)).all())
        found += bool(((low > 0) | (high < 0)).any())
        fixed += bool((off <= reach).all())
        widths.append((high[-1] - low[-1]) / (2 * reach[-1]))
    return Row(truth.name, runs, covered / runs, found / runs, float(np.mean(widths)), fixed / runs)


def resolved(treatment: float, control: float) -> Draw:
    """Return a draw of resolved contacts, 0 or 1."""
    return lambda random, treated: (random.random(len(treated)) < np.where(treated, treatment, control)).astype(float)


def levels(values: tuple[float, ...], treatment: tuple[float, ...], control: tuple[float, ...]) -> Draw:
    """Return a draw of a few values, by the probability of each in either arm."""

    def draw(random: np.random.Generator, treated: np.ndarray) -> Floats:
        one, other = (random.choice(values, len(treated), p=shares) for shares in (treatment, control))
        return np.where(treated, one, other)

    return draw


def amounts(random: np.random.Generator, treated: np.ndarray) -> Floats:
    """Draw amounts of which a few are very large: log-normal, the standard deviation 1.3 times the mean."""
    return random.lognormal(0, 1, len(treated))


def _getting_better(random: np.random.Generator, treated: np.ndarray) -> Floats:
    rate = np.where(np.arange(len(treated)) < len(treated) // 2, 0.6, 0.8)
    return (random.random(len(treated)) < rate).astype(float)


def _ratings(random: np.random.Generator, treated: np.ndarray) -> Floats:
    return random.normal(3 + 0.1 * treated, 0.6)


def _adjusted(random: np.random.Generator, values: Floats, deviation: float) -> Floats:
    """Return outcomes with what each customer adds, adjusted by an earlier outcome where one is known."""
    customer = random.normal(0, deviation, len(values))
    earlier = np.where(random.random(len(values)) < 0.5, random.normal(customer, 0.6), np.nan)
    after = adjusted(values + customer, earlier)
    assert after is not None
    return after.values


SATISFIED: Final = (0.05, 0.05, 0.1, 0.3, 0.5)
TRUTHS: Final = (
    Truth("resolved 70 %, no effect", resolved(0.7, 0.7), 0, (0, 1)),
    Truth("resolved 70 %, no effect, a tenth control", resolved(0.7, 0.7), 0, (0, 1), (0.1, 0.1)),
    Truth("resolved 97 %, no effect, a tenth control", resolved(0.97, 0.97), 0, (0, 1), (0.1, 0.1)),
    Truth("resolved 70 %, +5 points", resolved(0.75, 0.7), 0.05, (0, 1)),
    Truth("resolved 70 %, +5 points, half control", resolved(0.75, 0.7), 0.05, (0, 1), (0.5, 0.5)),
    Truth("csat, no effect", levels((1, 2, 3, 4, 5), SATISFIED, SATISFIED), 0, (1, 5)),
    Truth("nps +10 points", levels((-1, 0, 1), (0.2, 0.3, 0.5), (0.25, 0.3, 0.45)), 0.1, (-1, 1)),
    Truth("amounts with a long tail, no effect", amounts, 0, None, (0.1, 0.1)),
    Truth("no effect; share 0.1, then 0.5; resolved 60, then 80 %", _getting_better, 0, (0, 1), (0.1, 0.5)),
    Truth("+0.1, adjusted by earlier outcomes", _ratings, 0.1, None, customers=0.8),
)


def main() -> None:
    """Print the table, and write it as JSON where a file is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"| {CONTACTS:,} contacts, {options.runs:,} runs | covers, whole path | leaves zero | width | fixed time |")
    print("|---|---|---|---|---|")
    rows = [measure(truth, options.runs) for truth in TRUTHS]
    for row in rows:
        print(f"| {row.name} | {row.covers:.1%} | {row.found:.1%} | {row.width:.2f} | {row.fixed_covers:.1%} |")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
