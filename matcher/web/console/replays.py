"""A decision made again from its record: as it was, and as it would be with another floor or tolerance of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from matcher.client.replay import NOT_REDONE, NotReplayable, replayed
from matcher.model import SeenAgent
from matcher.model.choice import choose
from matcher.v1 import routing_pb2 as pb
from matcher.web.console.said import short

PARTS: Final = 1_000_000
"""Of a capacity: the record has the utilization of a candidate whom the store did not look at as a share."""
RECORDED: Final = 8
"""Candidates that a record holds at most."""
BY_POLICY: Final = frozenset({pb.AFFINITY, pb.FALLBACK})


class Verdict(Enum):
    """What becomes of a decision that is made again."""

    SAME = "the same agent"
    OTHER = "another agent"
    FALLS_BACK = "falls back"
    MEETS = "no longer falls back"
    UNTOLD = "not told by the record"


@dataclass(frozen=True, slots=True)
class Again:
    """A decision made again; agent: the resource name of who would be chosen, "": the record does not say."""

    verdict: Verdict
    agent: str
    sentence: str


def as_it_was(record: pb.Decision) -> Again:
    """Make the choice again by the rule and the values of then, as `matcher decisions replay` does."""
    try:
        again = replayed(record)
    except NotReplayable as why:
        return Again(Verdict.UNTOLD, "", f"It cannot be made again: {why}.")
    if again.agent == record.agent:
        parts = "; ".join(again.not_redone)
        return Again(Verdict.SAME, again.agent, f"Made again, the same agent is chosen. Not done again: {parts}.")
    chosen = name_in(record, again.agent) if again.agent else "nobody"
    return Again(Verdict.OTHER, again.agent, f"Made again, {chosen} is chosen: please report this decision.")


def under(record: pb.Decision, *, floor: float | None = None, tolerance: float | None = None) -> Again:
    """Make the choice again with another floor or tolerance; None: that of then.

    It chooses among the at most eight candidates of the record, by what the store, or else the process, knew then.
    """
    if record.basis not in BY_POLICY or record.degraded or not record.candidates:
        return Again(Verdict.SAME, record.agent, "Neither floor nor tolerance decided: another rule chose the agent.")
    floor = record.affinity_floor if floor is None else floor
    tolerance = record.affinity_tolerance if tolerance is None else tolerance
    best = max(candidate.affinity for candidate in record.candidates)
    if record.basis == pb.FALLBACK:
        return _from_fallback(record, floor, tolerance, best)
    if best < floor:
        sentence = "The message falls back to the least utilized agent, whom the record does not name."
        return Again(Verdict.FALLS_BACK, "", sentence)
    chosen = _chosen(record, tolerance)
    if chosen == record.agent:
        return Again(Verdict.SAME, chosen, f"{name_in(record, chosen)} is chosen again.")
    if not chosen:
        return Again(Verdict.UNTOLD, "", "Of the agents of the record nobody had free capacity.")
    return Again(Verdict.OTHER, chosen, f"{name_in(record, chosen)} is chosen instead.")


def name_in(record: pb.Decision, agent: str) -> str:
    """Return the name that people see of an agent of a record, else the id."""
    named = (candidate.display_name for candidate in record.candidates if candidate.agent == agent)
    return next(named, "") or short(agent)


def not_redone() -> Sequence[str]:
    """Return what no decision that is made again does again."""
    return (
        *NOT_REDONE,
        f"agents beyond the {RECORDED} candidates of a record: a wider tolerance or a lower floor may reach more",
    )


def _from_fallback(record: pb.Decision, floor: float, tolerance: float, best: float) -> Again:
    if best >= floor:
        chosen = _chosen(record, tolerance)
        sentence = f"The message meets interests of at least {name_in(record, chosen)}." if chosen else ""
        return Again(Verdict.MEETS, chosen, sentence)
    if floor < record.affinity_floor and record.eligible_agents > len(record.candidates):
        sentence = (
            "An agent beyond the record may reach the lower floor: of a fallback it names the least utilized only."
        )
        return Again(Verdict.UNTOLD, "", sentence)
    return Again(Verdict.SAME, record.agent, "The message falls back as it did.")


def _chosen(record: pb.Decision, tolerance: float) -> str:
    """Return whom the store's rule chooses of the record's candidates; "": nobody was free."""
    looked_at = {seen.agent: seen for seen in record.seen_agents}
    seen = [
        _as_seen(looked_at[candidate.agent]) if candidate.agent in looked_at else _as_known(candidate)
        for candidate in record.candidates
    ]
    affinities = {candidate.agent: candidate.affinity for candidate in record.candidates}
    return choose(seen, affinities, tolerance) or ""


def _as_seen(seen: pb.SeenAgent) -> SeenAgent:
    refused = "GONE" if seen.gone else pb.Constraint.Name(seen.refused) if seen.refused else ""
    return SeenAgent(seen.agent, seen.load, seen.total, seen.idle_since.ToMilliseconds(), refused)


def _as_known(candidate: pb.Candidate) -> SeenAgent:
    load = round(candidate.utilization * PARTS)
    return SeenAgent(candidate.agent, load, PARTS, candidate.idle_since.ToMilliseconds())
