"""The display of a day: a live table while it is played, and the verdict at its end."""

from __future__ import annotations

from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmarks.simulate.day import Progress
from benchmarks.simulate.verdict import Law, Verdict

LINES: Final = 20
"""Lines that a whole day prints where the output is not a terminal."""
BREACHES_SHOWN: Final = 12


class Display:
    """Shows the progress of a day: a live table on a terminal, a line from time to time elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show the progress of the day."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(_table(progress), refresh=True)
            return
        state = f"{progress.phase}|{progress.down}|{progress.arrived * LINES // max(progress.of, 1)}"
        if state != self._last:
            self._last = state
            self._console.print(", ".join(f"{name} {value}" for name, value in _facts(progress)), soft_wrap=True)


def _facts(progress: Progress) -> list[tuple[str, str]]:
    return [
        ("phase", progress.phase),
        ("seconds", f"{progress.seconds:.0f}"),
        ("arrived", f"{progress.arrived:,} of {progress.of:,}"),
        ("waiting", f"{progress.waiting:,}"),
        ("offered", f"{progress.offered:,}"),
        ("talking", f"{progress.talking:,}"),
        ("ended", f"{progress.ended:,}"),
        ("down", progress.down or "nothing"),
    ]


def _table(progress: Progress) -> Table:
    table = Table(box=None, show_header=False)
    for name, value in _facts(progress):
        table.add_row(name, value)
    return table


def print_verdict(console: Console, verdict: Verdict, figures: dict[str, object]) -> None:
    """Print the figures and the breaches of a day."""
    table = Table(box=None, show_header=False)
    laws = {law.value for law in Law}
    for name, value in figures.items():
        style = "" if name not in laws else ("bold red" if value else "green")
        table.add_row(name, str(value), style=style)
    console.print(table)
    for breach in verdict.breaches[:BREACHES_SHOWN]:
        console.print(f"{breach.law}: {breach.what}", style="red", markup=False, soft_wrap=True)
    if len(verdict.breaches) > BREACHES_SHOWN:
        console.print(f"… and {len(verdict.breaches) - BREACHES_SHOWN} more", style="red")
