"""Tables of `matcher evaluate`, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.cli import tables
from matcher.cli.terminal_text import visible

if TYPE_CHECKING:
    from matcher.evaluation.day_ledger import DayResult, Terms
    from matcher.evaluation.evaluate import Estimate, Evaluation
    from matcher.evaluation.floor_check import FloorResult
    from matcher.evaluation.gaming import GamingResult
    from matcher.evaluation.profiles import ProfileResult


def suite_table(evaluation: Evaluation, free: float) -> RenderableType:
    """Return the recall of the service and of the baselines, in percent, with 95 % half-widths."""
    figures = evaluation.figures
    table = tables.table("%", "recall@1", "recall@5", "MRR@10", "right agent")
    for column in table.columns[1:]:
        column.justify = "right"
    table.title_justify = "left"
    share = "" if free >= 1 else f", {free:.0%} of them free at a time"
    table.title = Text(visible(f"{figures.suite}: {figures.agents} agents{share}, {figures.messages} messages"), "bold")
    for method in (evaluation.production, *evaluation.methods):
        is_production = method is evaluation.production
        tables.add(
            table,
            method.name,
            _percent(method.recall_at_1),
            _percent(method.recall_at_5),
            _percent(method.mrr_at_10),
            _percent(evaluation.hit_rate_routed) if is_production else "",
            style="bold" if is_production else "",
        )
    answerable = "" if free >= 1 else f" ({evaluation.auroc_answerable:.3f} where a right agent was free)"
    below = Text(
        f"mean affinity {_plain(figures.mean_affinity)} · "
        f"{evaluation.fell_back:.1%} fell back ({_floors(evaluation.floors)}) · "
        f"busiest 1 % of agents got {_share(figures.top_1_percent_share)} · "
        f"confidence: ECE {_plain(figures.ece)}, AUROC {_plain(figures.auroc)}{answerable}",
        "dim",
    )
    return Group(table, below)


def day_table(suite: str, results: Sequence[DayResult], terms: Terms) -> Table:
    """Return the results of each strategy on the same day."""
    table = tables.table("strategy", "mean affinity", "right agent", "Gini", "busiest 1 %", "turned away", "waited")
    for column in table.columns[1:]:
        column.justify = "right"
    table.title_justify = "left"
    table.title = Text(
        visible(
            f"{suite}: {terms.hours:g} hours, {len(results[0].by_agent)} agents of {terms.capacity} conversations, "
            f"{terms.occupancy:.0%} of them in use, {results[0].conversations + results[0].turned_away} arrivals"
        ),
        "bold",
    )
    for result in results:
        tables.add(
            table,
            result.name,
            f"{result.mean_affinity:.4f}",
            f"{result.recall:.1%}",
            f"{result.gini:.3f}",
            f"{result.busiest_share:.1%}",
            result.turned_away,
            f"{result.mean_wait_seconds:.1f} s" if result.mean_wait_seconds else "",
        )
    return table


def gaming_table(results: Sequence[GamingResult]) -> Table:
    """Return the conversations that a new agent gets in a day, by the new agent's profile."""
    table = tables.table("conversations of", "64 generic interests", "5 of them", "times", "ordinary agent with 5")
    for result in results:
        cells = (f"{result.generic_64:.0f}", f"{result.generic_5:.1f}", f"{result.ratio:.2f}", f"{result.ordinary:.1f}")
        tables.add(table, result.suite, *cells)
    return table


def floor_table(results: Sequence[FloorResult], messages: int) -> Table:
    """Return the shares of messages that fall back."""
    table = tables.table("fallback on", f"{messages} without an interest", "the suite's messages", "floors")
    for result in results:
        floors = " ".join(f"{language or 'unknown'} {floor:.3f}" for language, floor in result.floors.items())
        tables.add(table, result.suite, f"{result.nothing_to_go_by:.1%}", f"{result.messages:.1%}", floors)
    return table


def _floors(by_language: Mapping[str, float]) -> str:
    """Return the floor of the messages, or the lowest and the highest of several languages."""
    lowest, highest = (f"{most(by_language.values()):.3f}" for most in (min, max))
    return f"floor {lowest}" if lowest == highest else f"floors {lowest} to {highest} by language"


def profile_table(results: Sequence[ProfileResult]) -> Table:
    """Return how many messages find a right agent alone, with a stranger's profile, and as the profile of a "hi"."""
    table = tables.table("right at first place", "alone", "stranger's profile", 'profile of a "hi"', "floor")
    for result in results:
        found = (result.alone, result.with_strangers_profile, result.as_profile)
        for at_the_floor in (False, True):
            shares = (one.at_the_floor if at_the_floor else one.without_floor for one in found)
            name = f"{result.suite}, {'' if at_the_floor else 'no '}floor"
            tables.add(table, name, *(f"{share:.1%}" for share in shares), f"{result.floor:.3f}")
    return table


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "unknown"
    width = f" ± {100 * estimate.half_width:.1f}" if estimate.half_width else ""
    return f"{100 * estimate.value:.1f}{width}"


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
