"""Paced caller: a process that begins calls at a fixed rate, whatever became of those before, and says what it got.

It reads jobs as lines of JSON from stdin, and writes an outcome as a line for each. The token is MATCHER_TOKEN.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import grpc

from benchmarks.echo import METHOD as ECHO
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc

PATIENCE_SECONDS: Final = 2.0
"""How long a customer's platform waits for a decision; what comes later counts as nothing."""
MESSAGES: Final = (
    "My sails are torn and I need new ones before Sunday.",
    "The dough does not rise, although I did as the recipe says.",
    "Which rope is the right one for limestone cliffs?",
    "My bees have swarmed into the neighbour's garden.",
)


@dataclass(frozen=True, slots=True)
class Job:
    """Calls at a rate. serve: route, accept and complete; hoard: route, and answer no offer until the job ends."""

    target: str
    kind: Literal["serve", "hoard", "echo"]
    rate: float
    seconds: float


@dataclass(slots=True)
class Outcome:
    """What a caller got: decisions with an agent, in time; refusals and failures by code; seconds of each decision."""

    begun: int = 0
    got: int = 0
    unmatched: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


class Caller:
    """Makes the calls of a job."""

    def __init__(self, job: Job) -> None:
        token = os.environ.get("MATCHER_TOKEN", "")
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._job = job
        self._hoarded: list[str] = []
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Begin the calls, and wait for the answers of all."""
        job = self._job
        async with grpc.aio.insecure_channel(job.target) as channel:
            stub: Any = routing_pb2_grpc.RoutingServiceStub(channel)
            call = self._echo(channel) if job.kind == "echo" else self._route(stub)
            began, tasks = time.perf_counter(), set[asyncio.Task[None]]()
            for number in range(round(job.rate * job.seconds)):
                await asyncio.sleep(began + number / job.rate - time.perf_counter())
                tasks.add(asyncio.create_task(self._timed(call, number)))
            await asyncio.gather(*tasks)
            for name in self._hoarded:
                await stub.CancelReservation(pb.CancelReservationRequest(name=name), metadata=self._metadata)
        return self.outcome

    async def _timed(self, call: Any, number: int) -> None:
        self.outcome.begun += 1
        began = time.perf_counter()
        try:
            got = await call(number)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            self.outcome.failed[code] = self.outcome.failed.get(code, 0) + 1
            return
        self.outcome.seconds.append(time.perf_counter() - began)
        self.outcome.got += got
        self.outcome.unmatched += not got

    def _echo(self, channel: grpc.aio.Channel) -> Any:
        echo: Any = channel.unary_unary(ECHO)

        async def call(number: int) -> bool:
            body = MESSAGES[number % len(MESSAGES)].encode()
            return bool(await echo(body, timeout=PATIENCE_SECONDS) == body)

        return call

    def _route(self, stub: Any) -> Any:
        hoards = self._job.kind == "hoard"

        async def call(number: int) -> bool:
            message = pb.Message(text=f"{MESSAGES[number % len(MESSAGES)]} {number}")
            asked = pb.RouteMessageRequest(parent="sites/default", message=message)
            answer = await stub.RouteMessage(asked, metadata=self._metadata, timeout=PATIENCE_SECONDS)
            if not answer.HasField("reservation"):
                return False
            name = answer.reservation.name
            if hoards:
                self._hoarded.append(name)
                return True
            # What is accepted is completed also where the answer comes late: nobody keeps an agent by mistake.
            await stub.AcceptReservation(pb.AcceptReservationRequest(name=name), metadata=self._metadata)
            await stub.CompleteReservation(pb.CompleteReservationRequest(name=name), metadata=self._metadata)
            return True

        return call


async def main() -> None:
    """Work off the jobs of stdin."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(asdict(await Caller(Job(**json.loads(line))).run())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
