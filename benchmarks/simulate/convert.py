"""Conversion of the API's messages to the records of a history."""

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
    """Return the id at the end of a resource name."""
    return name.rpartition("/")[2]


def moment(at: Timestamp) -> float:
    """Return a time in seconds since 1970; 0 where it is not set."""
    return at.ToDatetime(UTC).timestamp() if at.ByteSize() else 0.0


def lasting(seconds: float) -> Duration:
    """Return a duration of the API, rounded to milliseconds."""
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


def held(reservation: pb.Reservation) -> h.Held:
    """Return the record of a reservation."""
    return h.Held(
        reservation=plain(reservation.name),
        agent=plain(reservation.agent),
        contact=plain(reservation.contact),
        pool=plain(reservation.pool),
        channel=reservation.channel,
        cost=reservation.cost,
        state=ReservationState(pb.ReservationState.Name(reservation.state)),
        fence=reservation.fence,
        created=moment(reservation.create_time),
        expires=moment(reservation.expire_time),
    )


def outcome(answer: pb.RouteMessageResponse) -> tuple[Outcome, h.Held | None, float | None]:
    """Return the outcome of a route, its reservation, and its affinity if the decision was by affinity."""
    kind = OUTCOMES[answer.WhichOneof("outcome") or ""]
    if kind is not Outcome.HELD:
        return kind, None, None
    by_affinity = answer.reservation.basis == pb.AFFINITY
    return kind, held(answer.reservation), answer.candidate.affinity if by_affinity else None


def state(value: pb.ContactState.ValueType) -> ContactState:
    """Return a contact's state."""
    return ContactState(pb.ContactState.Name(value).removeprefix("CONTACT_"))


def cause(value: pb.Cause.ValueType) -> Cause | None:
    """Return a cause; None where it is not set."""
    name = pb.Cause.Name(value).removeprefix("CAUSE_")
    return Cause(name) if name in Cause.__members__ else None


def step(event: pb.ContactEvent) -> h.Stepped:
    """Return the record of a step that arrives now."""
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
