"""The plot of coverage: what customers bring up most, by whether agents share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matcher.evaluation.plots import BLUE, GREY, RED, figure, write

COLORS: Final = {"interest that agents share": BLUE, "interest that nobody shares": RED, "theme": GREY}


@dataclass(frozen=True, slots=True)
class Bar:
    """An entry of the plot; group: one of COLORS."""

    name: str
    contacts: int
    group: str
    rising: bool


def draw_coverage(bars: Sequence[Bar], title: str, path: Path) -> Path:
    """Draw a bar an entry, the longest first, with a mark where it rises, and return the file."""
    drawing = figure(8.0, 1.3 + 0.27 * len(bars))
    panel = drawing.subplots()
    for group, color in COLORS.items():
        places = [place for place, bar in enumerate(bars) if bar.group == group]
        if places:
            panel.barh(places, [bars[place].contacts for place in places], color=color, label=group, height=0.7)
    for place, bar in enumerate(bars):
        mark = f" {bar.contacts:,}{' ▲ rises' if bar.rising else ''}"
        panel.text(bar.contacts, place, mark, va="center", fontsize=8, parse_math=False)
    panel.set_yticks(range(len(bars)), [bar.name for bar in bars], fontsize=8, parse_math=False)
    panel.invert_yaxis()
    panel.margins(x=0.14, y=0.01)
    panel.set_xlabel("contacts, rounded to 5")
    panel.set_title(title, fontsize=10, parse_math=False)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=8, frameon=False, loc="lower right")
    return write(drawing, path)
