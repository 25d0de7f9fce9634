"""What an evaluation says, as tables for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.cli import tables
from matcher.cli.terminal_text import visible

if TYPE_CHECKING:
    from matcher.evaluation import Evaluated
    from matcher.evaluation.day_ledger import Played, Terms
    from matcher.evaluation.evaluate import Estimate
    from matcher.evaluation.floor_check import FloorChecked
    from matcher.evaluation.gaming import Gamed


def evaluated(one: Evaluated, free: float) -> RenderableType:
    """Return how well the service and the baselines find the right agents, in percent, with 95 % half-widths."""
    figures = one.figures
    made = tables.table("%", "recall@1", "recall@5", "MRR@10", "routed right")
    for column in made.columns[1:]:
        column.justify = "right"
    made.title_justify = "left"
    share = "" if free >= 1 else f", {free:.0%} of them free at a time"
    made.title = Text(visible(f"{figures.suite}: {figures.agents} agents{share}, {figures.messages} messages"), "bold")
    for method in (one.production, *one.methods):
        serves = method is one.production
        tables.add(
            made,
            method.name,
            _percent(method.recall_at_1),
            _percent(method.recall_at_5),
            _percent(method.mrr_at_10),
            _percent(one.hit_rate_routed) if serves else "",
            style="bold" if serves else "",
        )
    answerable = "" if free >= 1 else f" ({one.auroc_answerable:.3f} where a right agent was free)"
    below = Text(
        f"mean affinity {_plain(figures.mean_affinity)} · {one.fell_back:.1%} fell back (floor {one.floor:.3f}) · "
        f"busiest 1 % of agents took {_share(figures.top_1_percent_share)} · "
        f"confidence: ECE {_plain(figures.ece)}, AUROC {_plain(figures.auroc)}{answerable}",
        "dim",
    )
    return Group(made, below)


def played(suite: str, ways: Sequence[Played], terms: Terms) -> Table:
    """Return what each way to choose made of the same day."""
    made = tables.table("way", "mean affinity", "right agent", "Gini", "busiest 1 %", "turned away", "waited")
    for column in made.columns[1:]:
        column.justify = "right"
    made.title_justify = "left"
    made.title = Text(
        visible(
            f"{suite}: {terms.hours:g} hours, {len(ways[0].taken)} agents of {terms.capacity} conversations, "
            f"{terms.occupancy:.0%} of them taken, {ways[0].conversations + ways[0].turned_away} arrivals"
        ),
        "bold",
    )
    for one in ways:
        tables.add(
            made,
            one.name,
            f"{one.mean_affinity:.4f}",
            f"{one.recall:.1%}",
            f"{one.gini:.3f}",
            f"{one.busiest_share:.1%}",
            one.turned_away,
            f"{one.mean_wait_seconds:.1f} s" if one.mean_wait_seconds else "",
        )
    return made


def gamed(done: Sequence[Gamed]) -> Table:
    """Return the conversations a newcomer gets in a day by the profile."""
    made = tables.table("conversations of", "64 generic interests", "5 of them", "times", "ordinary agent with 5")
    for one in done:
        cells = (f"{one.generic_64:.0f}", f"{one.generic_5:.1f}", f"{one.ratio:.2f}", f"{one.ordinary:.1f}")
        tables.add(made, one.suite, *cells)
    return made


def floors(done: Sequence[FloorChecked], messages: int) -> Table:
    """Return the shares that fall back."""
    made = tables.table("falls back on", f"{messages} with nothing to go by", "the suite's messages", "floor")
    for one in done:
        tables.add(made, one.suite, f"{one.nothing_to_go_by:.1%}", f"{one.messages:.1%}", f"{one.floor:.3f}")
    return made


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "unknown"
    width = f" ± {100 * estimate.half_width:.1f}" if estimate.half_width else ""
    return f"{100 * estimate.value:.1f}{width}"


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
