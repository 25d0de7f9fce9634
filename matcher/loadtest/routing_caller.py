"""Requests to the service: a message routed and accepted at once, then completed so that the agent is free again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import grpc

from matcher.client import Deadlines, MatcherCallError, MatcherClient
from matcher.loadtest.plan import PlanWrong, Target
from matcher.loadtest.tally import Ending, Outcome
from matcher.v1 import routing_pb2 as pb

REFUSALS: Final = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE})


def open_client(target: Target, site: str, *, channels: int, deadline_seconds: float) -> MatcherClient:
    """Return a client to open with `async with`. Raises PlanWrong where the authorities cannot be read."""
    credentials = grpc.ssl_channel_credentials(_authorities(target.tls_ca)) if target.tls else None
    deadlines = Deadlines(route=deadline_seconds)
    return MatcherClient(target.address, site=site, channels=channels, deadlines=deadlines, credentials=credentials)


def _authorities(path: str | None) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise PlanWrong(f"{path} cannot be read: {error.strerror}") from None


class RoutingCaller:
    """Routes texts in turn, from the first again after the last."""

    def __init__(self, client: MatcherClient, texts: Sequence[str]) -> None:
        self._client = client
        self._texts = texts

    async def send(self, number: int) -> tuple[Outcome, Callable[[], Awaitable[str]] | None]:
        """Route text `number`; what it holds is given back by completing it."""
        try:
            answer = await self._client.route(self._texts[number % len(self._texts)], auto_accept=True)
        except MatcherCallError as error:
            ending = Ending.REFUSED if error.reason and error.code in REFUSALS else Ending.FAILED
            told = error.retry_after is not None
            return Outcome(ending, error.reason or error.code.name, error.code.name, told), None
        if answer.WhichOneof("outcome") != "reservation":
            constraint = pb.Constraint.Name(answer.unmatched.reason).removeprefix("CONSTRAINT_")
            return Outcome(Ending.UNMATCHED, constraint, replayed=answer.replayed), None
        held = answer.reservation

        async def give_back() -> str:
            try:
                await self._client.complete(held.name, fence=held.fence)
            except MatcherCallError as error:
                return error.reason or error.code.name
            return ""

        return Outcome(Ending.HELD, pb.Basis.Name(held.basis), replayed=answer.replayed), give_back
