"""From the messages of the API to what is written down."""

from __future__ import annotations

import time
from datetime import UTC
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Outcome
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.v1 import routing_pb2 as pb

OUTCOMES: Final = {"reservation": Outcome.HELD, "queued": Outcome.QUEUED, "unmatched": Outcome.UNMATCHED}


def plain(name: str) -> str:
    """Return the id at the end of a name."""
    return name.rpartition("/")[2]


def moment(at: Timestamp) -> float:
    """Return a time in seconds."""
    return at.ToDatetime(UTC).timestamp() if at.ByteSize() else 0.0


def lasting(seconds: float) -> Duration:
    """Return a duration."""
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


def held(one: pb.Reservation) -> h.Held:
    """Return a reservation as it was answered."""
    return h.Held(
        reservation=plain(one.name),
        agent=plain(one.agent),
        contact=plain(one.contact),
        pool=plain(one.pool),
        channel=one.channel,
        cost=one.cost,
        state=ReservationState(pb.ReservationState.Name(one.state)),
        fence=one.fence,
        created=moment(one.create_time),
        expires=moment(one.expire_time),
    )


def outcome(answer: pb.RouteMessageResponse) -> tuple[Outcome, h.Held | None, float | None]:
    """Return what a route was answered: the reservation, and the affinity where it was by affinity."""
    what = OUTCOMES[answer.WhichOneof("outcome") or ""]
    if what is not Outcome.HELD:
        return what, None, None
    by_affinity = answer.reservation.basis == pb.AFFINITY
    return what, held(answer.reservation), answer.candidate.affinity if by_affinity else None


def state(value: pb.ContactState.ValueType) -> ContactState:
    """Return a contact's state."""
    return ContactState(pb.ContactState.Name(value).removeprefix("CONTACT_"))


def cause(value: pb.Cause.ValueType) -> Cause | None:
    """Return why; None where nothing is said."""
    name = pb.Cause.Name(value).removeprefix("CAUSE_")
    return Cause(name) if name in Cause.__members__ else None


def step(event: pb.ContactEvent) -> h.Stepped:
    """Return a step as it is heard now."""
    return h.Stepped(
        contact=plain(event.contact),
        sequence=event.sequence,
        state=state(event.state),
        cause=cause(event.cause) or Cause.OFFERED,
        reservation=plain(event.reservation),
        agent=plain(event.agent),
        pool=plain(event.pool),
        at=moment(event.time),
        heard=time.time(),
    )
