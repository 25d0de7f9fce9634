"""The plots, as PNG files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matcher.evaluation.day import Played
from matcher.evaluation.evaluating import Evaluated
from matcher.evaluation.extras import extra

BLUE: Final = "#1f5fa8"
GREY: Final = "#8a8a8a"
RED: Final = "#b3372f"


def figure(width: float, height: float) -> Any:
    """Return an empty figure that needs no display; inches."""
    extra("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def write(made: Any, path: Path) -> Path:
    """Write a figure as PNG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # A sign that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        made.savefig(path, dpi=120, format="png")
    return path


def draw_reliability(evaluated: Sequence[Evaluated], path: Path) -> Path:
    """Draw a reliability diagram, one panel a suite: how often the agents of a confidence were right."""
    columns = min(len(evaluated), 4)
    rows = -(-len(evaluated) // columns)
    made = figure(3.6 * columns, 3.9 * rows)
    panels = made.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(evaluated) :]:
        panel.set_axis_off()
    for panel, one in zip(panels.flat, evaluated, strict=False):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="as often as said")
        said, was, sizes = zip(*one.bins, strict=True)
        panel.plot(
            said,
            was,
            color=BLUE,
            linewidth=1.5,
            marker="o",
            markersize=5,
            clip_on=False,
            label="tenths of the messages",
        )
        ece, area = (_said(value) for value in (one.figures.ece, one.figures.auroc))
        panel.set_title(
            f"{one.figures.suite}\n{sum(sizes)} decisions, ECE {ece}, AUROC {area}", fontsize=10, parse_math=False
        )
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence of the first agent", ylabel="share that was right")
        panel.set_aspect("equal")
        panel.grid(alpha=0.3)
    panels.flat[0].legend(loc="upper left", fontsize=8)
    return write(made, path)


def draw_trade_off(suite: str, played: Sequence[Played], recommended: float, path: Path) -> Path:
    """Draw what fairness costs: the Gini coefficient over the mean affinity lost against affinity alone."""
    alone = next(one for one in played if one.tolerance == 0)
    tolerant = [one for one in played if one.tolerance is not None]
    made = figure(7.2, 4.8)
    panel = made.subplots()
    lost = [alone.mean_affinity - one.mean_affinity for one in tolerant]
    panel.plot(lost, [one.gini for one in tolerant], color=BLUE, marker="o", label="affinity within a tolerance")
    for cost, one in zip(lost, tolerant, strict=True):
        chosen = one.tolerance == recommended
        panel.annotate(
            f"{one.tolerance:g}",
            (cost, one.gini),
            textcoords="offset points",
            xytext=(9, -3),
            fontsize=9,
            color=RED if chosen else "black",
            fontweight="bold" if chosen else "normal",
        )
        if chosen:
            panel.plot([cost], [one.gini], color=RED, marker="o", markersize=9, linestyle="", label="recommended")
    for one, style in zip((one for one in played if one.tolerance is None), (":", "-."), strict=False):
        label = f"{one.name} (loses {alone.mean_affinity - one.mean_affinity:.2f})"
        panel.axhline(one.gini, color=GREY, linestyle=style, linewidth=1, label=label)
    panel.set_title(f"{suite}: a day's conversations", fontsize=11, parse_math=False)
    panel.set(xlabel="mean affinity lost against affinity only", ylabel="Gini of conversations per agent")
    panel.margins(x=0.08)
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=9)
    return write(made, path)


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
