"""Tables of candidates, with the words that met their interests, as `matcher.cli.tables` shows other answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.tables import facts_of_decision, short
from matcher.cli.terminal_text import shortened
from matcher.v1 import routing_pb2

REASONS_SHOWN: Final = 3
WEAK: Final = " (weak)"
WITHHELD: Final = "(the customer's consent does not share it)"


def words_met(
    reasons: Sequence[routing_pb2.MatchReason], text: str, customer_interests: Sequence[str] = (), width: int = 60
) -> str:
    """Return the words that met interests, those of the customer's profile marked; without them, their places.

    Weak matches are left out.
    """
    told = [reason for reason in reasons if not reason.weak]
    return " · ".join(_words(reason, text, customer_interests, width) for reason in told[:REASONS_SHOWN])


def candidates(
    ranked: Iterable[routing_pb2.Candidate], text: str = "", customer_interests: Sequence[str] = ()
) -> Listing:
    """Return a list of candidates, with a row for each pair of words and the interest they met."""
    grid = Listing(
        Column("#"),
        Column("agent"),
        Column("name", MIDDLE, text=True),
        Column("affinity"),
        Column("confidence", WIDE),
        Column("load", MIDDLE),
        Column("words" if text or customer_interests else "position", text=True),
        Column("interest", text=True),
    )
    for rank, candidate in enumerate(ranked, start=1):
        cells: tuple[object, ...] = (
            rank,
            short(candidate.agent),
            shortened(candidate.display_name, 24),
            f"{candidate.affinity:.3f}",
            f"{candidate.confidence:.2f}",
            f"{candidate.utilization:.0%}",
        )
        for reason in candidate.reasons[:REASONS_SHOWN]:
            interest = shortened(reason.interest or WITHHELD, 64) + (WEAK if reason.weak else "")
            grid.add(*cells, _words(reason, text, customer_interests, 48), interest)
            cells = ("",) * 6
        if not candidate.reasons:
            grid.add(*cells, "", "")
    return grid


def decision(record: routing_pb2.Decision) -> RenderableType:
    """Return a decision's facts and candidates."""
    return Group(facts_of_decision(record), Text(), candidates(record.candidates))


def _words(reason: routing_pb2.MatchReason, text: str, customer_interests: Sequence[str], width: int) -> str:
    if reason.source == routing_pb2.REASON_SOURCE_PROFILE:
        place = int(reason.customer_interest) if reason.customer_interest.isdecimal() else len(customer_interests)
        said = customer_interests[place] if place < len(customer_interests) else reason.customer_interest
        return shortened(f"profile: {said}" if said else "profile", width)
    return shortened(text[reason.start : reason.end], width) if text else f"{reason.start} to {reason.end}"
