"""Recorded decisions of a pool made again under a value that is not saved yet, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.replays import Verdict, name_in, not_redone, under
from matcher.web.console.said import short

SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Changed:
    """A decision that would have gone otherwise."""

    decision: str
    contact: str
    was: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a value would have done to recorded decisions."""

    decisions: int
    sentence: str
    counts: tuple[tuple[str, int], ...]
    changed: tuple[Changed, ...]
    more: int
    not_redone: tuple[str, ...]


def replayed(records: Sequence[pb.Decision], floor: float | None, tolerance: float | None) -> Replayed:
    """Make decisions again with another floor or tolerance; None: that of then."""
    verdicts: Counter[Verdict] = Counter()
    changed = []
    for record in records:
        again = under(record, floor=floor, tolerance=tolerance)
        verdicts[again.verdict] += 1
        if again.verdict not in (Verdict.SAME, Verdict.UNTOLD):
            contact = short(record.contact).replace("%2F", "/")
            changed.append(Changed(short(record.name), contact, name_in(record, record.agent), again.sentence))
    total = len(records)
    return Replayed(
        decisions=total,
        sentence=_sentence(total, len(changed)),
        counts=tuple((verdict.value, verdicts[verdict]) for verdict in Verdict if verdicts[verdict]),
        changed=tuple(changed[:SHOWN]),
        more=max(0, len(changed) - SHOWN),
        not_redone=tuple(not_redone()),
    )


def _sentence(total: int, changed: int) -> str:
    if not total:
        return "The service holds no decision of this pool any more, so there is nothing to make again."
    if not changed:
        return f"None of the newest {total:,} decisions would have gone otherwise."
    return f"{changed:,} of the newest {total:,} decisions would have gone otherwise."
