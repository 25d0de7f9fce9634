"""The plots of an evaluation, as PNG files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matcher.evaluation.day_ledger import DayResult
from matcher.evaluation.evaluate import Evaluation
from matcher.evaluation.extras import extra

BLUE: Final = "#1f5fa8"
GREY: Final = "#8a8a8a"
RED: Final = "#b3372f"


def figure(width: float, height: float) -> Any:
    """Return an empty figure that needs no display; sizes in inches."""
    extra("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def write(drawing: Any, path: Path) -> Path:
    """Write a figure as PNG, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # A character that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawing.savefig(path, dpi=120, format="png")
    return path


def draw_reliability(evaluations: Sequence[Evaluation], path: Path) -> Path:
    """Draw a reliability diagram with one panel a suite: the share of right agents over the confidence."""
    drawing, panels = _panels(len(evaluations), most=4, width=3.6, height=3.9)
    for panel, evaluation in zip(panels, evaluations, strict=True):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect calibration")
        confidence, share, sizes = zip(*evaluation.bins, strict=True)
        panel.plot(
            confidence,
            share,
            color=BLUE,
            linewidth=1.5,
            marker="o",
            markersize=5,
            clip_on=False,
            label="tenths of the messages",
        )
        ece, area = (_figure_text(value) for value in (evaluation.figures.ece, evaluation.figures.auroc))
        panel.set_title(
            f"{evaluation.figures.suite}\n{sum(sizes)} decisions, ECE {ece}, AUROC {area}",
            fontsize=10,
            parse_math=False,
        )
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence of the first agent", ylabel="share that was right")
        panel.set_aspect("equal")
        panel.grid(alpha=0.3)
    panels[0].legend(loc="upper left", fontsize=8)
    return write(drawing, path)


def draw_trade_off(days: Sequence[tuple[str, Sequence[DayResult], float]], path: Path) -> Path:
    """Draw the cost of fairness: the Gini coefficient over the mean affinity lost against affinity alone.

    days: a suite's name, the results of its day, and the recommended tolerance; one panel each.
    """
    drawing, panels = _panels(len(days), most=2, width=5.8, height=4.2)
    for panel, (suite, results, recommended) in zip(panels, days, strict=True):
        alone = next(result for result in results if result.tolerance == 0)
        tolerant = [result for result in results if result.tolerance is not None]
        points = [(alone.mean_affinity - result.mean_affinity, result.gini) for result in tolerant]
        panel.plot(
            *zip(*points, strict=True), color=BLUE, marker="o", markersize=5, label="affinity within a tolerance"
        )
        best = points[[result.tolerance for result in tolerant].index(recommended)]
        panel.plot(*best, color=RED, marker="o", markersize=8, linestyle="", label=f"recommended: {recommended:g}")
        for result, style in zip((result for result in results if result.tolerance is None), (":", "-."), strict=False):
            label = f"{result.name} (loses {alone.mean_affinity - result.mean_affinity:.2f})"
            panel.axhline(result.gini, color=GREY, linestyle=style, linewidth=1, label=label)
        panel.set_title(suite, fontsize=11, parse_math=False)
        panel.set(xlabel="mean affinity lost against affinity only", ylabel="Gini of conversations per agent")
        panel.margins(x=0.12, y=0.1)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
        _name_points(panel, points, [f"{result.tolerance:g}" for result in tolerant])
    return write(drawing, path)


def _panels(count: int, *, most: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, at most `most` in a row; sizes of a panel in inches."""
    columns = min(count, most)
    rows = -(-count // columns)
    drawing = figure(width * columns, height * rows)
    panels = list(drawing.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    return drawing, panels[:count]


def _name_points(panel: Any, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write a name beside each point, on a side without points and other names."""
    panel.figure.draw_without_rendering()
    pixels = panel.transData.transform(points)
    boxes = [(x - 6, y - 6, x + 6, y + 6) for x, y in pixels]
    scale = panel.figure.dpi / 72
    for (x, y), point, name in zip(pixels, points, names, strict=True):
        wide, high = 5.5 * scale * len(name), 9 * scale
        for right, up in ((6, 4), (9, -3), (-9, -3), (6, -13), (-6, -13), (0, 12)):
            left = x + right * scale - wide * (right < 0) - wide / 2 * (right == 0)
            low = y + up * scale
            box = (left, low, left + wide, low + high)
            if not any(
                box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in boxes
            ):
                break
        boxes.append(box)
        panel.annotate(
            name,
            point,
            textcoords="offset points",
            xytext=(right, up),
            ha="right" if right < 0 else "left" if right else "center",
            fontsize=8,
        )


def _figure_text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
