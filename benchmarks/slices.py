"""Slices of measurement: the arms alternate (A B B A), so that changes of the machine's speed affect all of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

Figures = dict[str, float | int | str | bool | None]
"""The figures of a subject, flat, as build/bench.json holds them."""

Arm = Callable[[], Awaitable[float]]
"""Runs one slice and returns its cost, in seconds or CPU seconds for each piece of work."""

RESAMPLES: Final = 2_000
SEED: Final = 20_260_119
A_A_TOLERANCE: Final = 0.10
"""The difference of the A/A ratio's median from 1 above which a subject is void."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median with its 95 % interval."""

    median: float
    low: float
    high: float

    def figures(self, key: str) -> Figures:
        """Return the estimate under `key`, `key_low` and `key_high`."""
        return {key: self.median, f"{key}_low": self.low, f"{key}_high": self.high}


async def interleave(arms: Mapping[str, Arm], pairs: int) -> dict[str, list[float]]:
    """Run every arm `2 * pairs` times, every second round in reverse order; return the costs of each arm in order."""
    costs: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(2 * pairs):
        names = list(arms) if number % 2 == 0 else list(arms)[::-1]
        for name in names:
            costs[name].append(await arms[name]())
    return costs


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of the values with its percentile bootstrap interval (Efron 1979); NaN without values."""
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(SEED).choice(np.asarray(values, float), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Estimate(float(np.median(values)), float(low), float(high))


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Return the median of the ratios of slices that ran one after the other, with its interval."""
    return estimate([numerator / denominator for numerator, denominator in zip(above, below, strict=True)])


def a_a(subject: str, first: Sequence[float], second: Sequence[float]) -> Figures:
    """Return the ratio of two runs of one arm; `<subject>_void` says that the subject's figures cannot be trusted."""
    same = ratio(second, first)
    void = not abs(same.median - 1) <= A_A_TOLERANCE
    return {**same.figures(f"{subject}_aa"), f"{subject}_void": void}


def void_subjects(figures: Figures) -> list[str]:
    """Return the subjects whose A/A arms differ too much."""
    return [key.removesuffix("_void") for key, value in figures.items() if key.endswith("_void") and value is True]


def to_json(figures: Figures) -> str:
    """Return the figures as one flat JSON object; NaN and infinity become null."""
    plain = {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in figures.items()
    }
    rounded = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in plain.items()}
    return json.dumps(rounded, indent=2) + "\n"
