"""Invalid requests: the code, the reason, every wrong field at once, and no service is called."""

from __future__ import annotations

from typing import Any, cast

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.errors import FieldsInvalid, FieldViolation
from matcher.rpc.status import status_of
from matcher.rpc.validation.violations import MOST_NOTED, page_token
from matcher.v1 import coverage_pb2 as coverage
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2 as feedback
from matcher.v1 import keys_pb2
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.bad_customers import CUSTOMER_CASES
from tests.rpc.bad_keys import KEY_CASES
from tests.rpc.bad_roster import BILLING, MAYA, ROSTER_CASES, SITE, policy
from tests.rpc.conftest import Service, failure, failure_of
from tests.rpc.feedback_cases import FEEDBACK_CASES

OFFER = "sites/default/reservations/01JR"


def message(**fields: Any) -> routing.Message:
    """Return a valid message with these fields."""
    return routing.Message(**{"text": "My shoes have a hole.", **fields})


def route(**fields: Any) -> routing.RouteMessageRequest:
    """Return a valid request with these fields."""
    return routing.RouteMessageRequest(**{"parent": SITE, "message": message(), **fields})


CASES: dict[str, tuple[Any, set[str]]] = {
    "nothing at all": (routing.RouteMessageRequest(), {"parent", "message.text"}),
    "no messages": (routing.RouteMessagesRequest(), {"parent", "requests"}),
    "messages that differ from their batch, or repeat a contact": (
        routing.RouteMessagesRequest(
            parent=SITE,
            requests=[
                route(contact_id="c-1"),
                route(),
                route(contact_id="c-1"),
                route(contact_id="c-2", parent="sites/another"),
            ],
        ),
        {"requests[1].contact_id", "requests[2].contact_id", "requests[3].parent"},
    ),
    "empty text": (route(message=message(text="")), {"message.text"}),
    "only white space": (route(message=message(text=" \n\t\u2003")), {"message.text"}),
    "no text, and interests that are wrong": (
        route(message=message(text="", customer_interests=["reefs", "", " ", "r" * 513])),
        {f"message.customer_interests[{number}]" for number in (1, 2, 3)},
    ),
    "too many interests": (
        route(message=message(customer_interests=["reefs"] * 17)),
        {"message.customer_interests"},
    ),
    "a share of no interests": (
        route(message=message(customer_interests_shareable=True)),
        {"message.customer_interests_shareable"},
    ),
    "a media type without a text": (
        route(message=message(text="", media_type="text/html", customer_interests=["reefs"])),
        {"message.media_type"},
    ),
    "interests for an agent who is named": (
        routing.TransferContactRequest(
            name="sites/default/contacts/c-1", agent=MAYA, message=routing.Message(customer_interests=["reefs"])
        ),
        {"message.customer_interests"},
    ),
    "text too long": (route(message=message(text="é" * 8001)), {"message.text"}),
    "media type unknown": (route(message=message(media_type="text/markdown")), {"message.media_type"}),
    "mail too long": (route(message=message(text="e" * 262_145, media_type="text/html")), {"message.text"}),
    "everything wrong in a message": (
        route(
            pool="sites/other/pools/billing",
            contact_id="a contact",
            request_id="r\n1",
            message=message(
                text="",
                customer="c" * 257,
                channel="Chat!",
                language="e",
                required_skills=[
                    routing.RequiredSkill(skill="billing", level=101),
                    routing.RequiredSkill(skill="", level=1),
                    routing.RequiredSkill(skill="billing", level=-1),
                ],
                excluded_agents=["sites/other/agents/tom", "tom", MAYA],
            ),
        ),
        {
            "pool",
            "contact_id",
            "request_id",
            "message.customer",
            "message.channel",
            "message.language",
            "message.required_skills[0].level",
            "message.required_skills[1].skill",
            "message.required_skills[2]",
            "message.required_skills[2].level",
            "message.excluded_agents[0]",
            "message.excluded_agents[1]",
        },
    ),
    "too many excluded agents": (route(message=message(excluded_agents=[MAYA] * 257)), {"message.excluded_agents"}),
    "contact id too long": (route(contact_id="c" * 129), {"contact_id"}),
    "request id too long": (route(request_id="r" * 129), {"request_id"}),
    "a site that is no resource name": (route(parent="default"), {"parent"}),
    "a site with upper-case letters": (route(parent="sites/Default"), {"parent"}),
    "a site that would break a key": (route(parent="sites/a}b"), {"parent"}),
    "a pool of another kind": (route(pool=MAYA), {"pool"}),
    "too many candidates": (
        routing.SuggestAgentsRequest(parent=SITE, message=message(), max_candidates=101),
        {"max_candidates"},
    ),
    "a negative number of candidates": (
        routing.SuggestAgentsRequest(parent=SITE, message=message(text=""), max_candidates=-1),
        {"max_candidates", "message.text"},
    ),
    "a reservation without a name": (routing.AcceptReservationRequest(fence=-1), {"name", "fence"}),
    "a contact instead of a reservation": (
        routing.CompleteReservationRequest(name="sites/default/contacts/c-1"),
        {"name"},
    ),
    "a transfer that releases somehow": (
        routing.TransferContactRequest(name="sites/default/contacts/c-1", release=cast("routing.Release.ValueType", 9)),
        {"release"},
    ),
    "a wrap-up of no reservation": (routing.EndWrapUpRequest(name="sites/default", fence=-1), {"name", "fence"}),
    "a name with too many parts": (routing.CancelReservationRequest(name=f"{OFFER}/x"), {"name"}),
    "a decline with a long reason and a negative time": (
        routing.DeclineReservationRequest(name=OFFER, reason="r" * 257, retry_after=Duration(seconds=-1)),
        {"reason", "retry_after"},
    ),
    "a decline for longer than a week": (
        routing.DeclineReservationRequest(name=OFFER, retry_after=Duration(seconds=7 * 86400, nanos=1)),
        {"retry_after"},
    ),
    "a renewal for no time": (routing.RenewReservationRequest(name=OFFER, duration=Duration()), {"duration"}),
    "a duration whose parts disagree": (
        routing.RenewReservationRequest(name=OFFER, duration=Duration(seconds=9, nanos=-5)),
        {"duration"},
    ),
    "a duration of too many nanoseconds": (
        routing.RenewReservationRequest(name=OFFER, duration=Duration(seconds=9, nanos=1_000_000_000)),
        {"duration"},
    ),
    "no reservation to read": (routing.GetReservationRequest(), {"name"}),
    "no contact to read": (routing.GetContactRequest(name="sites/default/contacts/a contact"), {"name"}),
    "a page of contacts without a site": (
        routing.ListContactsRequest(
            pool=BILLING,
            state=cast("routing.ContactState.ValueType", 9),
            page_size=-1,
            page_token="bWF5YQ==",
        ),
        {"parent", "state", "page_size", "page_token"},
    ),
    "a page of contacts of another site's pool": (
        routing.ListContactsRequest(parent=SITE, pool="sites/other/pools/billing"),
        {"pool"},
    ),
    "no contact to transfer, to no pool and no agent": (
        routing.TransferContactRequest(name=MAYA, pool=MAYA, agent=SITE, wait_duration=Duration(seconds=1)),
        {"name", "pool", "agent", "wait_duration"},
    ),
    "transferred to an agent by name and by a message": (
        routing.TransferContactRequest(
            name=f"{SITE}/contacts/c-1", agent=MAYA, message=message(customer="ann", channel="chat")
        ),
        {"message.text", "message.customer", "message.channel"},
    ),
    "transferred to an agent who is excluded, beside another who is preferred": (
        routing.TransferContactRequest(
            name=f"{SITE}/contacts/c-1",
            agent=MAYA,
            message=routing.Message(
                excluded_agents=[f"{SITE}/agents/tom", MAYA],
                preferred_agents=[routing.PreferredAgent(agent=f"{SITE}/agents/ann")],
            ),
        ),
        {"agent", "message.preferred_agents"},
    ),
    "transferred with a kind of text and without a text, or with white space": (
        routing.TransferContactRequest(
            name=f"{SITE}/contacts/c-1",
            message=routing.Message(media_type="text/html", language_expires_after=Duration(seconds=1)),
        ),
        {"message.media_type", "message.language_expires_after"},
    ),
    "transferred with white space": (
        routing.TransferContactRequest(name=f"{SITE}/contacts/c-1", message=routing.Message(text=" \n")),
        {"message.text"},
    ),
    "requirements that contradict each other": (
        route(
            message=message(
                language_expires_after=Duration(seconds=1),
                required_skills=[routing.RequiredSkill(skill="law"), routing.RequiredSkill(skill="law", level=2)],
                excluded_agents=[MAYA],
                preferred_agents=[
                    routing.PreferredAgent(agent=f"{SITE}/agents/tom"),
                    routing.PreferredAgent(agent=MAYA),
                ],
            )
        ),
        {"message.language_expires_after", "message.required_skills[1]", "message.preferred_agents[1].agent"},
    ),
    "a suggestion of an agent who is excluded": (
        routing.SuggestAgentsRequest(
            parent=SITE,
            message=message(excluded_agents=[MAYA], preferred_agents=[routing.PreferredAgent(agent=MAYA)]),
        ),
        {"message.preferred_agents[0].agent"},
    ),
    "a suggestion by a policy that no pool may have": (
        routing.SuggestAgentsRequest(
            parent=SITE,
            message=message(),
            affinity_floor=1.01,
            affinity_tolerance=-0.1,
            profile_weight=float("nan"),
        ),
        {"affinity_floor", "affinity_tolerance", "profile_weight"},
    ),
    "an assignment of nothing to nobody": (
        routing.AssignContactRequest(name=MAYA, pool=MAYA, actor="a" * 129, request_id="r\n"),
        {"name", "agent", "pool", "actor", "request_id"},
    ),
    "an assignment against what cannot be ignored, to an agent who is excluded": (
        routing.AssignContactRequest(
            name=f"{SITE}/contacts/c-1",
            agent=MAYA,
            message=routing.Message(
                excluded_agents=[MAYA], preferred_agents=[routing.PreferredAgent(agent=f"{SITE}/agents/tom")]
            ),
            ignore_constraints=[
                routing.CONSTRAINT_STATUS,
                routing.CONSTRAINT_CAPACITY,
                routing.CONSTRAINT_KEPT_FOR_WAITING,
                routing.CONSTRAINT_UNSPECIFIED,
                cast("routing.Constraint.ValueType", 99),
            ],
            actor="a\tb",
        ),
        {
            "agent",
            "message.preferred_agents",
            "ignore_constraints[1]",
            "ignore_constraints[2]",
            "ignore_constraints[3]",
            "ignore_constraints[4]",
            "actor",
        },
    ),
    "a single handle, which is empty": (
        routing.LinkCustomerRequest(parent=MAYA, customers=[""]),
        {"parent", "customers", "customers[0]"},
    ),
    "the same handle twice": (routing.LinkCustomerRequest(parent=SITE, customers=["ann", "ann"]), {"customers[1]"}),
    "a rating of six stars": (
        routing.CompleteReservationRequest(name=f"{SITE}/reservations/01J", rating=6),
        {"rating"},
    ),
    "requirements and preferences that end never or too late": (
        route(
            wait_duration=Duration(seconds=1),
            message=message(
                language="de",
                language_expires_after=Duration(seconds=-1),
                required_skills=[routing.RequiredSkill(skill="law", expires_after=Duration(seconds=-1))],
                preferred_agents=[routing.PreferredAgent(agent="maya", expires_after=Duration(seconds=3601))],
            ),
        ),
        {
            "wait_duration",
            "message.language_expires_after",
            "message.required_skills[0].expires_after",
            "message.preferred_agents[0].agent",
            "message.preferred_agents[0].expires_after",
        },
    ),
    "no contact to cancel": (routing.CancelContactRequest(name=MAYA), {"name"}),
    "nothing to touch": (routing.TouchReservationRequest(fence=-1), {"name", "fence"}),
    "no contact to watch": (routing.WatchContactRequest(name=SITE, after_sequence=-1), {"name", "after_sequence"}),
    "events without a site, from no token": (
        routing.WatchEventsRequest(pool=MAYA, resume_token="7", last_events=10_001),
        {"parent", "pool", "resume_token", "last_events"},
    ),
    "events from the token of a list": (
        routing.WatchEventsRequest(parent=SITE, resume_token=page_token("17-5", "contacts")),
        {"resume_token"},
    ),
    "events from no place": (
        routing.WatchEventsRequest(parent=SITE, resume_token=page_token("17", "events")),
        {"resume_token"},
    ),
    "a heartbeat without an agent": (people.BeatAgentRequest(ttl=Duration(seconds=3601)), {"name", "ttl"}),
    "a heartbeat that counts for no time": (people.BeatAgentRequest(name=MAYA, ttl=Duration()), {"ttl"}),
    "a desk without an agent": (people.WatchReservationsRequest(parent=SITE), {"parent"}),
    "no decision to read": (routing.GetDecisionRequest(name="01JD"), {"name"}),
    "a page of reservations without a site": (
        routing.ListReservationsRequest(parent="x", agent="sites/d/pools/x", page_size=-1, page_token="\u00fc"),
        {"parent", "agent", "page_size", "page_token"},
    ),
    "an unknown choice of a pool": (policy("when_overloaded", when_overloaded=9), {"pool.when_overloaded"}),
    "coverage of no pool, for too many days": (
        coverage.GetCoverageRequest(parent="default", pool="sites/default", days=91),
        {"parent", "pool", "days"},
    ),
    **ROSTER_CASES,
    **CUSTOMER_CASES,
    **FEEDBACK_CASES,
    **KEY_CASES,
}

METHODS = {
    method.input_type.full_name: (f"/{kind.full_name}/{method.name}", method.output_type)
    for file in (routing.DESCRIPTOR, people.DESCRIPTOR, customers.DESCRIPTOR, feedback.DESCRIPTOR, keys_pb2.DESCRIPTOR)
    for kind in file.services_by_name.values()
    for method in kind.methods
}


@pytest.mark.parametrize("case", CASES)
async def test_every_wrong_field_is_named_at_once_and_no_service_is_called(service: Service, case: str) -> None:
    """An invalid request gets INVALID_ARGUMENT, FIELDS_INVALID and exactly its wrong fields; no service is called."""
    request, fields = CASES[case]
    path, _ = METHODS[request.DESCRIPTOR.full_name]
    answer = await failure(service.raw(path, request.SerializeToString()))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.reason == "FIELDS_INVALID"
    assert set(answer.violations) == fields
    assert all(answer.violations.values())
    assert service.calls() == []


def test_every_unary_method_is_in_the_table() -> None:
    """Every method has an invalid request here; two have tests of their own, and ListKeys has no field."""
    tested = {request.DESCRIPTOR.full_name for request, _ in CASES.values()}
    assert set(METHODS) - tested == {
        f"matcher.v1.{name}Request" for name in ("ImportAgents", "GetImpactReport", "ListKeys")
    }


async def test_more_wrong_fields_than_are_told_are_counted(service: Service) -> None:
    """A request with 256 wrong names is answered with the first 32 of them, and the count of the others."""
    request = route(message=message(excluded_agents=[f"nobody {n}" for n in range(256)]))
    answer = await failure(service.routing.RouteMessage(request))
    listed = [field for field in answer.violations if field != "*"]
    assert listed == [f"message.excluded_agents[{n}]" for n in range(MOST_NOTED)]
    assert answer.violations["*"] == f"{256 - MOST_NOTED} more fields are wrong"


async def test_more_wrong_fields_than_trailers_can_carry_are_counted() -> None:
    """Of violations that are longer than a client's trailers, as many are told as fit, and the others are counted."""
    violations = [FieldViolation(f"field[{n}]", "is wrong: " + "x" * 990) for n in range(9)]
    answer = failure_of(status_of(FieldsInvalid(violations, more=5)))
    assert list(answer.violations) == ["field[0]", "field[1]", "field[2]", "*"]
    assert answer.violations["*"] == "11 more fields are wrong"
