"""Lists and facts as lines of a terminal: columns are chosen by its width, texts are shortened, ids are never cut.

An id that is broken over two lines cannot be copied: a line that has one may be longer than the terminal is wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from matcher.cli.terminal_text import visible

NARROW: Final = 80
MIDDLE: Final = 120
WIDE: Final = 160
GAP: Final = 2
LONGEST_PADDED: Final = 48
"""Characters of an id to which the other ids of its column are padded: a longer one shifts its own row alone."""
LEAST_TEXT: Final = 12
"""Characters that a column of texts keeps on a narrow terminal."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; least: the width of the terminal from which it is shown; text: its cells may be shortened."""

    title: str
    least: int = NARROW
    text: bool = False


class Listing:
    """Rows under columns: texts are shortened first, then columns of wider terminals are left out, the last one first.

    The columns of a narrow terminal are always shown, and only texts are ever shortened.
    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._rows: list[tuple[tuple[str, ...], str]] = []

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def fits(self, width: int) -> bool:
        """Return whether a terminal of this width shows every column with every text as it is."""
        return _total(self._natural()) <= width and all(column.least <= width for column in self._columns)

    def add(self, *cells: object, style: str = "") -> None:
        """Add a row of plain texts, one for each column."""
        self._rows.append((tuple(visible(str(cell)) for cell in cells), style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield a line for the titles and one for each row."""
        del console
        widths = self._widths(options.max_width)
        yield _line([column.title for column in self._columns], widths, "bold")
        for cells, style in self._rows:
            yield _line(cells, {place: self._width(place, cells, width) for place, width in widths.items()}, style)

    def _width(self, place: int, cells: Sequence[str], width: int) -> int:
        """Return the width of a column in one row: an id is never cut."""
        return width if self._columns[place].text else max(width, cell_len(cells[place]))

    def _widths(self, terminal: int) -> dict[int, int]:
        """Return the width of each column that is shown, by its place."""
        natural = self._natural()
        shown = [place for place, column in enumerate(self._columns) if column.least <= max(terminal, NARROW)]
        least = {
            place: min(natural[place], LEAST_TEXT) if self._columns[place].text else natural[place] for place in shown
        }
        while _total(least.values()) > terminal:
            last = max(shown, key=lambda place: (self._columns[place].least, place))
            if self._columns[last].least == NARROW:
                break
            shown.remove(last)
            del least[last]
        widths = {place: natural[place] for place in shown}
        while (over := _total(widths.values()) - terminal) > 0:
            widest = max(shown, key=lambda place: widths[place] - least[place])
            if widths[widest] == least[widest]:
                break
            others = sorted((widths[place] for place in shown if widths[place] > least[place]), reverse=True)
            step = max(1, min(over, widths[widest] - (others[1] if len(others) > 1 else 0)))
            widths[widest] = max(least[widest], widths[widest] - step)
        return widths

    def _natural(self) -> list[int]:
        """Return the width of the longest cell of each column; an id that is far longer than others is left out."""
        return [self._longest(place, column) for place, column in enumerate(self._columns)]

    def _longest(self, place: int, column: Column) -> int:
        lengths = [cell_len(cells[place]) for cells, _ in self._rows]
        if not column.text and lengths and min(lengths) <= LONGEST_PADDED:
            lengths = [length for length in lengths if length <= LONGEST_PADDED]
        return max(cell_len(column.title), *lengths, 0)


class Facts:
    """Names and values, one a line, without the values that are empty; sentences are wrapped, ids are not."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self._pairs = [(name, visible(str(value))) for name, value in pairs if value not in ("", None)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        del console
        indent = max((cell_len(name) for name, _ in self._pairs), default=0) + GAP
        for name, value in self._pairs:
            for number, line in enumerate(wrapped(value, max(LEAST_TEXT, options.max_width - indent))):
                head = (name if number == 0 else "").ljust(indent)
                yield Text.assemble((head, "bold"), line)


def _total(widths: Iterable[int]) -> int:
    listed = list(widths)
    return sum(listed) + GAP * max(0, len(listed) - 1)


def _line(cells: Sequence[str], widths: dict[int, int], style: str) -> Text:
    line = Text(style=style)
    last = max(widths)
    for place, width in widths.items():
        cell = Text(cells[place])
        cell.truncate(width, overflow="ellipsis")
        line.append_text(cell)
        if place != last:
            line.append(" " * (width - cell.cell_len + GAP))
    line.rstrip()
    return line


def wrapped(value: str, width: int) -> Iterator[str]:
    """Yield the lines of a value; a word that is longer than a line stays whole."""
    line = ""
    for word in value.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
