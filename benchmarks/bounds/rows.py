"""Rows of the methods: the largest request of each that is accepted, and shapes of the largest that are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from matcher.rpc.body_limits import limit_of
from matcher.v1 import feedback_pb2, keys_pb2
from tests.auth.asked import METHODS, Place, requests_of

STEPS: Final = (1, 2, 4, 8)
"""The sizes of a row, in eighths of the largest."""
DEEPEST: Final = 2
NOBODY: Final = "nobody"
"""The id that methods are given that would take away what the rows after them need."""

Grow = Callable[[Any, int], None]
"""Makes a request so large, in eighths of the largest that is accepted."""


def _same(_request: Any, _eighths: int) -> None:
    """Leave a request that has no size as it is."""


def _text(request: Any, eighths: int) -> None:
    if "contact_id" in request.DESCRIPTOR.fields_by_name:
        request.ClearField("contact_id")
    request.message.text = "My shoes have a hole, and bees. " * (250 * eighths // 8)
    request.message.excluded_agents.extend(f"{_site(request)}/agents/x{number}" for number in range(32 * eighths))
    request.message.customer_interests.extend(f"I keep {number} bees." for number in range(2 * eighths))


def _site(request: Any) -> str:
    name: str = getattr(request, "parent", "") or request.name
    return "/".join(name.split("/")[:2])


def _batch(request: Any, eighths: int) -> None:
    first = request.requests[0]
    del request.requests[:]
    for number in range(32 * eighths):
        one = request.requests.add()
        one.CopyFrom(first)
        one.contact_id = f"batch-{number}"


def _interests(agent: Any, eighths: int) -> None:
    del agent.interests[:]
    agent.interests.extend(f"{number} " + "I repair shoes and bicycles. " * 17 for number in range(8 * eighths))


def _agent(request: Any, eighths: int) -> None:
    _interests(request.agent, eighths)


def _row(request: Any, eighths: int) -> None:
    if request.HasField("row"):
        _interests(request.row.agent, eighths)


def _pool(request: Any, eighths: int) -> None:
    request.pool.small_talk.extend(f"hello there number {number}" for number in range(32 * eighths))


def _customer(request: Any, eighths: int) -> None:
    del request.customer.handles[:]
    request.customer.handles.extend(f"h{number}@example.com" for number in range(2 * eighths))
    for number in range(2 * eighths):
        request.customer.interests.add(text=f"{number} " + "I repair shoes and bicycles. " * 17, source="crm")
    consent = request.customer.consent
    consent.basis = "asked"
    consent.time.FromJsonString("2026-01-01T00:00:00Z")
    consent.expire_time.FromJsonString("2030-01-01T00:00:00Z")


def _joined(field: str) -> Grow:
    def grow(request: Any, eighths: int) -> None:
        del getattr(request, field)[:]
        getattr(request, field).extend(f"h{number}@example.com" for number in range(2 * eighths))

    return grow


def _outcome(request: Any, eighths: int) -> None:
    request.outcome.source = "crm"
    for number in range(2 * eighths):
        request.outcome.metrics[f"metric_{number}"] = number


def _outcomes(request: Any, eighths: int) -> None:
    contact = f"{request.parent}/contacts/c-bounds"
    for number in range(500 * eighths // 8):
        outcome = feedback_pb2.Outcome(source="crm", csat=1 + number % 5)
        request.requests.add(contact=contact, outcome=outcome)


def _page(request: Any, eighths: int) -> None:
    request.page_size = 125 * eighths


def _candidates(request: Any, eighths: int) -> None:
    _text(request, eighths)
    request.max_candidates = 12 * eighths
    request.ignore_availability = request.explain_left_out = True


def _key(request: Any, eighths: int) -> None:
    sites = [f"sites/s{number}" for number in range(8 * eighths)]
    request.grants.add(role=keys_pb2.ROLE_PLATFORM, sites=sites)


def _principal(request: Any, _eighths: int) -> None:
    request.ClearField("name")


def _unknown(request: Any, _eighths: int) -> None:
    if "handle" in request.DESCRIPTOR.fields_by_name:
        request.ClearField("handle")
        request.ClearField("parent")
    request.name = request.name.rpartition("/")[0] + f"/{NOBODY}"


ROWS: Final[dict[str, Grow]] = {
    "CustomerService/PutCustomer": _customer,
    "CustomerService/GetCustomer": _same,
    "CustomerService/LookupCustomer": _same,
    "CustomerService/ListCustomers": _page,
    "CustomerService/LinkCustomers": _joined("handles"),
    "CustomerService/ForgetCustomer": _unknown,
    "FeedbackService/RecordOutcome": _outcome,
    "FeedbackService/RecordOutcomes": _outcomes,
    "FeedbackService/GetOutcomes": _same,
    "FeedbackService/ListPraise": _page,
    "FeedbackService/GetCoverage": _same,
    "FeedbackService/WatchPraise": _same,
    "FeedbackService/GetImpactReport": _same,
    "KeyService/CreateKey": _key,
    "KeyService/ListKeys": _same,
    "KeyService/RotateKey": _same,
    "KeyService/RevokeKey": _principal,
    "RosterService/CreateAgent": _agent,
    "RosterService/GetAgent": _same,
    "RosterService/ListAgents": _page,
    "RosterService/UpdateAgent": _agent,
    "RosterService/DeleteAgent": _unknown,
    "RosterService/ForgetAgent": _unknown,
    "RosterService/ImportAgents": _row,
    "RosterService/SetAgentStatus": _same,
    "RosterService/BeatAgent": _same,
    "RosterService/WatchReservations": _same,
    "RosterService/CreatePool": _same,
    "RosterService/GetPool": _same,
    "RosterService/ListPools": _page,
    "RosterService/UpdatePool": _pool,
    "RosterService/DeletePool": _unknown,
    "RosterService/CreateSite": _same,
    "RosterService/ListSites": _page,
    "RosterService/DeleteSite": _unknown,
    "RosterService/GetInterestMap": _same,
    "RosterService/GetUsage": _same,
    "RoutingService/RouteMessage": _text,
    "RoutingService/RouteMessages": _batch,
    "RoutingService/SuggestAgents": _candidates,
    "RoutingService/AcceptReservation": _same,
    "RoutingService/DeclineReservation": _same,
    "RoutingService/TouchReservation": _same,
    "RoutingService/RenewReservation": _same,
    "RoutingService/CompleteReservation": _same,
    "RoutingService/EndWrapUp": _same,
    "RoutingService/CancelReservation": _unknown,
    "RoutingService/GetReservation": _same,
    "RoutingService/ListReservations": _page,
    "RoutingService/GetContact": _same,
    "RoutingService/ListContacts": _page,
    "RoutingService/CancelContact": _unknown,
    "RoutingService/TransferContact": _text,
    "RoutingService/AssignContact": _text,
    "RoutingService/WatchContact": _same,
    "RoutingService/WatchEvents": _same,
    "RoutingService/LinkCustomer": _joined("customers"),
    "RoutingService/GetDecision": _same,
}
"""How the request of each method grows; a method that has no row here fails the run, and a test."""


def row_of(method: str) -> str:
    """Return the name of a method's row, "RosterService/GetAgent" for "/matcher.v1.RosterService/GetAgent"."""
    return method.removeprefix("/matcher.v1.")


def accepted(method: str, place: Place, eighths: int) -> list[Any]:
    """Return a request of a method that is accepted, so large; of a stream of requests several."""
    requests = requests_of(METHODS[method], place)
    for request in requests:
        ROWS[row_of(method)](request, eighths)
    return requests


def refused(method: str, eighths: int) -> Iterator[tuple[str, bytes]]:
    """Yield bodies as large as a method's limit, in eighths, that say nothing useful: their shape and their bytes."""
    size = limit_of(method) * eighths // 8 - 64
    fields = METHODS[method].input_type.fields
    yield "field that is not known", _field(2_047, b"x" * (size - 8))
    text = next((field for field in fields if field.type == FieldDescriptor.TYPE_STRING), None)
    if text is not None:
        yield f"long {text.name}", _field(text.number, b"x" * (size - 8))
        yield f"{text.name} again and again", _field(text.number, b"x") * (size // 3)
    for path, field in _lists(METHODS[method].input_type, ()):
        entry = _field(field.number, b"")
        body = entry * (size // len(entry))
        for outer in reversed(path):
            body = _field(outer.number, body)
        yield f"empty {field.name}", body


def _lists(message: Descriptor, path: tuple[FieldDescriptor, ...]) -> Iterator[tuple[tuple[Any, ...], FieldDescriptor]]:
    """Yield every list of a request with the fields that lead to it, two levels deep."""
    for field in message.fields:
        kinds = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE)
        if field.is_repeated and field.type in kinds:
            yield path, field
        elif field.message_type is not None and len(path) < DEEPEST and not field.is_repeated:
            yield from _lists(field.message_type, (*path, field))


def _field(number: int, value: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
