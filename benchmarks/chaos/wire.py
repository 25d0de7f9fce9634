"""The wire of the clients: each attempt of a call goes through a replica's proxy and leaves a record."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import grpc
import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from benchmarks.chaos import history as h
from matcher.v1 import (
    customers_pb2,
    customers_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    keys_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
    routing_pb2_grpc,
)
from matcher.v1 import routing_pb2 as pb

Answer = TypeVar("Answer", bound=Message)

ANSWER_SECONDS: Final = 3.0
REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Codes that say that the call was not done; after any other it may have been."""
SITES: Final = re.compile(rb"sites/([a-z0-9_.-]+)/")
CORE_FAULT: Final = "Internal error from Core"
CUT_OFF: Final = "CUT_OFF"
STUBS: Final[tuple[Callable[[grpc.aio.Channel], Any], ...]] = (
    routing_pb2_grpc.RoutingServiceStub,
    roster_pb2_grpc.RosterServiceStub,
    customers_pb2_grpc.CustomerServiceStub,
    feedback_pb2_grpc.FeedbackServiceStub,
    keys_pb2_grpc.KeyServiceStub,
)
CHANNEL_OPTIONS: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
]


def plain(name: str) -> str:
    """Return the id at the end of a resource name."""
    return name.rpartition("/")[2]


def seconds_of(at: Timestamp) -> float:
    """Return a time in seconds since 1970; 0 where it is not set."""
    return at.seconds + at.nanos / 1e9


def held(reservation: pb.Reservation) -> h.Held:
    """Return the record of a reservation."""
    return h.Held(
        reservation=plain(reservation.name),
        agent=plain(reservation.agent),
        contact=plain(reservation.contact),
        pool=plain(reservation.pool),
        channel=reservation.channel,
        cost=reservation.cost,
        state=pb.ReservationState.Name(reservation.state),
        fence=reservation.fence,
        created=seconds_of(reservation.create_time),
        expires=seconds_of(reservation.expire_time),
        over_capacity=reservation.over_capacity,
    )


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of an error, or its code."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    # gRPC itself says so where a server ends a stream while the client still sends: not the service's answer.
    return CUT_OFF if error.details() == CORE_FAULT else str(error.code().name)


@dataclass(frozen=True, slots=True)
class Line:
    """A channel to one replica, with its stubs."""

    replica: int
    channel: grpc.aio.Channel
    routing: Any
    roster: Any
    customers: Any
    feedback: Any
    keys: Any


class Signed:
    """A stub whose calls carry an access key."""

    def __init__(self, stub: Any, key: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {key}"),)

    def __getattr__(self, method: str) -> Any:
        """Return a method of the stub, with the key in its metadata."""
        return partial(getattr(self._stub, method), metadata=self._metadata)


def line_to(replica: int, address: str, key: str) -> Line:
    """Open a channel to an address of a replica, for calls with an access key."""
    channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    return Line(replica, channel, *(Signed(stub(channel), key) for stub in STUBS))


class Wire:
    """Sends attempts to random replicas, and records each."""

    def __init__(self, addresses: Sequence[str], key: str, history: h.History, seed: int) -> None:
        self.addresses = tuple(addresses)
        self.lines = [line_to(number, address, key) for number, address in enumerate(addresses)]
        self.history = history
        self.rng = random.Random(seed)

    async def close(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(line.channel.close() for line in self.lines))

    async def once(
        self,
        call: Callable[[Line], Awaitable[Answer]],
        asked: h.Call,
        line: Line | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> tuple[Answer | None, h.Call]:
        """Make one attempt; return its answer, None for a failure, and its record, which is added to the history.

        asked: the record with what is asked; this fills in the rest.
        """
        line = line or self.rng.choice(self.lines)
        began = time.time()
        answer: Answer | None = None
        ending, reason = h.OK, ""
        try:
            async with asyncio.timeout(seconds):
                answer = await call(line)
        except grpc.aio.AioRpcError as error:
            reason = reason_of(error)
            ending = h.REFUSED if error.code() in REFUSALS else h.UNKNOWN
        except TimeoutError:
            ending, reason = h.UNKNOWN, "NO_ANSWER"
        record = msgspec.structs.replace(
            asked, replica=line.replica, began=began, ended=time.time(), ending=ending, reason=reason
        )
        record = with_answer(record, answer)
        self.history.add(record)
        return answer, record

    async def insist(
        self, call: Callable[[Line], Awaitable[Answer]], asked: h.Call, patience: float = 60.0
    ) -> tuple[Answer | None, h.Call]:
        """Repeat an attempt at other replicas until it is answered or refused, or patience (s) is over."""
        end, pause, last = time.time() + patience, 0.1, -1
        while True:
            line = self.rng.choice([line for line in self.lines if line.replica != last] or self.lines)
            answer, record = await self.once(call, asked, line)
            last = line.replica
            if record.ending != h.UNKNOWN or time.time() > end:
                return answer, record
            await asyncio.sleep(pause * self.rng.uniform(0.5, 1.0))
            pause = min(2.5, 2 * pause)


def with_answer(record: h.Call, answer: Message | None) -> h.Call:
    """Return the record with what an answer says."""
    if answer is None:
        return record
    named = tuple(sorted({site.decode() for site in SITES.findall(answer.SerializeToString())}))
    return msgspec.structs.replace(record, named=named, **_said(record, answer))


def _said(record: h.Call, answer: Message) -> dict[str, Any]:
    said: dict[str, Any] = {}
    match answer:
        case pb.RouteMessageResponse():
            outcome = answer.WhichOneof("outcome") or ""
            said = {
                "contact": plain(answer.contact) or record.contact,
                "outcome": outcome,
                "replayed": answer.replayed,
                "held": held(answer.reservation) if outcome == "reservation" else None,
            }
        case pb.Reservation():
            said = {"held": held(answer), "contact": plain(answer.contact)}
        case roster_pb2.Agent():
            said = {"status": roster_pb2.AgentStatus.Name(answer.status)}
        case customers_pb2.Customer():
            said = {"outcome": " ".join(interest.text for interest in answer.interests)}
        case feedback_pb2.ContactOutcomes():
            said = {"outcome": " ".join(f"{outcome.kind}={outcome.value:g}" for outcome in answer.standing)}
        case pb.Contact():
            said = {"outcome": pb.ContactState.Name(answer.state)}
    return said
