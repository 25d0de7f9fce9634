"""Progress of long steps: a bar on a terminal, a line after every quarter elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def steps(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show the progress of `total` steps; yield the function to call once after each step."""
    if not console.is_terminal:
        yield _quarters(console, label, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


def _quarters(console: Console, label: str, total: int) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done == total or 4 * done // max(total, 1) > 4 * (done - 1) // max(total, 1):
            console.print(f"{label}: {done} of {total}", style="dim")

    return step
