"""The requests of a load test: routes a message, accepts it at once, and completes it to free the agent again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

from matcher.client import Deadlines, MatcherCallError, MatcherClient, token_of_environment
from matcher.loadtest.open_loop import Complete
from matcher.loadtest.plan import PlanWrong, Target
from matcher.loadtest.tally import Ending, Outcome
from matcher.v1 import routing_pb2 as pb

REFUSALS: Final = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE})


def open_client(target: Target, site: str, *, channels: int, deadline_seconds: float) -> MatcherClient:
    """Return a client, to be opened with `async with`; raise PlanWrong where a file of the target cannot be read."""
    credentials = None
    if target.tls:
        credentials = grpc.ssl_channel_credentials(*map(_read, (target.tls_ca, target.tls_key, target.tls_cert)))
    deadlines = Deadlines(route=deadline_seconds)
    return MatcherClient(
        target.address,
        site=site,
        channels=channels,
        deadlines=deadlines,
        credentials=credentials,
        token=token_of_environment(),
    )


def _read(path: str | None) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise PlanWrong(f"{path} cannot be read: {error.strerror}") from None


class RoutingCaller:
    """Routes the texts one after another, and starts again after the last."""

    def __init__(self, client: MatcherClient, texts: Sequence[str]) -> None:
        self._client = client
        self._texts = texts

    async def send(self, number: int) -> tuple[Outcome, Complete | None]:
        """Route text `number`; return the outcome, and the function that completes the reservation, if there is one."""
        try:
            answer = await self._client.route(self._texts[number % len(self._texts)], auto_accept=True)
        except MatcherCallError as error:
            ending = Ending.REFUSED if error.reason and error.code in REFUSALS else Ending.FAILED
            with_retry_info = error.retry_after is not None
            return Outcome(ending, error.reason or error.code.name, error.code.name, with_retry_info), None
        if answer.WhichOneof("outcome") != "reservation":
            constraint = pb.Constraint.Name(answer.unmatched.reason).removeprefix("CONSTRAINT_")
            return Outcome(Ending.UNMATCHED, constraint, replayed=answer.replayed), None
        reservation = answer.reservation

        async def complete() -> str:
            try:
                await self._client.complete(reservation.name, fence=reservation.fence)
            except MatcherCallError as error:
                return error.reason or error.code.name
            return ""

        return Outcome(Ending.HELD, pb.Basis.Name(reservation.basis), replayed=answer.replayed), complete
