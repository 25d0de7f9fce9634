"""Progress of long steps, with the time left by the speed so far: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.segment import ControlType
from rich.text import Text

from matcher.model.durations import in_words

TOLD_SECONDS: Final = 2.0
"""Less time left than this is not worth a word."""
LINE_SECONDS: Final = 10.0
"""Without a terminal, the longest silence of a step that goes on."""
_BARS: Final[list[Console]] = []
"""The consoles that show a bar."""


@contextmanager
def steps(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show the progress of `total` steps; yield the function to call once after each step."""
    if not console.is_terminal:
        yield _lines(console, label, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), _TimeLeft())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total)
        _BARS.append(console)
        try:
            yield lambda: progress.advance(task)
        finally:
            _BARS.remove(console)


def clear_bar() -> None:
    """Clear the line of a bar that is shown, for a line of standard output; the bar is drawn again below that line."""
    for console in _BARS:
        console.control(Control((ControlType.CARRIAGE_RETURN,), (ControlType.ERASE_IN_LINE, 2)))


class _TimeLeft(ProgressColumn):
    """The time left in words, nothing before the first step."""

    def render(self, task: Task) -> Text:
        """Return the words."""
        left = task.time_remaining
        return Text(f"about {in_words(left)} left" if left and left >= TOLD_SECONDS else "", style="dim")


def _lines(console: Console, label: str, total: int, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """Return a step that prints a line after every quarter, and after ten seconds without one."""
    done, began = 0, clock()
    printed = began

    def step() -> None:
        nonlocal done, printed
        done += 1
        now = clock()
        quarter = 4 * done // max(total, 1) > 4 * (done - 1) // max(total, 1)
        if done == total or quarter or now - printed >= LINE_SECONDS:
            left = (now - began) * (total - done) / done
            ahead = f", about {in_words(left)} left" if left >= TOLD_SECONDS else ""
            console.print(f"{label}: {done} of {total}{ahead}", style="dim")
            printed = now

    return step
