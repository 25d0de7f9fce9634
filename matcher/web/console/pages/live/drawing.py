"""Drawing: the board as pieces of HTML, and the pieces that differ from what a browser has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, cast

from markupsafe import Markup

from matcher.web.console.pages.live.board import Board, Line, PoolBoard
from matcher.web.console.render import span

if TYPE_CHECKING:
    from jinja2 import Environment

_CLOCK: Final = re.compile(r'<time data-since="(\d+)">')
MOST_TILES_KEPT: Final = 50_000


class Shapes(Protocol):
    """The macros of live_parts.html."""

    def top(self, board: Board) -> Markup:
        """Draw the figures above the pools."""

    def news(self, board: Board) -> Markup:
        """Draw what happened last."""

    def refusals(self, board: Board) -> Markup:
        """Draw the offers that were not taken."""

    def head(self, number: int, pool: PoolBoard) -> Markup:
        """Draw a pool's heading."""

    def queue(self, number: int, pool: PoolBoard) -> Markup:
        """Draw who waits."""

    def tile(self, name: str, line: Line) -> Markup:
        """Draw an agent."""

    def foot(self, number: int, pool: PoolBoard) -> Markup:
        """Draw what is not shown of a pool."""

    def people(self, pool: DrawnPool) -> Markup:
        """Put the agents of a pool into their list."""

    def pools(self, drawn: Drawn) -> Markup:
        """Put the pools into their place."""


@dataclass(frozen=True, slots=True)
class DrawnPool:
    """A pool, drawn: its number on the page, head, queue, and tiles by their id, in order."""

    number: int
    head: Markup
    queue: Markup
    tiles: Mapping[str, Markup]
    foot: Markup


@dataclass(frozen=True, slots=True)
class Drawn:
    """The page, drawn: pieces outside of the pools by their id, and the pools."""

    pieces: Mapping[str, Markup]
    pools: tuple[DrawnPool, ...]


@dataclass(slots=True)
class Pencil:
    """Draws the boards of one follower, with numbers that stay, and tiles that are drawn once."""

    templates: Environment
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _tiles: dict[tuple[str, Line], Markup] = field(default_factory=dict)

    def draw(self, board: Board) -> Drawn:
        """Draw a board."""
        shapes = self._shapes()
        pieces = {
            "live-top": shapes.top(board),
            "live-news": shapes.news(board),
            "live-refusals": shapes.refusals(board),
        }
        return Drawn(pieces, tuple(self._pool(shapes, pool) for pool in board.pools))

    def whole_people(self, pool: DrawnPool) -> Markup:
        """Return the list of a pool's agents."""
        return self._shapes().people(pool)

    def whole_pools(self, drawn: Drawn) -> Markup:
        """Return all pools."""
        return self._shapes().pools(drawn)

    def changes(self, before: Drawn | None, now: Drawn) -> Iterator[str]:
        """Yield the pieces that a browser lacks, each to be put in the place of the element of its id."""
        known = before.pieces if before is not None else {}
        for name, piece in now.pieces.items():
            if known.get(name) != piece:
                yield _in_place(piece)
        if before is None or [pool.number for pool in before.pools] != [pool.number for pool in now.pools]:
            yield _in_place(self.whole_pools(now))
            return
        for old, new in zip(before.pools, now.pools, strict=True):
            for was, piece in ((old.head, new.head), (old.queue, new.queue), (old.foot, new.foot)):
                if was != piece:
                    yield _in_place(piece)
            if list(old.tiles) != list(new.tiles):
                yield _in_place(self.whole_people(new))
                continue
            for name, tile in new.tiles.items():
                if old.tiles[name] is not tile:
                    yield _in_place(tile)

    def _shapes(self) -> Shapes:
        return cast("Shapes", self.templates.get_template("live_parts.html").module)

    def _pool(self, shapes: Shapes, pool: PoolBoard) -> DrawnPool:
        number = self._number("", pool.pool)
        tiles = {}
        for line in pool.lines:
            name = f"t{number}-{self._number('agent', line.agent)}"
            tile = self._tiles.get((name, line))
            if tile is None:
                if len(self._tiles) > MOST_TILES_KEPT:
                    self._tiles.clear()
                tile = self._tiles[name, line] = shapes.tile(name, line)
            tiles[name] = tile
        return DrawnPool(
            number=number,
            head=shapes.head(number, pool),
            queue=shapes.queue(number, pool),
            tiles=tiles,
            foot=shapes.foot(number, pool),
        )

    def _number(self, kind: str, key: str) -> int:
        """Return a number that stands for an id: an id may have signs that a selector of CSS reads otherwise."""
        return self._numbers.setdefault((kind, key), len(self._numbers))


def told(pieces: str, now: float) -> Markup:
    """Return drawn pieces with the time that has passed in their clocks: drawn without it they stay the same."""
    return Markup(_CLOCK.sub(lambda found: f"{found[0]}{span(now - int(found[1]))}", pieces))  # noqa: S704 digits


def _in_place(piece: str) -> str:
    """Return a piece as htmx takes it: the element of this id is replaced."""
    tag, space, rest = piece.lstrip().partition(" ")
    return f'{tag} hx-swap-oob="true"{space}{rest}'
