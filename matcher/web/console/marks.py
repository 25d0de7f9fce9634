"""A message in pieces: what was compared and met an interest, what met none, and what was set aside and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.said import ASIDE

TINTS: Final = 8
"""Colours of interests; further interests begin again with the first."""
LONGEST_ASIDE: Final = 240
"""Characters of a part that was set aside which the page shows; of the rest it gives the number."""
LONGEST_PIECE: Final = 8_000


@dataclass(frozen=True, slots=True)
class Met:
    """An interest that a message met: its number on the page, its text, and the agents who have it."""

    number: int
    interest: str
    agents: tuple[str, ...]

    @property
    def tint(self) -> int:
        """The number of its colour."""
        return self.number % TINTS


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text that looks the same throughout; aside: why it was not compared, else ""."""

    text: str
    aside: str = ""
    met: Met | None = None
    compared: bool = False
    hidden: int = 0
    """Characters that are not shown after the text."""


def interests_met(candidates: Sequence[pb.Candidate]) -> tuple[Met, ...]:
    """Return the interests that words of the message met, those of the best agent first."""
    agents: dict[str, list[str]] = {}
    for candidate in candidates:
        for reason in candidate.reasons:
            if reason.source == pb.REASON_SOURCE_MESSAGE:
                named = agents.setdefault(reason.interest, [])
                if candidate.display_name not in named:
                    named.append(candidate.display_name)
    return tuple(Met(number, interest, tuple(named)) for number, (interest, named) in enumerate(agents.items()))


def pieces(
    text: str,
    compared: Iterable[pb.ComparedUnit],
    set_aside: Iterable[pb.SetAside],
    candidates: Sequence[pb.Candidate],
    met: Sequence[Met],
) -> tuple[Piece, ...]:
    """Cut a text where what is to be said of it changes. Places are code points, as Python's own of a str."""
    size = len(text)
    units = [(unit.start, unit.end) for unit in compared]
    asides = [(part.start, part.end, ASIDE[part.kind]) for part in set_aside if part.kind in ASIDE]
    tinted = _tinted(candidates, met)
    places = [*units, *((start, end) for start, end, _ in asides), *((start, end) for start, end, _ in tinted)]
    edges = {0, size, *(min(max(place, 0), size) for both in places for place in both)}
    made: list[Piece] = []
    for start, end in pairwise(sorted(edges)):
        aside = next((why for first, last, why in asides if first <= start and end <= last), "")
        unit = not aside and any(first <= start and end <= last for first, last in units)
        hit = next((one for first, last, one in tinted if first <= start and end <= last), None) if unit else None
        _add(made, Piece(text[start:end], aside, hit, unit))
    return tuple(_shown(piece) for piece in made)


def _tinted(candidates: Sequence[pb.Candidate], met: Sequence[Met]) -> list[tuple[int, int, Met]]:
    """Return the places of words that met an interest: those of the better agent, and the stronger ones, first."""
    by_interest: Mapping[str, Met] = {one.interest: one for one in met}
    return [
        (reason.start, reason.end, by_interest[reason.interest])
        for candidate in candidates
        for reason in candidate.reasons
        if reason.source == pb.REASON_SOURCE_MESSAGE and reason.interest in by_interest
    ]


def _add(made: list[Piece], piece: Piece) -> None:
    if made and (made[-1].aside, made[-1].met, made[-1].compared) == (piece.aside, piece.met, piece.compared):
        made[-1] = Piece(made[-1].text + piece.text, piece.aside, piece.met, piece.compared)
    else:
        made.append(piece)


def _shown(piece: Piece) -> Piece:
    most = LONGEST_ASIDE if piece.aside else LONGEST_PIECE
    if len(piece.text) <= most:
        return piece
    return Piece(piece.text[:most], piece.aside, piece.met, piece.compared, len(piece.text) - most)
