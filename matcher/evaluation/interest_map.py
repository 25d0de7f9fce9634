"""The map of a roster's interests in two dimensions, with a message among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.plots import BLUE, GREY, RED, figure, write

Floats = NDArray[np.float32]

TEXT_WIDTH: Final = 44


@dataclass(frozen=True, slots=True)
class Meeting:
    """A unit of the message and an interest that it met, by their positions in the map."""

    unit: int
    interest: int
    agent: str


def flat(interests: Floats, others: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project vectors [n, dimension] on the two directions of the interests' largest variance (PCA, by SVD).

    Returns [n, 2] for the interests and for the others. The largest component of a direction is positive, so that the
    same roster always looks the same.
    """
    centre = interests.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(interests - centre, full_matrices=False)
    plane = np.zeros((2, interests.shape[1]))
    plane[: len(directions[:2])] = directions[:2]
    largest = np.take_along_axis(plane, np.abs(plane).argmax(axis=1)[:, None], axis=1)
    plane *= np.where(largest < 0, -1, 1)
    return (interests - centre) @ plane.T, (others - centre) @ plane.T


def draw_interests(
    interests: Sequence[str], units: Sequence[str], vectors: Floats, meetings: Sequence[Meeting], path: Path
) -> Path:
    """Draw the interests as dots, the message's units as stars, and a line from a unit to each interest it met.

    vectors: [interests + units, dimension], unit vectors. Points that are close in the map may be far apart in all
    dimensions; only the lines show a match. Raises ExtraMissing without matplotlib, OSError when the file cannot be
    written.
    """
    dots, stars = flat(vectors[: len(interests)], vectors[len(interests) :])
    drawing = figure(11, 7.5)
    panel = drawing.subplots()
    panel.scatter(dots[:, 0], dots[:, 1], s=9, color=GREY, alpha=0.45, linewidths=0, label="interests of the roster")
    for meeting in meetings:
        ends = np.array([stars[meeting.unit], dots[meeting.interest]])
        panel.plot(ends[:, 0], ends[:, 1], color=BLUE, linewidth=1, alpha=0.6, zorder=2)
    met = sorted({meeting.interest for meeting in meetings})
    if met:
        panel.scatter(dots[met, 0], dots[met, 1], s=34, color=BLUE, zorder=6, label="interests the message meets")
    panel.scatter(stars[:, 0], stars[:, 1], s=150, marker="*", color=RED, zorder=7, label="the message")
    names = {meeting.interest: meeting.agent for meeting in meetings}
    labels = [(dots[number], f"{names[number]}: {_shortened(interests[number])}", BLUE) for number in met]
    labels += [(star, _shortened(unit), RED) for star, unit in zip(stars, units, strict=True)]
    panel.margins(x=0.12)
    _label(panel, labels)
    panel.set(xticks=[], yticks=[], xlabel="first principal component", ylabel="second principal component")
    panel.legend(loc="lower right", fontsize=8)
    return write(drawing, path)


def _label(panel: Any, labels: Sequence[tuple[NDArray[np.float64], str, str]]) -> None:
    """Write labels beside their points, at heights at which no label covers another."""
    low, high = panel.get_ylim()
    left, right = panel.get_xlim()
    spacing, indent = (high - low) * 0.032, (right - left) * 0.02
    heights: list[float] = []
    for (x, y), text, color in sorted(labels, key=lambda label: float(label[0][1])):
        height = float(y)
        while any(abs(height - other) < spacing for other in heights):
            height += spacing / 4
        heights.append(height)
        inward = 1 if x < (left + right) / 2 else -1
        panel.annotate(
            text,
            xy=(float(x), float(y)),
            xytext=(float(x) + inward * indent, height),
            fontsize=8,
            color=color,
            ha="left" if inward > 0 else "right",
            va="center",
            zorder=5,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.6,
                "alpha": 0.7,
                "relpos": (0.0 if inward > 0 else 1.0, 0.5),
            },
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_WIDTH else line[: TEXT_WIDTH - 1].rstrip() + "…"
