"""The plots, as PNG files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matcher.evaluation.day_ledger import Played
from matcher.evaluation.evaluate import Evaluated
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
    made, panels = _panels(len(evaluated), most=4, width=3.6, height=3.9)
    for panel, one in zip(panels, evaluated, strict=True):
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
    panels[0].legend(loc="upper left", fontsize=8)
    return write(made, path)


def draw_trade_off(days: Sequence[tuple[str, Sequence[Played], float]], path: Path) -> Path:
    """Draw what fairness costs: the Gini coefficient over the mean affinity lost against affinity alone.

    days: suite, the ways its day was played, and the recommended tolerance; one panel each.
    """
    made, panels = _panels(len(days), most=2, width=5.8, height=4.2)
    for panel, (suite, played, recommended) in zip(panels, days, strict=True):
        alone = next(one for one in played if one.tolerance == 0)
        tolerant = [one for one in played if one.tolerance is not None]
        points = [(alone.mean_affinity - one.mean_affinity, one.gini) for one in tolerant]
        panel.plot(
            *zip(*points, strict=True), color=BLUE, marker="o", markersize=5, label="affinity within a tolerance"
        )
        best = points[[one.tolerance for one in tolerant].index(recommended)]
        panel.plot(*best, color=RED, marker="o", markersize=8, linestyle="", label=f"recommended: {recommended:g}")
        for one, style in zip((one for one in played if one.tolerance is None), (":", "-."), strict=False):
            label = f"{one.name} (loses {alone.mean_affinity - one.mean_affinity:.2f})"
            panel.axhline(one.gini, color=GREY, linestyle=style, linewidth=1, label=label)
        panel.set_title(suite, fontsize=11, parse_math=False)
        panel.set(xlabel="mean affinity lost against affinity only", ylabel="Gini of conversations per agent")
        panel.margins(x=0.12, y=0.1)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
        _name_points(panel, points, [f"{one.tolerance:g}" for one in tolerant])
    return write(made, path)


def _panels(count: int, *, most: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, `most` in a row; inches a panel."""
    columns = min(count, most)
    rows = -(-count // columns)
    made = figure(width * columns, height * rows)
    panels = list(made.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    return made, panels[:count]


def _name_points(panel: Any, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write a name beside each point, on the side where no point and no other name is."""
    panel.figure.draw_without_rendering()
    pixels = panel.transData.transform(points)
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in pixels]
    scale = panel.figure.dpi / 72
    for (x, y), point, name in zip(pixels, points, names, strict=True):
        wide, high = 5.5 * scale * len(name), 9 * scale
        for right, up in ((6, 4), (9, -3), (-9, -3), (6, -13), (-6, -13), (0, 12)):
            left = x + right * scale - wide * (right < 0) - wide / 2 * (right == 0)
            low = y + up * scale
            box = (left, low, left + wide, low + high)
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                break
        taken.append(box)
        panel.annotate(
            name,
            point,
            textcoords="offset points",
            xytext=(right, up),
            ha="right" if right < 0 else "left" if right else "center",
            fontsize=8,
        )


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
