"""The state of the service as its API tells it: health, ledger, model, scorers, and quotas, each by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from matcher.v1.feedback_pb2 import GetOutcomesRequest
from matcher.v1.roster_pb2 import GetUsageRequest, ListPoolsRequest, QuotaUse
from matcher.v1.routing_pb2 import Decision, GetDecisionRequest, ListReservationsRequest
from matcher.web.console.access import reason_of
from matcher.web.console.advice import Refusal, refusal_of
from matcher.web.console.render import count
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

T = TypeVar("T")
SECONDS: Final = 5.0
LEDGER: Final = {
    "": ("good", "The ledger answers."),
    "CONTACT_NOT_FOUND": ("good", "The ledger answers."),
    "LEDGER_OFF": ("off", "No ledger is kept: outcomes, impact and the past need MATCHER_LEDGER_URL (docs/ledger.md)."),
    "LEDGER_AWAY": (
        "bad",
        "The ledger does not answer. Routing goes on; steps wait in the store, and none is lost.",
    ),
    "PERMISSION_DENIED": ("unknown", "Your role does not read the ledger."),
}
"""What an asked-for outcome of no contact says about the ledger, by its reason."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the service: its name, good, bad, off or unknown, and a sentence."""

    name: str
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the API tells."""

    parts: tuple[Part, ...]
    quotas: tuple[QuotaUse, ...]
    quotas_refused: Refusal | None


async def state_of(visitor: Visitor) -> State:
    """Ask for the state. Raises Fault only where the service is away or the visitor is not signed in."""
    begun = time.monotonic()
    usage = visitor.ask(visitor.stubs.roster.GetUsage, GetUsageRequest(name=visitor.site_name), SECONDS)
    health, ledger, model, scorers, quotas = await asyncio.gather(
        _health(visitor), _ledger(visitor), _model(visitor), _scorers(visitor), _or_refusal(usage)
    )
    took = time.monotonic() - begun
    speed = Part("Answers", "good" if took < 1 else "bad", f"All that is on this page was answered in {took:.2f} s.")
    refused = quotas if isinstance(quotas, Refusal) else None
    return State(
        parts=(health, speed, ledger, model, *scorers),
        quotas=() if isinstance(quotas, Refusal) else tuple(quotas.quotas),
        quotas_refused=refused,
    )


async def _health(visitor: Visitor) -> Part:
    check = visitor.access.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    answer = await visitor.ask(check, HealthCheckRequest(), SECONDS)
    if answer.status == HealthCheckResponse.SERVING:
        return Part("Service", "good", "It serves: the store answers, and the index has caught up.")
    return Part(
        "Service",
        "bad",
        "The process that answered does not serve: the store is away, a key is missing, or it is still starting. "
        "Its log says which (`health`, `why`).",
    )


async def _ledger(visitor: Visitor) -> Part:
    request = GetOutcomesRequest(contact=f"{visitor.site_name}/contacts/nobody")
    try:
        await visitor.ask(visitor.stubs.feedback.GetOutcomes, request, SECONDS)
        reason = ""
    except Fault as fault:
        _rise_where_fatal(fault)
        reason = reason_of(fault) or "nothing in time"
    state, sentence = LEDGER.get(reason, ("unknown", f"The service answered {reason}."))
    return Part("Ledger", state, sentence)


async def _model(visitor: Visitor) -> Part:
    found = await _or_refusal(_last_decision(visitor))
    if isinstance(found, Refusal):
        return Part("Model", "unknown", "Your role does not read decisions, which name the model.")
    if found is None:
        return Part("Model", "unknown", "No contact is with an agent now, whose decision would name the model.")
    return Part("Model", "good", f"A decision of now was made with the model {found.model[:24]}.")


async def _last_decision(visitor: Visitor) -> Decision | None:
    request = ListReservationsRequest(parent=visitor.site_name, page_size=1)
    held = await visitor.ask(visitor.stubs.routing.ListReservations, request, SECONDS)
    if not held.reservations or not held.reservations[0].decision:
        return None
    name = held.reservations[0].decision
    return await visitor.ask(visitor.stubs.routing.GetDecision, GetDecisionRequest(name=name), SECONDS)


async def _scorers(visitor: Visitor) -> Sequence[Part]:
    request = ListPoolsRequest(parent=visitor.site_name, page_size=1000)
    pools = await _or_refusal(visitor.ask(visitor.stubs.roster.ListPools, request, SECONDS))
    if isinstance(pools, Refusal):
        return ()
    serving = sorted({pool.scorer_serving for pool in pools.pools if pool.scorer_serving})
    lost = [pool.name.rpartition("/")[2] for pool in pools.pools if pool.scorer and pool.scorer != pool.scorer_serving]
    made = [Part("Scorer", "good", f"{', '.join(serving) or 'none'}, in {count(len(pools.pools), 'pool')}.")]
    if lost:
        sentence = f"{len(lost)} pools have another scorer than they name, such as {lost[0]}: its file is gone."
        made.append(Part("Scorer", "bad", sentence))
    return made


async def _or_refusal(asked: Awaitable[T]) -> T | Refusal:
    try:
        return await asked
    except Fault as fault:
        _rise_where_fatal(fault)
        return refusal_of(fault)


def _rise_where_fatal(fault: Fault) -> None:
    """Let what concerns the whole page rise: no service, no login, no such site."""
    reason = reason_of(fault)
    if fault.http == 401 or (fault.http == 503 and not reason) or reason == "SITE_NOT_FOUND":
        raise fault
