"""The life of a contact as a line of time: its steps, who had it, how long each lasted, and the decisions in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.render import span
from matcher.web.console.said import CAUSES, STATES, short

DECIDES: Final = frozenset(
    {pb.CAUSE_OFFERED, pb.CAUSE_ASSIGNED, pb.CAUSE_TRANSFERRED, pb.CAUSE_TRANSFER_OFFERED, pb.CAUSE_ACCEPTED}
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a contact; after: how long after the step before, in words; decision: "", or the record behind it."""

    sequence: int
    time: Timestamp
    sentence: str
    state: str
    after: str
    decision: str
    chosen: bool
    last: bool


def steps_of(
    events: Sequence[pb.ContactEvent], decisions: Mapping[str, str], names: Mapping[str, str], chosen: str
) -> tuple[Step, ...]:
    """Return the line of a contact.

    decisions: the record of each reservation that is known, by resource names. names: what people call the agents, by
    resource names. chosen: the record that the page shows.
    """
    steps = []
    told: set[str] = set()
    for number, event in enumerate(events):
        agent = names.get(event.agent) or short(event.agent) or "the agent"
        decision = decisions.get(event.reservation, "") if event.cause in DECIDES else ""
        decision = "" if decision in told else decision
        told.add(decision)
        before = events[number - 1].time if number else None
        seconds = event.time.ToMilliseconds() / 1000 - before.ToMilliseconds() / 1000 if before is not None else 0.0
        steps.append(
            Step(
                sequence=event.sequence,
                time=event.time,
                sentence=CAUSES.get(event.cause, "a step that this console does not know").format(agent=agent),
                state=STATES.get(event.state, ""),
                after=f"{span(seconds)} later" if before is not None else "",
                decision=decision,
                chosen=bool(decision) and decision == chosen,
                last=number == len(events) - 1,
            )
        )
    return tuple(steps)
