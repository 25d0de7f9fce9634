"""A day on the terminal: live while it is played, a table at the end."""

from __future__ import annotations

from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmarks.simulate.day import Progress
from benchmarks.simulate.verdict import Law, Verdict

LINES: Final = 20
"""How many lines a day writes where the output is no terminal."""
BREACHES_SHOWN: Final = 12


class Display:
    """Shows where the day stands: a table that changes on a terminal, elsewhere a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show where the day stands."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(_table(progress), refresh=True)
            return
        said = f"{progress.phase}|{progress.down}|{progress.arrived * LINES // max(progress.of, 1)}"
        if said != self._said:
            self._said = said
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
    made = Table(box=None, show_header=False)
    for name, value in _facts(progress):
        made.add_row(name, value)
    return made


def ended(console: Console, verdict: Verdict, figures: dict[str, object]) -> None:
    """Print what came of a day."""
    made = Table(box=None, show_header=False)
    laws = {law.value for law in Law}
    for name, value in figures.items():
        style = "" if name not in laws else ("bold red" if value else "green")
        made.add_row(name, str(value), style=style)
    console.print(made)
    for breach in verdict.breaches[:BREACHES_SHOWN]:
        console.print(f"{breach.law}: {breach.what}", style="red", markup=False, soft_wrap=True)
    if len(verdict.breaches) > BREACHES_SHOWN:
        console.print(f"… and {len(verdict.breaches) - BREACHES_SHOWN} more", style="red")
