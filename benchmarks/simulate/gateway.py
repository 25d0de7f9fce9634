"""The gateway of the clients: sends each attempt of a call to a random replica and records its result."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending
from matcher.client import MatcherCallError
from matcher.v1.roster_pb2_grpc import RosterServiceStub
from matcher.v1.routing_pb2_grpc import RoutingServiceStub

if TYPE_CHECKING:
    from matcher.v1.roster_pb2_grpc import RosterServiceAsyncStub
    from matcher.v1.routing_pb2_grpc import RoutingServiceAsyncStub

Answer = TypeVar("Answer")

ANSWER_SECONDS: Final = 4.0
PATIENCE_SECONDS: Final = 90.0
LONGEST_PAUSE: Final = 1.5
MAY_BE_DONE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes after which a client cannot know whether the call was done, and repeats it; the last is a refusal for now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a call: the data that is recorded for every kind of call."""

    began: float
    ended: float
    ending: Ending
    reason: str = ""
    again_after: float = 0.0
    """The seconds after which the service wants the next attempt."""


class Refused(Exception):
    """The service refused the call."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoAnswer(Exception):
    """No replica answered within the client's patience."""


@dataclass(frozen=True, slots=True)
class Stubs:
    """The stubs and the channel of a replica."""

    routing: RoutingServiceAsyncStub
    roster: RosterServiceAsyncStub
    channel: grpc.aio.Channel


@dataclass(slots=True)
class Journal:
    """The records of all clients, in the order in which they were made."""

    records: list[h.Record] = field(default_factory=list)

    def add(self, record: h.Record) -> None:
        """Add a record."""
        self.records.append(record)


class Gateway:
    """Repeats a call, each time at another replica, until there is an answer."""

    def __init__(self, targets: Sequence[str], site: str, journal: Journal, seed: int) -> None:
        self.site = site
        self.journal = journal
        self.rng = random.Random(seed)
        # A client reconnects to a restarted server within a second.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1000)]
        self._stubs = []
        for target in targets:
            channel = grpc.aio.insecure_channel(target, options=options)
            self._stubs.append(Stubs(RoutingServiceStub(channel), RosterServiceStub(channel), channel))

    async def close(self) -> None:
        """Close the channels."""
        for stubs in self._stubs:
            await stubs.channel.close()

    @property
    def parent(self) -> str:
        """The site's resource name."""
        return f"sites/{self.site}"

    def name(self, kind: str, identifier: str) -> str:
        """Return a resource name in the site; "" for an empty identifier."""
        return f"{self.parent}/{kind}/{identifier}" if identifier else ""

    def stubs(self) -> Stubs:
        """Return the stubs of a random replica."""
        return self.rng.choice(self._stubs)

    async def call(
        self,
        call: Callable[[Stubs, float], Awaitable[Answer]],
        record: Callable[[Attempt, Answer | None], h.Record] | None = None,
        *,
        cut_short: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> Answer:
        """Repeat a call until it is answered, and add the record of every attempt to the journal.

        call: called with a replica's stubs and a timeout in seconds. cut_short: the first attempt has a timeout of
        some milliseconds. Raises Refused, or NoAnswer once `patience` is over.
        """
        began, pause, last = time.time(), 0.05, None
        while True:
            stubs = self.rng.choice([other for other in self._stubs if other is not last] or self._stubs)
            seconds = self.rng.uniform(0.002, 0.02) if cut_short else ANSWER_SECONDS
            last, cut_short = stubs, False
            attempt, answer = await self._attempt(call, stubs, seconds)
            if record is not None:
                self.journal.add(record(attempt, answer))
            if answer is not None:
                return answer
            if attempt.ending is Ending.REFUSED:
                raise Refused(attempt.reason)
            if time.time() - began > patience:
                raise NoAnswer(attempt.reason)
            await asyncio.sleep(self.rng.uniform(0.5, 1.0) * pause + attempt.again_after)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _attempt(
        self, call: Callable[[Stubs, float], Awaitable[Answer]], stubs: Stubs, seconds: float
    ) -> tuple[Attempt, Answer | None]:
        began = time.time()
        try:
            answer = await call(stubs, seconds)
        except grpc.aio.AioRpcError as error:
            failure = MatcherCallError.of_call(error)
            ending = Ending.UNKNOWN if failure.code in MAY_BE_DONE else Ending.REFUSED
            reason = failure.reason or failure.code.name
            return Attempt(began, time.time(), ending, reason, failure.retry_after or 0.0), None
        return Attempt(began, time.time(), Ending.OK), answer
