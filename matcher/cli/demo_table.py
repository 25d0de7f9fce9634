"""The table of a demo: one row for each message."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from matcher.cli.terminal_text import shortened

TITLES = ("message", "agent", "affinity", "words", "met the interest", "basis")
WIDTHS = (38, 19, 8, 30, 34, 9)
LAST_WIDTH = 29
GAP = 2
LONG = (0, 3, 4)
"""The columns that shrink on a narrow terminal: the texts, not the figures."""
LEAST = 12
"""Characters that a column of text keeps."""


def demo_table(last: str, rows: Sequence[Sequence[str]], width: int) -> Table:
    """Return a table of the rows for a console of `width` columns; `last` is the title of the last column.

    Rows whose basis is not AFFINITY are dim.
    """
    needed = sum(WIDTHS) + LAST_WIDTH + GAP * len(WIDTHS)
    shrink = max(0, needed - width) / sum(WIDTHS[place] for place in LONG)
    widths = [
        max(LEAST, int(wide * (1 - shrink))) if place in LONG else wide
        for place, wide in enumerate((*WIDTHS, LAST_WIDTH))
    ]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for title in (*TITLES, last):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells = (Text(shortened(cell, wide)) for cell, wide in zip(row, widths, strict=True))
        table.add_row(*cells, style="" if row[TITLES.index("basis")] == "AFFINITY" else "dim")
    return table
