"""The table of a demo: one line for each message."""

from __future__ import annotations

from rich.table import Table

MESSAGE_WIDTH = 38
AGENT_WIDTH = 19
WORDS_WIDTH = 30
INTEREST_WIDTH = 34


def demo_table(last: str) -> Table:
    """Return an empty table; on a narrow terminal the long texts give way, not the figures."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("message", "agent", "affinity", "words", "met the interest", "basis", last):
        least = len(title) if title in ("affinity", "basis", last) else None
        if title == "basis":
            least = len("unmatched")
        made.add_column(title, no_wrap=True, overflow="ellipsis", min_width=least)
    return made
