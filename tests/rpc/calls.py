"""Valid requests, each with the call of a service that it becomes."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model import (
    AgentChange,
    Capacity,
    Constraint,
    Experience,
    Message,
    PoolPolicy,
    Profile,
    Requirements,
    StreamPlace,
    Wait,
)
from matcher.model.customers import Consent, CustomerInterest
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.rpc.validation.violations import page_token
from matcher.v1 import coverage_pb2 as coverage
from matcher.v1 import customers_pb2 as patrons
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.double import NOW_MS
from tests.rpc.feedback_cases import FEEDBACK_CALLS
from tests.rpc.key_calls import KEY_CALLS

ANN_NAME = "sites/default/customers/c0ffee"
MAYA_NAME = "sites/default/agents/maya"
OFFER_NAME = "sites/default/reservations/01JR"
BILLING_NAME = "sites/default/pools/billing"

CALLS: dict[str, tuple[Any, tuple[str, tuple[Any, ...]]]] = {
    "suggest": (
        routing.SuggestAgentsRequest(
            parent="sites/acme",
            message=routing.Message(text="Hi."),
            ignore_availability=True,
            explain_left_out=True,
            affinity_floor=0.0,
            profile_weight=0.5,
        ),
        ("suggest", ("acme", Message("Hi.", "", Requirements()), 8, True, True, (0.0, None, 0.5))),
    ),
    "transfer": (
        routing.TransferContactRequest(
            name="sites/default/contacts/c-1",
            pool="sites/default/pools/night",
            message=routing.Message(text="Hi."),
            request_id="t-1",
            wait=True,
            wait_duration=Duration(seconds=2),
        ),
        (
            "transfer",
            ("default", "c-1", "night", "", Message("Hi.", "", Requirements(pool="night")), "t-1", Wait(2_000)),
        ),
    ),
    "transfer and keep the agent until the new one accepts": (
        routing.TransferContactRequest(name="sites/default/contacts/c-1", agent=MAYA_NAME, release=routing.ON_ACCEPT),
        ("transfer", ("default", "c-1", "", "maya", None, "", None, "keeps the agent")),
    ),
    "transfer by requirements alone": (
        routing.TransferContactRequest(
            name="sites/default/contacts/c-1",
            agent=MAYA_NAME,
            message=routing.Message(
                language="de",
                required_skills=[routing.RequiredSkill(skill="law", level=3)],
                excluded_agents=["sites/default/agents/tom"],
            ),
        ),
        (
            "transfer",
            (
                "default",
                "c-1",
                "",
                "maya",
                Message("", "", Requirements(language="de", skills={"law": 3}, excluded=frozenset({"tom"}))),
                "",
                None,
            ),
        ),
    ),
    "assign": (
        routing.AssignContactRequest(
            name="sites/default/contacts/c-1",
            agent=MAYA_NAME,
            pool="sites/default/pools/night",
            message=routing.Message(language="de"),
            over_capacity=True,
            ignore_constraints=[routing.CONSTRAINT_STATUS],
            accepted=True,
            actor="desk 7",
            request_id="a-1",
        ),
        (
            "assign",
            (
                "default",
                "c-1",
                "maya",
                "night",
                Message("", "", Requirements(pool="night", language="de")),
                True,
                frozenset({Constraint.STATUS}),
                True,
                "desk 7",
                "a-1",
            ),
        ),
    ),
    "link": (
        routing.LinkCustomerRequest(parent="sites/default", customers=["ann@mail", "ann"]),
        ("link", ("default", ("ann@mail", "ann"))),
    ),
    "remember a customer": (
        patrons.PutCustomerRequest(
            parent="sites/default",
            customer=patrons.Customer(
                handles=["ann@mail", "ann"],
                interests=[patrons.CustomerInterest(text=" I sail. ", source="crm")],
                consent=patrons.Consent(
                    basis="terms 3", time=Timestamp(seconds=9), expire_time=Timestamp(seconds=99), shareable=True
                ),
            ),
            request_id="p-1",
        ),
        (
            "put_customer",
            (
                "default",
                "",
                ("ann@mail", "ann"),
                (CustomerInterest("", "I sail.", "crm"),),
                Consent("terms 3", 9_000, 99_000, shareable=True),
                "p-1",
            ),
        ),
    ),
    "forget the interests of a customer": (
        patrons.PutCustomerRequest(parent="sites/default", customer=patrons.Customer(name=ANN_NAME)),
        ("put_customer", ("default", "c0ffee", (), (), None, "")),
    ),
    "what customers bring up": (
        coverage.GetCoverageRequest(parent="sites/default", pool="sites/default/pools/sales", days=7),
        ("coverage", ("default", "sales", 7)),
    ),
    "what customers of the default pool bring up in four weeks": (
        coverage.GetCoverageRequest(parent="sites/default"),
        ("coverage", ("default", "default", 28)),
    ),
    "read a customer": (patrons.GetCustomerRequest(name=ANN_NAME), ("customer", ("default", "c0ffee", False))),
    "read a customer with what has ended": (
        patrons.GetCustomerRequest(name=ANN_NAME, with_ended_contacts=True),
        ("customer", ("default", "c0ffee", True)),
    ),
    "look a customer up": (
        patrons.LookupCustomerRequest(parent="sites/default", handle="ann@mail/1", with_ended_contacts=True),
        ("customer_of", ("default", "ann@mail/1", True)),
    ),
    "list customers": (
        patrons.ListCustomersRequest(parent="sites/default", page_token=page_token("9|c0ffee", "customers")),
        ("customers", ("default", 50, "9|c0ffee")),
    ),
    "forget a customer": (
        patrons.ForgetCustomerRequest(name=ANN_NAME, force=True),
        ("forget_customer", ("default", "c0ffee", True)),
    ),
    "forget the customer of a handle": (
        patrons.ForgetCustomerRequest(parent="sites/default", handle="ann@mail/1", force=True),
        ("forget_handle", ("default", "ann@mail/1", True)),
    ),
    "forget an agent": (people.ForgetAgentRequest(name=MAYA_NAME), ("forget_agent", ("default", "maya", False))),
    "join the handles of a customer": (
        patrons.LinkCustomersRequest(parent="sites/default", handles=["ann@mail", "ann"]),
        ("link_customers", ("default", ("ann@mail", "ann"))),
    ),
    "accept": (routing.AcceptReservationRequest(name=OFFER_NAME, fence=9), ("accept", ("default", "01JR", 9))),
    "decline": (
        routing.DeclineReservationRequest(name=OFFER_NAME, reason="lunch", retry_after=Duration(seconds=60)),
        ("decline", ("default", "01JR", 0, "lunch", 60_000)),
    ),
    "decline forever": (
        routing.DeclineReservationRequest(name=OFFER_NAME),
        ("decline", ("default", "01JR", 0, "", None)),
    ),
    "renew": (
        routing.RenewReservationRequest(name=OFFER_NAME, duration=Duration(seconds=1, nanos=500_000_000)),
        ("renew", ("default", "01JR", 0, 1_500)),
    ),
    "complete": (
        routing.CompleteReservationRequest(name=OFFER_NAME, resolved=False, rating=2),
        ("complete", ("default", "01JR", 0, Experience(resolved=False, rating=2))),
    ),
    "end a wrap-up": (routing.EndWrapUpRequest(name=OFFER_NAME, fence=7), ("end_wrap_up", ("default", "01JR", 7))),
    "cancel": (routing.CancelReservationRequest(name=OFFER_NAME), ("cancel", ("default", "01JR", 0))),
    "read a reservation": (routing.GetReservationRequest(name=OFFER_NAME), ("reservation", ("default", "01JR"))),
    "list reservations": (
        routing.ListReservationsRequest(parent="sites/default", agent=MAYA_NAME, page_size=5000),
        ("reservations", ("default", "maya", 1000, "")),
    ),
    "read a contact": (
        routing.GetContactRequest(name="sites/default/contacts/C:1"),
        ("contact", ("default", "C:1")),
    ),
    "list contacts": (
        routing.ListContactsRequest(parent="sites/default", pool=BILLING_NAME, state=routing.CONTACT_QUEUED),
        ("contacts", ("default", "billing", ContactState.QUEUED, 50, "")),
    ),
    "list all contacts": (
        routing.ListContactsRequest(parent="sites/default", page_token=page_token("9|c-1", "contacts"), page_size=3),
        ("contacts", ("default", None, None, 3, "9|c-1")),
    ),
    "cancel a contact": (
        routing.CancelContactRequest(name="sites/default/contacts/C:1"),
        ("cancel_contact", ("default", "C:1")),
    ),
    "touch": (routing.TouchReservationRequest(name=OFFER_NAME, fence=9), ("touch", ("default", "01JR", 9))),
    "watch a contact": (
        routing.WatchContactRequest(name="sites/default/contacts/C:1", after_sequence=7),
        ("watch_contact", ("default", "C:1", 7, False)),
    ),
    "watch a site": (
        routing.WatchEventsRequest(parent="sites/default", last_events=50),
        ("watch_events", ("default", None, None, 50)),
    ),
    "resume watching a pool": (
        routing.WatchEventsRequest(
            parent="sites/default", pool=BILLING_NAME, resume_token=page_token("17-1795000000123", "events")
        ),
        ("watch_events", ("default", "billing", StreamPlace(17, NOW_MS), 0)),
    ),
    "watch a desk": (
        people.WatchReservationsRequest(parent=MAYA_NAME),
        ("watch_reservations", ("default", "maya")),
    ),
    "beat": (people.BeatAgentRequest(name=MAYA_NAME), ("beat", ("default", "maya", 30_000))),
    "beat for longer": (
        people.BeatAgentRequest(name=MAYA_NAME, ttl=Duration(seconds=90)),
        ("beat", ("default", "maya", 90_000)),
    ),
    "read a decision": (
        routing.GetDecisionRequest(name="sites/default/decisions/01JD"),
        ("decision", ("default", "01JD")),
    ),
    "read an agent": (people.GetAgentRequest(name=MAYA_NAME), ("agent", ("default", "maya"))),
    "list agents": (
        people.ListAgentsRequest(parent="sites/default", pool=BILLING_NAME, with_holds=True, status=people.DRAINING),
        ("agents", ("default", 50, "", "billing", AgentStatus.DRAINING, True)),
    ),
    "create an agent without a status": (
        people.CreateAgentRequest(
            parent="sites/default", agent_id="maya", agent=people.Agent(interests=[" I run. ", "I bake."])
        ),
        ("create_agent", ("default", "maya", Profile("", ("I run.", "I bake.")), AgentStatus.OFFLINE)),
    ),
    "change the fields that are set": (
        people.UpdateAgentRequest(agent=people.Agent(name=MAYA_NAME, display_name="M", etag='W/"7"', load=3)),
        ("update_agent", ("default", "maya", AgentChange(display_name="M"), 'W/"7"')),
    ),
    "change the fields that the mask names": (
        people.UpdateAgentRequest(
            agent=people.Agent(name=MAYA_NAME, display_name="M", status=people.ONLINE),
            update_mask=FieldMask(paths=["skills", "pools", "capacity", "status"]),
        ),
        (
            "update_agent",
            (
                "default",
                "maya",
                AgentChange(skills={}, pools=("default",), capacity=Capacity(), status=AgentStatus.ONLINE),
                "",
            ),
        ),
    ),
    "change all fields": (
        people.UpdateAgentRequest(
            agent=people.Agent(name=MAYA_NAME, interests=["I run."]), update_mask=FieldMask(paths=["*"])
        ),
        (
            "update_agent",
            (
                "default",
                "maya",
                AgentChange("", ("I run.",), {}, (), Capacity(), ("default",), "", None),
                "",
            ),
        ),
    ),
    "remove an agent": (
        people.DeleteAgentRequest(name=MAYA_NAME, etag="e", force=True),
        ("delete_agent", ("default", "maya", "e", True)),
    ),
    "set a status": (
        people.SetAgentStatusRequest(name=MAYA_NAME, status=people.DRAINING, reason="lunch"),
        ("set_status", ("default", "maya", AgentStatus.DRAINING, "lunch")),
    ),
    "create a pool": (
        people.CreatePoolRequest(
            parent="sites/default",
            pool_id="billing",
            pool=people.Pool(wrap_up_duration=Duration(), affinity_floor=0.0, offer_duration=Duration(seconds=9)),
        ),
        ("create_pool", ("default", "billing", PoolPolicy(offer_ms=9_000, wrap_up_ms=0, affinity_floor=0.0))),
    ),
    "read a pool": (people.GetPoolRequest(name=BILLING_NAME), ("pool", ("default", "billing"))),
    "list pools": (people.ListPoolsRequest(parent="sites/default"), ("pools", ("default", 50, ""))),
    "change a pool's set fields": (
        people.UpdatePoolRequest(pool=people.Pool(name=BILLING_NAME, affinity_tolerance=0.0)),
        ("update_pool", ("default", "billing", {"affinity_tolerance": 0.0}, "")),
    ),
    "set another scorer for a pool": (
        people.UpdatePoolRequest(pool=people.Pool(name=BILLING_NAME, scorer="untrained")),
        ("update_pool", ("default", "billing", {"scorer": "untrained"}, "")),
    ),
    "reset the scorer of a pool": (
        people.UpdatePoolRequest(pool=people.Pool(name=BILLING_NAME), update_mask=FieldMask(paths=["scorer"])),
        ("update_pool", ("default", "billing", {"scorer": ""}, "")),
    ),
    "reset a pool's fields": (
        people.UpdatePoolRequest(
            pool=people.Pool(name=BILLING_NAME, etag="e"),
            update_mask=FieldMask(paths=["affinity_floor", "offer_duration"]),
        ),
        ("update_pool", ("default", "billing", {"affinity_floor": None, "offer_ms": None}, "e")),
    ),
    "set one wrap-up of a pool, and another to nothing": (
        people.UpdatePoolRequest(
            pool=people.Pool(name=BILLING_NAME, wrap_up=people.WrapUp(after_cancel=Duration(seconds=5))),
            update_mask=FieldMask(paths=["wrap_up.after_cancel", "wrap_up.after_transfer"]),
        ),
        ("update_pool", ("default", "billing", {"after_transfer_ms": None, "after_cancel_ms": 5_000}, "")),
    ),
    "set the wrap-ups of a pool": (
        people.UpdatePoolRequest(
            pool=people.Pool(name=BILLING_NAME, wrap_up=people.WrapUp(after_expiry=Duration(seconds=5))),
            update_mask=FieldMask(paths=["wrap_up"]),
        ),
        (
            "update_pool",
            (
                "default",
                "billing",
                {
                    "after_complete_ms": None,
                    "after_transfer_ms": None,
                    "after_cancel_ms": None,
                    "after_expiry_ms": 5_000,
                },
                "",
            ),
        ),
    ),
    "set the wrap-up that is given": (
        people.UpdatePoolRequest(
            pool=people.Pool(
                name=BILLING_NAME,
                wrap_up=people.WrapUp(after_complete=Duration()),
                second_complete_ends_wrap_up=True,
            )
        ),
        (
            "update_pool",
            ("default", "billing", {"after_complete_ms": 0, "second_complete_ends_wrap_up": True}, ""),
        ),
    ),
    "remove a pool": (people.DeletePoolRequest(name=BILLING_NAME), ("delete_pool", ("default", "billing", ""))),
    "create a site": (people.CreateSiteRequest(site_id="acme"), ("create_site", ("acme",))),
    "list sites": (people.ListSitesRequest(page_size=2), ("sites", (2, ""))),
    "read how much of its quotas a site uses": (people.GetUsageRequest(name="sites/acme"), ("usage", ("acme",))),
    "draw the interests of a pool": (
        people.GetInterestMapRequest(parent="sites/default", pool=BILLING_NAME, max_interests=9),
        ("interest_map", ("default", "billing", 9)),
    ),
    "draw two thousand interests of the default pool": (
        people.GetInterestMapRequest(parent="sites/default"),
        ("interest_map", ("default", "default", 2_000)),
    ),
    "remove a site": (people.DeleteSiteRequest(name="sites/acme", force=True), ("delete_site", ("acme", True))),
    **FEEDBACK_CALLS,
    **KEY_CALLS,
}
