"""A message that is tried: who would get it, who was left out, and what another policy would change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.marks import Met, Piece, interests_met, pieces
from matcher.web.console.said import BASES, LEFT_OUT, NO_BASIS, UNALIGNED, left_out, short

SHOWN_NAMES: Final = 12
LONGEST_QUOTE: Final = 140


@dataclass(frozen=True, slots=True)
class Hit:
    """A reason of a candidate: the words, or whose interest of the customer it was, and the agent's interest."""

    words: str
    by_profile: bool
    interest: str
    tint: int | None
    similarity: float
    lexical: float
    weak: bool
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent who was considered; equal: within the tolerance of the best affinity."""

    agent: str
    name: str
    affinity: float
    confidence: float
    utilization: float
    equal: bool
    below_floor: bool
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """The agents whom one constraint left out, some of them by name."""

    why: str
    advice: str
    number: int
    names: tuple[str, ...]

    @property
    def more(self) -> int:
        """How many have no name here."""
        return self.number - len(self.names)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Who would get a message under one policy."""

    basis: str
    by_affinity: bool
    floor: float
    tolerance: float
    profile_weight: float
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What the page says of a message."""

    ranked: Ranked
    pieces: tuple[Piece, ...]
    units: tuple[str, ...]
    merged: bool
    language: str
    unaligned: str
    met: tuple[Met, ...]
    excluded: tuple[Excluded, ...]

    @property
    def tinted(self) -> tuple[Met, ...]:
        """The interests that have a colour in the text, in its order."""
        return tuple(dict.fromkeys(piece.met for piece in self.pieces if piece.met is not None))


def trial_of(text: str, answer: pb.SuggestAgentsResponse) -> Trial:
    """Return what the page says of a message, by the answer to it."""
    met = interests_met(answer.candidates)
    unaligned = any(part.kind == pb.SET_ASIDE_UNALIGNED for part in answer.set_aside)
    return Trial(
        ranked=ranked_of(text, answer, met),
        pieces=pieces(text, answer.compared, answer.set_aside, answer.candidates, met),
        units=tuple(_quote(text[unit.start : unit.end]) for unit in answer.compared),
        merged=answer.units_merged,
        language=answer.language,
        unaligned=UNALIGNED if unaligned else "",
        met=met,
        excluded=excluded_of(answer.left_out, answer.left_out_agents),
    )


def ranked_of(text: str, answer: pb.SuggestAgentsResponse, met: Sequence[Met]) -> Ranked:
    """Return who would get a message. met: the interests that have a colour on the page."""
    tints = {one.interest: one.tint for one in met}
    best = max((candidate.affinity for candidate in answer.candidates), default=0.0)
    by_affinity = answer.basis == pb.AFFINITY
    equal_from = best - answer.affinity_tolerance
    return Ranked(
        basis=BASES.get(answer.basis, NO_BASIS) if answer.candidates else "Nobody could take this message now.",
        by_affinity=by_affinity,
        floor=answer.affinity_floor,
        tolerance=answer.affinity_tolerance,
        profile_weight=answer.profile_weight,
        seen=tuple(
            Seen(
                agent=short(candidate.agent),
                name=candidate.display_name or short(candidate.agent),
                affinity=candidate.affinity,
                confidence=candidate.confidence,
                utilization=candidate.utilization,
                equal=by_affinity and candidate.affinity >= equal_from,
                below_floor=candidate.affinity < answer.affinity_floor,
                hits=tuple(_hit(text, reason, tints) for reason in candidate.reasons),
            )
            for candidate in answer.candidates
        ),
    )


def excluded_of(counts: Iterable[pb.LeftOutCount], named: Iterable[pb.LeftOutAgent]) -> tuple[Excluded, ...]:
    """Return who was left out by which constraint, in the order in which the constraints are applied."""
    names: dict[int, list[str]] = {}
    for one in named:
        names.setdefault(one.constraint, []).append(short(one.agent))
    return tuple(
        Excluded(
            why=left_out(count.constraint),
            advice=LEFT_OUT.get(count.constraint, ("", ""))[1],
            number=count.agents,
            names=tuple(names.get(count.constraint, ())[:SHOWN_NAMES]),
        )
        for count in counts
    )


def change_of(own: Ranked, tried: Ranked) -> str:
    """Return in a sentence what a policy that is tried would change."""
    if not own.seen or not tried.seen:
        return "Nobody could take the message now, whatever the policy: the constraints come before it."
    first, second = own.seen[0], tried.seen[0]
    if own.by_affinity and not tried.by_affinity:
        best = max(seen.affinity for seen in own.seen)
        return (
            f"The message would fall back to the least utilized agent, {second.name}: its best affinity, {best:.2f}, "
            f"lies below the floor that is tried, {tried.floor:.2f}."
        )
    if tried.by_affinity and not own.by_affinity:
        return f"The message would go to {second.name} by affinity; now it falls back to {first.name}."
    if first.agent != second.agent:
        equals = sum(seen.equal for seen in tried.seen)
        why = f": {equals} agents count as equal, and of them the least utilized comes first" if equals > 1 else ""
        return f"{second.name} would come first instead of {first.name}{why}."
    same = [seen.agent for seen in own.seen] == [seen.agent for seen in tried.seen]
    return f"{'Nothing changes for this message' if same else 'The order behind changes'}: {first.name} stays first."


def _hit(text: str, reason: pb.MatchReason, tints: dict[str, int]) -> Hit:
    by_profile = reason.source == pb.REASON_SOURCE_PROFILE
    return Hit(
        words="" if by_profile else _quote(text[reason.start : reason.end]),
        by_profile=by_profile,
        interest=reason.interest,
        tint=None if by_profile else tints.get(reason.interest),
        similarity=reason.similarity,
        lexical=reason.lexical,
        weak=reason.weak,
        start=reason.start,
        end=reason.end,
    )


def _quote(words: str) -> str:
    joined = " ".join(words.split())
    return joined if len(joined) <= LONGEST_QUOTE else joined[: LONGEST_QUOTE - 1] + "…"
