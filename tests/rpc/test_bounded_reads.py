"""Bounded reads: of a list no entry beyond its limit is read, and no text above its limit is used for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from matcher.errors import FieldsInvalid, MatcherError
from matcher.rpc import route_messages
from matcher.rpc.convert_coverage import coverage_request
from matcher.rpc.convert_interest_map import interest_map_request
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import contacts, customers, feedback, impact, imports, keys, roster, routing
from matcher.rpc.validation.violations import MOST_NOTED, resource
from matcher.v1 import coverage_pb2 as coverage
from matcher.v1 import customers_pb2 as patrons
from matcher.v1 import feedback_pb2, impact_pb2, keys_pb2
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as pb

IMPORT = imports.options(people.ImportConfig(parent="sites/default"))

CHECKS: dict[type[Message], Callable[[Any], object]] = {
    pb.RouteMessageRequest: routing.route,
    pb.RouteMessagesRequest: route_messages._batch,
    pb.SuggestAgentsRequest: routing.suggest,
    pb.TransferContactRequest: routing.transfer,
    pb.AssignContactRequest: routing.assign,
    pb.LinkCustomerRequest: routing.link,
    pb.AcceptReservationRequest: routing.step,
    pb.CancelReservationRequest: routing.step,
    pb.EndWrapUpRequest: routing.step,
    pb.TouchReservationRequest: routing.step,
    pb.CompleteReservationRequest: routing.complete,
    pb.DeclineReservationRequest: routing.decline,
    pb.RenewReservationRequest: routing.renew,
    pb.ListReservationsRequest: lambda request: routing.reservations(request, "reservations"),
    pb.ListContactsRequest: lambda request: contacts.contacts(request, "contacts"),
    pb.WatchContactRequest: contacts.watch_contact,
    pb.WatchEventsRequest: lambda request: contacts.watch_events(request, "events"),
    pb.GetReservationRequest: lambda request: resource(request.name, Kind.RESERVATION),
    pb.GetContactRequest: lambda request: resource(request.name, Kind.CONTACT),
    pb.CancelContactRequest: lambda request: resource(request.name, Kind.CONTACT),
    pb.GetDecisionRequest: lambda request: resource(request.name, Kind.DECISION),
    people.CreateAgentRequest: roster.create_agent,
    people.UpdateAgentRequest: roster.update_agent,
    people.GetAgentRequest: lambda request: resource(request.name, Kind.AGENT),
    people.DeleteAgentRequest: lambda request: roster.delete(request.name, Kind.AGENT, request.etag),
    people.ListAgentsRequest: lambda request: roster.agents(request, "agents"),
    people.SetAgentStatusRequest: roster.set_status,
    people.BeatAgentRequest: roster.beat,
    people.WatchReservationsRequest: roster.watch_reservations,
    people.ImportAgentsRequest: lambda request: (
        imports.options(request.config) if request.HasField("config") else imports.row(request.row, IMPORT, {})
    ),
    people.CreatePoolRequest: roster.create_pool,
    people.UpdatePoolRequest: roster.update_pool,
    people.GetPoolRequest: lambda request: resource(request.name, Kind.POOL),
    people.ListPoolsRequest: lambda request: roster.pools(request, "pools"),
    people.DeletePoolRequest: lambda request: roster.delete(request.name, Kind.POOL, request.etag),
    people.CreateSiteRequest: roster.create_site,
    people.ListSitesRequest: lambda request: roster.sites(request, "sites"),
    coverage.GetCoverageRequest: coverage_request,
    people.GetInterestMapRequest: interest_map_request,
    patrons.PutCustomerRequest: customers.put,
    patrons.GetCustomerRequest: lambda request: resource(request.name, Kind.CUSTOMER),
    patrons.LookupCustomerRequest: customers.lookup,
    patrons.ListCustomersRequest: lambda request: customers.customers(request, "customers"),
    patrons.LinkCustomersRequest: customers.link,
    patrons.ForgetCustomerRequest: customers.forget,
    feedback_pb2.RecordOutcomeRequest: feedback.record,
    feedback_pb2.RecordOutcomesRequest: feedback.batch,
    feedback_pb2.GetOutcomesRequest: feedback.outcomes,
    feedback_pb2.ListPraiseRequest: lambda request: feedback.praise(request, "praise"),
    feedback_pb2.WatchPraiseRequest: lambda request: feedback.watch_praise(request, "praise"),
    impact_pb2.GetImpactReportRequest: impact.report,
    people.ForgetAgentRequest: lambda request: resource(request.name, Kind.AGENT),
    keys_pb2.CreateKeyRequest: keys.create,
    keys_pb2.ListKeysRequest: lambda _: None,
    keys_pb2.RotateKeyRequest: keys.rotate,
    keys_pb2.RevokeKeyRequest: keys.revoke,
    people.GetUsageRequest: lambda request: roster.site("name", request.name),
    people.DeleteSiteRequest: lambda request: roster.site("name", request.name),
}
OUTPUT_ONLY = {
    "customer.relationship_notes",
    "customer.open_contacts",
    "customer.ended_contacts",
    "customer.decisions",
    "customer.interests.id",
    "agent.status_reason",
    "row.agent.status_reason",
    "agent.uid",
    "row.agent.uid",
    "pool.uid",
    "agent.holds",
    "row.agent.holds",
    "agent.silent_interests",
    "row.agent.silent_interests",
    "agent.name",  # of an agent that is created, the id is in agent_id
    "row.agent.name",
    "agent.etag",
    "row.agent.etag",
    "pool.scorer_serving",
    "pool.name",
    "pool.etag",
}
"""Fields of a resource that the service writes: what a request has there is not looked at."""


def test_every_request_of_the_api_is_in_the_table() -> None:
    """A method that is added to the API is held to the laws below."""
    inputs = {
        method.input_type.full_name
        for file in (
            pb.DESCRIPTOR,
            people.DESCRIPTOR,
            patrons.DESCRIPTOR,
            keys_pb2.DESCRIPTOR,
            feedback_pb2.DESCRIPTOR,
        )
        for kind in file.services_by_name.values()
        for method in kind.methods
    }
    assert {kind.DESCRIPTOR.full_name for kind in CHECKS} == inputs


class Counting(Sequence[Any]):
    """A list that counts the entries that are read."""

    def __init__(self, entries: Sequence[Any], reads: list[int]) -> None:
        self._entries = entries
        self._reads = reads

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return Counting(self._entries[at], self._reads)
        self._reads[0] += 1
        return self._entries[at]

    def __iter__(self) -> Iterator[Any]:
        for entry in self._entries:
            self._reads[0] += 1
            yield entry

    def __contains__(self, value: object) -> bool:
        return any(entry == value for entry in self)


class Counted:
    """A message whose lists count the entries that are read."""

    def __init__(self, message: Message, reads: list[int]) -> None:
        self._message = message
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._message, name)
        field = self._message.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            return value
        if field.is_repeated:
            return Counting(value, self._reads)
        return Counted(value, self._reads) if isinstance(value, Message) else value


def fields(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    """Yield every field of a message and of the messages in it that are no list, with its path."""
    for field in kind.fields:
        yield (*path, field.name), field
        if field.message_type is not None and not field.is_repeated:
            yield from fields(field.message_type, (*path, field.name))


def holder(request: Message, path: tuple[str, ...]) -> Message:
    """Return the message that holds the field of a path, which is then present."""
    for name in path[:-1]:
        request = getattr(request, name)
        request.SetInParent()
    return request


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map: its keys are looked up, and the limit of its body is its own."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


LISTS = [
    pytest.param(kind, path, id=f"{kind.__name__}.{'.'.join(path)}")
    for kind in CHECKS
    for path, field in fields(kind.DESCRIPTOR)
    if field.is_repeated and not is_map(field) and ".".join(path) not in OUTPUT_ONLY
]


@pytest.mark.parametrize(("kind", "path"), LISTS)
def test_of_a_list_no_entry_beyond_its_limit_is_read(kind: type[Message], path: tuple[str, ...]) -> None:
    """A list of 40,000 entries is refused after as many reads as one of 2,000, and 32 of its faults are told."""

    def reads_of(entries: int) -> int:
        request, reads = kind(), [0]
        listed = getattr(holder(request, path), path[-1])
        if isinstance(getattr(listed, "add", None), Callable):  # type: ignore[arg-type]
            for _ in range(entries):
                listed.add()
        else:
            field = holder(request, path).DESCRIPTOR.fields_by_name[path[-1]]
            listed.extend([0 if field.enum_type else ""] * entries)
        with pytest.raises(FieldsInvalid) as refusal:
            CHECKS[kind](Counted(request, reads))
        assert len(refusal.value.violations) <= MOST_NOTED
        assert any(f"has {entries} entries" in violation.description for violation in refusal.value.violations)
        return reads[0]

    assert reads_of(40_000) == reads_of(2_000)


UPDATES = {people.UpdateAgentRequest, people.UpdatePoolRequest}
TEXTS = [
    pytest.param(kind, path, id=f"{kind.__name__}.{'.'.join(path)}")
    for kind in CHECKS
    for path, field in fields(kind.DESCRIPTOR)
    if field.type == FieldDescriptor.TYPE_STRING
    and not field.is_repeated
    and (".".join(path) not in OUTPUT_ONLY or (kind in UPDATES and path[-1] in {"name", "etag"}))
]
LONG = ["a" * 60_000, "en" + "-abcd" * 12_000, "sites/default/agents/" + "a" * 60_000]


@pytest.mark.parametrize(("kind", "path"), TEXTS)
def test_a_text_above_the_limit_of_its_field_is_refused(kind: type[Message], path: tuple[str, ...]) -> None:
    """Every text of every request has a limit: 60,000 characters of the form that the field takes are too many."""
    for text in LONG:
        request = kind()
        setattr(holder(request, path), path[-1], text)
        if kind is people.UpdateAgentRequest:
            request.update_mask.paths.append("*")  # type: ignore[attr-defined]
        with pytest.raises(MatcherError) as refusal:
            CHECKS[kind](request)
        assert isinstance(refusal.value, FieldsInvalid)
        named = {violation.field for violation in refusal.value.violations}
        assert ".".join(path) in named, named


ENTRIES = [
    pytest.param(kind, path, inner.name if inner is not None else "", id=f"{kind.__name__}.{'.'.join(path)}")
    for kind in CHECKS
    # Each of their requests is checked as RouteMessage, or RecordOutcome, checks it.
    if kind not in {pb.RouteMessagesRequest, feedback_pb2.RecordOutcomesRequest}
    for path, field in fields(kind.DESCRIPTOR)
    if field.is_repeated and not is_map(field) and ".".join(path) not in OUTPUT_ONLY
    for inner in ([None] if field.message_type is None else field.message_type.fields)
    if (inner or field).type == FieldDescriptor.TYPE_STRING
]


@pytest.mark.parametrize(("kind", "path", "inner"), ENTRIES)
def test_an_entry_above_the_limit_of_its_list_is_refused(
    kind: type[Message], path: tuple[str, ...], inner: str
) -> None:
    """A language tag, a skill, a pool or a handle of 60,000 characters is a wrong entry of its list."""
    for text in LONG:
        request = kind()
        listed = getattr(holder(request, path), path[-1])
        if inner:
            entry = listed.add()
            if entry.DESCRIPTOR.fields_by_name[inner].is_repeated:
                getattr(entry, inner).append(text)
            else:
                setattr(entry, inner, text)
        else:
            listed.append(text)
        with pytest.raises(FieldsInvalid) as refusal:
            CHECKS[kind](request)
        assert any(violation.field.startswith(f"{'.'.join(path)}[0]") for violation in refusal.value.violations)
