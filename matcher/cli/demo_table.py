"""The table of a demo: one row for each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.terminal_text import shortened

BASIS: Final = 5
"""The place of the basis in a row."""
MOST: Final = (38, 19, 8, 30, 34, 9, 29)
"""Characters of each cell at most."""


def demo_table(last: str, rows: Sequence[Sequence[str]]) -> Listing:
    """Return a list of the rows; `last` is the title of the last column. Rows whose basis is not AFFINITY are dim."""
    listing = Listing(
        Column("message", text=True),
        Column("agent", text=True),
        Column("affinity"),
        Column("words", WIDE, text=True),
        Column("met the interest", text=True),
        Column("basis", MIDDLE),
        Column(last, MIDDLE, text=True),
    )
    for row in rows:
        cells = (shortened(cell, most) for cell, most in zip(row, MOST, strict=True))
        listing.add(*cells, style="" if row[BASIS] == "AFFINITY" else "dim")
    return listing
