"""Why an agent was chosen, in sentences: the record, the runner-up, and what would have made the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.replays import BY_POLICY, Again, Verdict, as_it_was, name_in, under
from matcher.web.console.said import BASES, NO_BASIS, left_out
from matcher.web.console.trial import Ranked, ranked_of

HAIR: Final = 1e-9
"""So much a tolerance that reaches an affinity is above the distance: the affinities are rounded doubles."""

PARTS: Final = {
    pb.PART_TOOK_PART: "The decision takes part in the pool's comparison.",
    pb.PART_PREFERRED: "It stands outside the pool's comparison: the request preferred the agent.",
    pb.PART_RELATIONSHIP: "It stands outside the pool's comparison: the agent served the customer well before.",
    pb.PART_TRANSFER: "It stands outside the pool's comparison: a transfer named the agent.",
    pb.PART_ASSIGNED: "It stands outside the pool's comparison: a person assigned the contact.",
    pb.PART_DEGRADED: "It stands outside the pool's comparison: the message was not compared with interests.",
}


@dataclass(frozen=True, slots=True)
class Why:
    """What the page says of a decision."""

    decision: str
    agent: str
    name: str
    basis: str
    ranked: Ranked
    units: int
    language: str
    facts: tuple[str, ...]
    differences: tuple[str, ...]
    again: Again
    record: pb.Decision


def why_of(record: pb.Decision) -> Why:
    """Return what the page says of a decision. The message is not kept: the reasons have places instead of words."""
    answer = pb.SuggestAgentsResponse(
        candidates=record.candidates,
        basis=record.basis,
        affinity_floor=record.affinity_floor,
        affinity_tolerance=record.affinity_tolerance,
    )
    return Why(
        decision=record.name,
        agent=record.agent,
        name=name_in(record, record.agent),
        basis=BASES.get(record.basis, NO_BASIS),
        ranked=ranked_of("", answer, ()),
        units=record.units,
        language=record.language,
        facts=tuple(_facts(record)),
        differences=tuple(_differences(record)),
        again=as_it_was(record),
        record=record,
    )


def _facts(record: pb.Decision) -> Iterator[str]:
    if record.degraded:
        yield "The message was not compared with interests: the encoder was full or broken."
    if record.actor or record.reason:
        said = f": “{record.reason}”" if record.reason else ""
        yield f"{record.actor or 'A person'} assigned the contact by hand{said}."
    if record.over_capacity:
        yield "The assignment went above the agent's capacity of that moment."
    for constraint in record.ignored_constraints:
        yield f"The assignment ignored a constraint: the agent was {left_out(constraint)}."
    for relaxed in record.relaxed:
        what = f"the skill {relaxed.skill}" if relaxed.skill else f"the language {relaxed.language}"
        yield f"By then {what} was no longer required."
    for agent in record.unknown_preferred_agents:
        yield f"A preferred agent did not exist: {name_in(record, agent)}."
    if record.part in PARTS:
        yield PARTS[record.part]
    if record.would_be_agent and record.would_be_agent != record.agent:
        rule = "The service itself" if record.part == pb.PART_ASSIGNED else "The other arm's rule"
        name = name_in(record, record.would_be_agent)
        yield f"{rule} would have chosen {name}, with an affinity of {record.would_be_affinity:.2f}."


def _differences(record: pb.Decision) -> Iterator[str]:
    """Yield what would have made the difference, the nearest first."""
    yield from _runner_up(record)
    yield from _busy(record)
    if record.basis not in BY_POLICY or record.degraded or not record.candidates:
        return
    yield from _floor(record)
    if record.basis == pb.AFFINITY:
        yield from _tolerance(record)


def _runner_up(record: pb.Decision) -> Iterator[str]:
    chosen = next((one for one in record.candidates if one.agent == record.agent), None)
    others = [one for one in record.candidates if one.agent != record.agent]
    if chosen is None or not others:
        yield "There is no runner-up: no other agent is in the record."
        return
    by_affinity = record.basis == pb.AFFINITY
    second = max(others, key=lambda one: one.affinity) if by_affinity else others[0]
    distance = chosen.affinity - second.affinity
    name, runner_up = name_in(record, chosen.agent), name_in(record, second.agent)
    if not by_affinity:
        yield f"The runner-up is {runner_up}, the next in the order of the rule above."
        return
    how = "less" if distance >= 0 else "more"
    yield (
        f"The runner-up is {runner_up}, whose affinity is {second.affinity:.2f}: "
        f"{abs(distance):.2f} {how} than that of {name}."
    )
    if abs(distance) <= record.affinity_tolerance + HAIR:
        yield (
            f"Within the tolerance of {record.affinity_tolerance:.3f} both counted as equal, so the least utilized, of "
            f"equals the longest idle, was chosen: {name} was {chosen.utilization:.0%} busy, {runner_up} "
            f"{second.utilization:.0%}."
        )


def _busy(record: pb.Decision) -> Iterator[str]:
    affinities = {one.agent: one.affinity for one in record.candidates}
    for seen in record.seen_agents:
        if seen.gone or seen.refused:
            why = "removed" if seen.gone else left_out(seen.refused)
            name, affinity = name_in(record, seen.agent), affinities.get(seen.agent, 0.0)
            yield f"{name}, with an affinity of {affinity:.2f}, was looked at and was {why} by then."
    if record.left_out:
        counts = ", ".join(f"{one.agents} {left_out(one.constraint)}" for one in record.left_out)
        yield f"Agents who were left out before affinities counted: {counts}. The record counts them and names nobody."


def _floor(record: pb.Decision) -> Iterator[str]:
    best = max(record.candidates, key=lambda one: one.affinity)
    if record.basis == pb.AFFINITY:
        yield (
            f"The best affinity, {best.affinity:.2f}, is {best.affinity - record.affinity_floor:.2f} above the floor: "
            f"with a floor above {best.affinity:.2f} the message would have fallen back."
        )
        return
    if best.affinity <= 0.0:
        yield "The message met no interest of the agents of the record at all: no floor would have changed that."
        return
    name = name_in(record, best.agent)
    yield (
        f"No affinity reached the floor of {record.affinity_floor:.2f}. Of the agents of the record {name} comes "
        f"nearest, with {best.affinity:.2f}: with a floor of that or less the message would have met an interest."
    )


def _tolerance(record: pb.Decision) -> Iterator[str]:
    best = max(one.affinity for one in record.candidates)
    own = next((best - one.affinity for one in record.candidates if one.agent == record.agent), 0.0)
    if own > HAIR:
        narrow = under(record, tolerance=own - HAIR)
        if narrow.verdict is Verdict.OTHER:
            name = name_in(record, narrow.agent)
            yield f"With a tolerance below {own:.3f} {name} would have been chosen, whose affinity is greater."
    for gap in sorted({best - one.affinity for one in record.candidates}):
        if gap > record.affinity_tolerance and gap <= 1.0:
            wide = under(record, tolerance=gap + HAIR)
            if wide.verdict is Verdict.OTHER:
                name = name_in(record, wide.agent)
                yield f"With a tolerance of {gap:.3f} or more {name}, less busy or idle longer, would have been chosen."
                return
