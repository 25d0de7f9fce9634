"""Validates the requests of RoutingService, and returns their arguments as domain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from matcher.model import DEFAULT_POOL, Constraint, Experience, Message, Wait
from matcher.model.requests import AssignRequest, RouteRequest, SuggestRequest, TransferRequest
from matcher.model.scope import scope_of_call
from matcher.rpc import resource_names
from matcher.rpc.convert import CONSTRAINT
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import customers
from matcher.rpc.validation.messages import MOST_EXCLUDED, checked_message
from matcher.rpc.validation.violations import SECOND, WEEK, Violations
from matcher.v1 import routing_pb2 as pb

MOST_RATING: Final = 5
MOST_REQUEST_ID: Final = 128
MOST_ACTOR: Final = 128
MOST_IGNORED: Final = 16
MOST_REASON: Final = 256
MOST_CANDIDATES: Final = 100
DEFAULT_CANDIDATES: Final = 8
MOST_FENCE: Final = 2**63 - 1
_TRIED: Final = ("affinity_floor", "affinity_tolerance", "profile_weight")
"""Fields of a pool that a suggestion may be asked by."""


_CONSTRAINTS: Final = {number: constraint for constraint, number in CONSTRAINT.items()}


@dataclass(frozen=True, slots=True)
class ReservationStep:
    """The reservation of a call, and the fence that the reservation must have (0: any)."""

    site: str
    reservation: str
    fence: int


class _Fenced(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def fence(self) -> int: ...


def route(request: pb.RouteMessageRequest) -> tuple[str, RouteRequest]:
    """Check a RouteMessageRequest; return site and request; raise FieldsInvalid."""
    wrong = Violations()
    site, message = _site_and_message(wrong, request)
    if request.contact_id and not resource_names.is_contact_id(request.contact_id):
        wrong.note("contact_id", resource_names.contact_id_fault(request.contact_id))
    _request_id(wrong, request.request_id)
    wait = _wait(wrong, request)
    wrong.refuse()
    return site, RouteRequest(
        message,
        contact_id=request.contact_id,
        request_id=request.request_id,
        digest=_bytes_of(request),
        auto_accept=request.auto_accept,
        explain_unmatched=request.explain_unmatched,
        wait=wait,
        keeps_channel=bool(request.contact_id) and not request.message.channel,
        scope=scope_of_call(),
    )


def transfer(request: pb.TransferContactRequest) -> tuple[str, TransferRequest]:
    """Check a TransferContactRequest; return site and request; raise FieldsInvalid."""
    wrong = Violations()
    site, contact = wrong.resource("name", request.name, Kind.CONTACT)
    _request_id(wrong, request.request_id)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else ""
    agent = wrong.of_site("agent", request.agent, Kind.AGENT, site) if request.agent else ""
    message = None
    if request.HasField("message"):
        for field in ("customer", "channel"):
            if getattr(request.message, field):
                wrong.note(f"message.{field}", "is the contact's own and cannot be given here")
        if agent:
            _with_agent(wrong, request.agent, request.message)
        message = checked_message(wrong, site, pool or DEFAULT_POOL, request.message, text_needed=False)
    wait = _wait(wrong, request)
    wrong.known("release", request.release, pb.Release.values())
    wrong.refuse()
    return site, TransferRequest(
        contact,
        pool_id=pool,
        agent=agent,
        message=message,
        request_id=request.request_id,
        digest=_bytes_of(request),
        wait=wait,
        keeps_agent=request.release == pb.ON_ACCEPT,
        scope=scope_of_call(),
    )


def _with_agent(wrong: Violations, agent: str, message: pb.Message) -> None:
    """Check that a message asks nothing that the one agent whom the request names cannot fulfil."""
    if message.text:
        wrong.note("message.text", "chooses an agent, and the field agent names one: give one of the two")
    for field in ("customer_interests", "preferred_agents"):
        if getattr(message, field):
            wrong.note(f"message.{field}", "choose an agent, and the field agent names one: give one of the two")
    _check_named(wrong, agent, message)


def _check_named(wrong: Violations, agent: str, message: pb.Message) -> None:
    """Check that a message does not exclude the agent whom its request names."""
    listed = message.excluded_agents[:MOST_EXCLUDED]
    if agent and agent in listed:
        wrong.note("agent", f"is excluded by message.excluded_agents[{listed.index(agent)}]")


def assign(request: pb.AssignContactRequest) -> tuple[str, AssignRequest]:
    """Check an AssignContactRequest; return site and request; raise FieldsInvalid."""
    wrong = Violations()
    site, contact = wrong.resource("name", request.name, Kind.CONTACT)
    agent = wrong.of_site("agent", request.agent, Kind.AGENT, site)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else ""
    message = None
    if request.HasField("message"):
        if request.message.preferred_agents:
            wrong.note(
                "message.preferred_agents", "prefer agents, and the field agent names the one who gets the contact"
            )
        _check_named(wrong, request.agent, request.message)
        message = checked_message(wrong, site, pool or DEFAULT_POOL, request.message, text_needed=False)
    ignored = _ignored(wrong, request)
    wrong.printable("actor", request.actor, MOST_ACTOR)
    wrong.printable("reason", request.reason, MOST_REASON)
    _request_id(wrong, request.request_id)
    wrong.refuse()
    return site, AssignRequest(
        contact,
        agent,
        pool_id=pool,
        message=message,
        over_capacity=request.over_capacity,
        ignored=ignored,
        accepted=request.accepted,
        actor=request.actor,
        request_id=request.request_id,
        digest=_bytes_of(request),
        keeps_channel=not request.message.channel,
        reason=request.reason,
        scope=scope_of_call(),
    )


def _ignored(wrong: Violations, request: pb.AssignContactRequest) -> frozenset[Constraint]:
    field = "ignore_constraints"
    ignored = set[Constraint]()
    for number, given in enumerate(wrong.first(field, request.ignore_constraints, MOST_IGNORED)):
        constraint = _CONSTRAINTS.get(given)
        if constraint is None:
            wrong.note(f"{field}[{number}]", f"is {given}, which this service does not know")
        elif constraint is Constraint.CAPACITY:
            wrong.note(f"{field}[{number}]", "is the capacity: set `over_capacity` instead")
        elif constraint is Constraint.KEPT_FOR_WAITING:
            wrong.note(
                f"{field}[{number}]", "is KEPT_FOR_WAITING, which never keeps an assignment back and cannot be ignored"
            )
        else:
            ignored.add(constraint)
    return frozenset(ignored)


def link(request: pb.LinkCustomerRequest) -> tuple[str, tuple[str, ...]]:
    """Check a LinkCustomerRequest; return site and handles; raise FieldsInvalid."""
    return customers.joined("customers", request.parent, request.customers)


def suggest(request: pb.SuggestAgentsRequest) -> tuple[str, SuggestRequest]:
    """Check a SuggestAgentsRequest; return site and request; raise FieldsInvalid."""
    wrong = Violations()
    site, message = _site_and_message(wrong, request)
    wrong.between("max_candidates", request.max_candidates, 0, MOST_CANDIDATES)
    tried = {
        field: wrong.share(field, getattr(request, field)) if request.HasField(field) else None for field in _TRIED
    }
    wrong.refuse()
    return site, SuggestRequest(
        message,
        request.max_candidates or DEFAULT_CANDIDATES,
        ignore_availability=request.ignore_availability,
        explain_left_out=request.explain_left_out,
        **tried,
    )


def step(request: _Fenced) -> ReservationStep:
    """Check a request that accepts, cancels, touches or wraps up a reservation; raise FieldsInvalid."""
    wrong = Violations()
    checked = _step(wrong, request)
    wrong.refuse()
    return checked


def complete(request: pb.CompleteReservationRequest) -> tuple[ReservationStep, Experience]:
    """Check a CompleteReservationRequest; return also the customer's experience; raise FieldsInvalid."""
    wrong = Violations()
    checked = _step(wrong, request)
    rating = wrong.between("rating", request.rating, 0, MOST_RATING)
    wrong.refuse()
    return checked, Experience(request.resolved if request.HasField("resolved") else None, rating)


def decline(request: pb.DeclineReservationRequest) -> tuple[ReservationStep, int | None]:
    """Check a DeclineReservationRequest; return also retry_after in milliseconds; raise FieldsInvalid."""
    wrong = Violations()
    checked = _step(wrong, request)
    wrong.at_most("reason", request.reason, MOST_REASON)
    retry_after = None
    if request.HasField("retry_after"):
        retry_after = wrong.milliseconds("retry_after", request.retry_after, 0, WEEK)
    wrong.refuse()
    return checked, retry_after


def renew(request: pb.RenewReservationRequest) -> tuple[ReservationStep, int | None]:
    """Check a RenewReservationRequest; return also the duration in milliseconds; raise FieldsInvalid."""
    wrong = Violations()
    checked = _step(wrong, request)
    duration = None
    if request.HasField("duration"):
        duration = wrong.milliseconds("duration", request.duration, SECOND, WEEK)
    wrong.refuse()
    return checked, duration


def reservations(request: pb.ListReservationsRequest, listing: str) -> tuple[str, str | None, int, str]:
    """Check a ListReservationsRequest; return site, agent, page size, last key; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    agent = wrong.of_site("agent", request.agent, Kind.AGENT, site) if request.agent else None
    most, after = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return site, agent, most, after


def _step(wrong: Violations, request: _Fenced) -> ReservationStep:
    site, reservation = wrong.resource("name", request.name, Kind.RESERVATION)
    return ReservationStep(site, reservation, wrong.between("fence", request.fence, 0, MOST_FENCE))


def _site_and_message(
    wrong: Violations, request: pb.RouteMessageRequest | pb.SuggestAgentsRequest
) -> tuple[str, Message]:
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else DEFAULT_POOL
    return site, checked_message(wrong, site, pool, request.message)


def _request_id(wrong: Violations, request_id: str) -> None:
    wrong.printable("request_id", request_id, MOST_REQUEST_ID)


def _wait(wrong: Violations, request: pb.RouteMessageRequest | pb.TransferContactRequest) -> Wait | None:
    if not request.HasField("wait_duration"):
        return Wait() if request.wait else None
    most_ms = wrong.milliseconds("wait_duration", request.wait_duration, SECOND, WEEK)
    if not request.wait:
        wrong.note("wait_duration", "is given, but the contact may not wait: set `wait`")
    return Wait(most_ms)


def _bytes_of(request: pb.RouteMessageRequest | pb.TransferContactRequest | pb.AssignContactRequest) -> bytes:
    """Return the request as bytes, without its request_id and without explain_unmatched: both change no decision.

    b"" where the service makes the request_id: only the service itself repeats such a request.
    """
    if not request.request_id:
        return b""
    bare = type(request)()
    bare.CopyFrom(request)  # type: ignore[arg-type]  # it is of the same type
    bare.ClearField("request_id")
    if isinstance(bare, pb.RouteMessageRequest):
        bare.ClearField("explain_unmatched")
    kind = b"assign|" if isinstance(bare, pb.AssignContactRequest) else b""
    return kind + bare.SerializeToString(deterministic=True)
