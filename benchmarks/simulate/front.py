"""The clients' way to the service: every attempt goes to a replica of chance and is written down as it was seen."""

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
"""After these a client does not know, and asks again; the last is a refusal for now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: what of it is written down whatever the call was."""

    began: float
    ended: float
    ending: Ending
    reason: str = ""
    again_after: float = 0.0
    """When the service asks to be asked again, in seconds."""


class Refused(Exception):
    """The service said that it does not do it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoAnswer(Exception):
    """No replica answered for as long as a client's patience lasts."""


@dataclass(frozen=True, slots=True)
class Stubs:
    """What calls a replica."""

    routing: RoutingServiceAsyncStub
    roster: RosterServiceAsyncStub
    channel: grpc.aio.Channel


@dataclass(slots=True)
class Journal:
    """What the clients saw, in the order in which they came to know it."""

    records: list[h.Record] = field(default_factory=list)

    def note(self, record: h.Record) -> None:
        """Write a record down."""
        self.records.append(record)


class Front:
    """Calls the replicas, each attempt another, until there is an answer."""

    def __init__(self, targets: Sequence[str], site: str, journal: Journal, seed: int) -> None:
        self.site = site
        self.journal = journal
        self.chance = random.Random(seed)
        # A client tries a server that was away again within a second.
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
        """Return the site's name."""
        return f"sites/{self.site}"

    def name(self, kind: str, identifier: str) -> str:
        """Return a whole name; "" stays."""
        return f"{self.parent}/{kind}/{identifier}" if identifier else ""

    def stubs(self) -> Stubs:
        """Return those of a replica of chance."""
        return self.chance.choice(self._stubs)

    async def ask(
        self,
        call: Callable[[Stubs, float], Awaitable[Answer]],
        note: Callable[[Attempt, Answer | None], h.Record] | None = None,
        *,
        cut_short: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> Answer:
        """Make a call until it is answered; write every attempt down.

        call: is given a replica and how long it may take. cut_short: the first attempt is left after some
        milliseconds. Raises Refused, or NoAnswer where `patience` is over.
        """
        began, pause, last = time.time(), 0.05, None
        while True:
            stubs = self.chance.choice([one for one in self._stubs if one is not last] or self._stubs)
            seconds = self.chance.uniform(0.002, 0.02) if cut_short else ANSWER_SECONDS
            last, cut_short = stubs, False
            attempt, answer = await self._attempt(call, stubs, seconds)
            if note is not None:
                self.journal.note(note(attempt, answer))
            if answer is not None:
                return answer
            if attempt.ending is Ending.REFUSED:
                raise Refused(attempt.reason)
            if time.time() - began > patience:
                raise NoAnswer(attempt.reason)
            await asyncio.sleep(self.chance.uniform(0.5, 1.0) * pause + attempt.again_after)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _attempt(
        self, call: Callable[[Stubs, float], Awaitable[Answer]], stubs: Stubs, seconds: float
    ) -> tuple[Attempt, Answer | None]:
        began = time.time()
        try:
            answer = await call(stubs, seconds)
        except grpc.aio.AioRpcError as error:
            why = MatcherCallError.of_call(error)
            ending = Ending.UNKNOWN if why.code in MAY_BE_DONE else Ending.REFUSED
            return Attempt(began, time.time(), ending, why.reason or why.code.name, why.retry_after or 0.0), None
        return Attempt(began, time.time(), Ending.OK), answer
