"""The plot of an impact report: how each outcome's difference went day by day, and where it stands by affinity band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matcher.evaluation.plots import BLUE, GREY, RED, figure, write


@dataclass(frozen=True, slots=True)
class Whisker:
    """A difference with its interval, None where there is none; name: the day, or the band."""

    name: str
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """What is drawn of an outcome; unit: of the difference, "" where it is the outcome's own."""

    kind: str
    unit: str
    days: Sequence[Whisker]
    bands: Sequence[Whisker]


def draw_impact(pool: str, sentence: str, outcomes: Sequence[OutcomeLine], path: Path) -> Path:
    """Draw a pool's outcomes, a row each: the path by day, and the bands; return the file."""
    drawing = figure(11, 0.8 + 2.7 * len(outcomes))
    panels = drawing.subplots(len(outcomes), 2, squeeze=False, width_ratios=(2.2, 1))
    for (path_panel, band_panel), outcome in zip(panels, outcomes, strict=True):
        label = f"difference, {outcome.unit}" if outcome.unit else "difference"
        _draw_path(path_panel, outcome, label)
        _draw_bands(band_panel, outcome, label)
    drawing.suptitle(_wrapped(f"{pool}: {sentence}"), fontsize=10, x=0.01, ha="left", parse_math=False)
    return write(drawing, path)


def _draw_path(panel: Any, outcome: OutcomeLine, label: str) -> None:
    """Draw the difference at the end of each day, with the interval that holds along the whole path."""
    places = range(len(outcome.days))
    shown = [(place, day.low, day.high) for place, day in zip(places, outcome.days, strict=True) if day.low is not None]
    panel.axhline(0, color=GREY, linewidth=1, linestyle="--")
    if shown:
        at, low, high = zip(*shown, strict=True)
        panel.fill_between(at, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95 %, along the whole path")
        panel.plot(
            at, [outcome.days[place].difference for place in at], color=BLUE, linewidth=1.8, label="treatment - control"
        )
        first = next((place for place, low, high in shown if low > 0 or (high or 0) < 0), None)
        if first is not None:
            panel.axvline(first, color=RED, linewidth=1, label=f"leaves zero: {outcome.days[first].name}")
        panel.legend(fontsize=8, loc="best")
    else:
        panel.text(0.5, 0.5, "fewer than 100 outcomes in an arm", ha="center", va="center", transform=panel.transAxes)
    every = max(1, len(outcome.days) // 6)
    panel.set_xticks(list(places)[::every], [day.name[5:] for day in outcome.days][::every], fontsize=8)
    panel.set_xlim(0, max(1, len(outcome.days) - 1))
    panel.set_title(outcome.kind, fontsize=11, loc="left", parse_math=False)
    panel.set_ylabel(label, fontsize=9)
    panel.grid(alpha=0.3)


def _draw_bands(panel: Any, outcome: OutcomeLine, label: str) -> None:
    """Draw the difference within each band of affinity."""
    panel.axvline(0, color=GREY, linewidth=1, linestyle="--")
    for place, band in enumerate(outcome.bands):
        if band.low is not None and band.high is not None:
            panel.plot((band.low, band.high), (place, place), color=BLUE, linewidth=2)
            panel.plot(band.difference, place, color=BLUE, marker="o", markersize=6)
        else:
            panel.annotate("too few", (0, place), xytext=(4, -3), textcoords="offset points", fontsize=8, color=GREY)
    panel.set_yticks(range(len(outcome.bands)), [band.name for band in outcome.bands], fontsize=8)
    panel.set_ylim(-0.6, max(0.6, len(outcome.bands) - 0.4))
    panel.set_title("by affinity", fontsize=10, loc="left")
    panel.set_xlabel(label, fontsize=9)
    panel.grid(alpha=0.3)


def _wrapped(text: str, width: int = 150) -> str:
    """Return a text in lines of at most the given number of characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
