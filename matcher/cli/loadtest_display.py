"""The display of a load test: a live table while it runs, and a summary at its end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from matcher.cli import tables
from matcher.cli.progress import steps
from matcher.loadtest import rows
from matcher.loadtest.plan import Plan
from matcher.loadtest.result import Result
from matcher.loadtest.run import Progress
from matcher.loadtest.tally import Ending

SECONDS_SHOWN: Final = 8
LINES: Final = 10
"""Lines that a whole run prints where the output is not a terminal."""
COLUMNS: Final = (
    "second",
    "offered",
    "held",
    "p50 ms",
    "p99 ms",
    "unmatched",
    "refused",
    "failed",
    "in flight",
    "generator CPU",
)


class Display:
    """Shows the last seconds of a run live on a terminal, and prints a line from time to time elsewhere."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._plan = plan
        self._last: deque[tuple[str, ...]] = deque(maxlen=SECONDS_SHOWN)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def steps(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Show the progress of a long step."""
        return steps(self._console, label, total)

    def second(self, progress: Progress, number: int) -> None:
        """Show the figures of one second of the run."""
        cells = self._cells(progress, number)
        if self._console.is_terminal:
            self._last.append(cells)
            if self._live is None:
                self._live = Live(console=self._console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(self._table(progress), refresh=True)
        elif number % max(1, round(self._plan.ramp.seconds / LINES)) == 0:
            line = ", ".join(f"{name} {cell}" for name, cell in zip(COLUMNS, cells, strict=True))
            self._console.print(line, style="dim", soft_wrap=True)

    def _cells(self, progress: Progress, number: int) -> tuple[str, ...]:
        now = progress.second(number)
        own = [report for report in progress.reports if report.second == number]
        held = now.latencies[Ending.HELD]
        return (
            self._name(number),
            str(now.offered),
            str(now.count(Ending.HELD)),
            f"{1e3 * held.at(50.0):.1f}" if held.count else "-",
            f"{1e3 * held.at(99.0):.1f}" if held.count else "-",
            str(now.count(Ending.UNMATCHED)),
            str(now.count(Ending.REFUSED)),
            str(now.count(Ending.FAILED) + now.not_sent),
            str(sum(report.in_flight for report in own)),
            " ".join(f"{report.cpu_seconds / report.wall_seconds:.0%}" for report in own if report.wall_seconds),
        )

    def _name(self, number: int) -> str:
        """Return a second's label; the seconds after the last request are counted from the end."""
        last = math.ceil(self._plan.ramp.seconds)
        return f"{number + 1} of {last}" if number < last else f"end + {number + 1 - last}"

    def _table(self, progress: Progress) -> Table:
        table = _numbers(*COLUMNS)
        for cells in self._last:
            table.add_row(*cells)
        total, held = progress.total, progress.total.latencies[Ending.HELD]
        table.add_row(
            "so far",
            f"{total.offered:,}",
            f"{total.count(Ending.HELD):,}",
            f"{1e3 * held.at(50.0):.1f}",
            f"{1e3 * held.at(99.0):.1f}",
            f"{total.count(Ending.UNMATCHED):,}",
            f"{total.count(Ending.REFUSED):,}",
            f"{total.count(Ending.FAILED) + total.not_sent:,}",
            style="bold",
        )
        return table


def print_summary(console: Console, result: Result) -> None:
    """Print the summary of a run."""
    console.print(rows.title(result), style="bold")
    console.print(tables.facts(rows.facts(result)))
    console.print()
    latencies = _numbers(*rows.LATENCY_COLUMNS)
    for row in rows.latency_rows(result):
        latencies.add_row(*row)
    console.print(latencies)
    if service := rows.service_facts(result):
        console.print()
        console.print("the service's metrics", style="bold")
        console.print(tables.facts(service))
    if result.story is not None and all(line.agrees for line in result.story):
        console.print("the client's and the service's counts agree", style="green")
    for note in result.notes:
        console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)


def _numbers(*columns: str) -> Table:
    table = tables.table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    return table
