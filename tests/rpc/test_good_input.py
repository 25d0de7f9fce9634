"""Valid requests: the values that reach the services, and the answers that come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from matcher.model import (
    Agent,
    Capacity,
    ChannelCapacity,
    Constraint,
    Degraded,
    LeftOut,
    Message,
    Profile,
    Requirements,
    ReservedOutcome,
    StreamPlace,
    Unmatched,
    WhenOverloaded,
)
from matcher.model.lifecycle import AgentStatus
from matcher.rpc import convert, resource_names
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import roster as check_roster
from matcher.rpc.validation.violations import Violations, page_token
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2 as feedback
from matcher.v1 import keys_pb2
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.calls import BILLING_NAME, CALLS, MAYA_NAME, OFFER_NAME
from tests.rpc.conftest import Service
from tests.rpc.double import NOW_MS
from tests.rpc.doubles import CANDIDATE, DECISION, MAYA, OFFER

ids = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True)
lines = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(str.strip).filter(bool)
profiles = st.builds(
    Profile,
    display_name=st.text(st.characters(codec="utf-8"), max_size=20),
    interests=st.lists(lines, min_size=1, max_size=5, unique_by=str.casefold).map(tuple),
    skills=st.dictionaries(ids, st.integers(1, 100), max_size=3),
    languages=st.lists(st.sampled_from(["en", "sv-SE", "zh_Hant", "fil"]), unique=True).map(tuple),
    capacity=st.builds(
        Capacity,
        total=st.integers(0, 1_000_000),
        channels=st.dictionaries(
            ids,
            st.builds(ChannelCapacity, cost=st.integers(1, 1_000_000), max=st.integers(0, 1_000_000)),
            max_size=3,
        ),
    ),
    pools=st.lists(ids, min_size=1, max_size=3, unique=True).map(tuple),
    manager=st.just("") | ids,
)


@given(profile=profiles, status=st.sampled_from(AgentStatus), site=ids)
def test_an_agent_that_is_read_and_written_back_is_the_same(profile: Profile, status: AgentStatus, site: str) -> None:
    """The answer of GetAgent can be sent to CreateAgent as it is, and gives the same agent."""
    agent = Agent("maya", profile, status, 7, 5, NOW_MS, NOW_MS, NOW_MS)
    request = people.CreateAgentRequest(
        parent=f"sites/{site}", agent_id="maya", agent=convert.agent(site, agent, with_holds=True)
    )
    assert check_roster.create_agent(request) == (site, "maya", profile, status)


@given(kind=st.sampled_from(Kind), site=ids, identifier=ids)
def test_a_resource_name_parses_to_its_parts(kind: Kind, site: str, identifier: str) -> None:
    """A resource name parses to its site and id with its own kind, and with no other kind."""
    name = resource_names.name(kind, site, identifier)
    assert resource_names.parse(name, kind) == (site, identifier)
    assert all(resource_names.parse(name, other) is None for other in Kind if other is not kind)
    assert resource_names.parse(f"{name}\n", kind) is None


@given(after=st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True), size=st.integers(0, 2_000))
def test_a_page_token_works_only_in_its_own_list(after: str, size: int) -> None:
    """A token gives its key back; the token of another list is a violation."""
    wrong = Violations()
    assert wrong.page(size, page_token(after, "agents"), "agents") == (min(size or 50, 1000), after)
    wrong.refuse()
    wrong.page(size, page_token(after, "agents"), "pools")
    with pytest.raises(Exception, match="page_token"):
        wrong.refuse()


async def test_every_field_of_a_route_reaches_the_router(service: Service) -> None:
    """Every field of a RouteMessageRequest arrives, names as ids, level 0 as 1; the answer has the reservation."""
    request = routing.RouteMessageRequest(
        parent="sites/default",
        pool=BILLING_NAME,
        message=routing.Message(
            text=" My dog. ",
            customer="c",
            channel="voice",
            language="en-GB",
            required_skills=[routing.RequiredSkill(skill="billing")],
            excluded_agents=["sites/default/agents/tom"],
        ),
        contact_id="C:1",
        request_id="r 1",
        auto_accept=True,
        explain_unmatched=True,
    )
    answer = await service.routing.RouteMessage(request)
    (call,) = service.doubles.router.calls
    site, message, contact_id, request_id, digest, auto_accept, explain = call[1]
    requirements = Requirements("billing", "voice", "en-GB", {"billing": 1}, frozenset({"tom"}))
    assert (site, message) == ("default", Message(" My dog. ", "c", requirements))
    assert (contact_id, request_id, auto_accept, explain) == ("C:1", "r 1", True, True)
    # The digest is of the request without its id and without explain_unmatched.
    digested = routing.RouteMessageRequest.FromString(digest)
    assert (digested.request_id, digested.explain_unmatched) == ("", False)
    digested.request_id, digested.explain_unmatched = "r 1", True
    assert digested == request
    assert answer.reservation.name == OFFER_NAME
    assert (answer.contact, answer.decision) == ("sites/default/contacts/c-1", "sites/default/decisions/01JD")
    assert answer.reservation.expire_time.ToMilliseconds() == NOW_MS + 30_000
    assert not answer.reservation.HasField("accept_time")
    assert answer.candidate.reasons[0].interest == "I bake dark rye."


async def test_a_message_with_only_a_text_gets_the_defaults(service: Service) -> None:
    """A text alone is routed in the default pool, by chat, in any language."""
    await service.routing.RouteMessage(
        routing.RouteMessageRequest(parent="sites/default", message=routing.Message(text="x" * 8000))
    )
    assert service.doubles.router.calls[0][1][1].requirements == Requirements()


async def test_unmatched_is_an_answer_with_its_reasons(service: Service) -> None:
    """No agent is free: OK, with the constraint, the counts in their order, and the agents who would have matched."""
    service.doubles.router.answers["route"] = Unmatched(
        "c-2", Constraint.CAPACITY, LeftOut({Constraint.CAPACITY: 3, Constraint.CHANNEL: 1}), (CANDIDATE,)
    )
    answer = await service.routing.RouteMessage(
        routing.RouteMessageRequest(parent="sites/default", message=routing.Message(text="Hello."))
    )
    assert (answer.contact, answer.decision) == ("sites/default/contacts/c-2", "")
    assert answer.unmatched.reason == routing.CONSTRAINT_CAPACITY
    assert [(count.constraint, count.agents) for count in answer.unmatched.left_out] == [
        (routing.CONSTRAINT_CHANNEL, 1),
        (routing.CONSTRAINT_CAPACITY, 3),
    ]
    assert answer.unmatched.would_match[0].agent == MAYA_NAME


METHODS = {
    method.input_type.full_name: f"/{kind.full_name}/{method.name}"
    for file in (routing.DESCRIPTOR, people.DESCRIPTOR, customers.DESCRIPTOR, feedback.DESCRIPTOR, keys_pb2.DESCRIPTOR)
    for kind in file.services_by_name.values()
    for method in kind.methods
}


@pytest.mark.parametrize("case", CALLS)
async def test_a_valid_request_becomes_one_call_with_plain_values(service: Service, case: str) -> None:
    """Each request calls exactly one method, with ids for names, milliseconds for durations, None for unset fields."""
    request, call = CALLS[case]
    await service.raw(METHODS[request.DESCRIPTOR.full_name], request.SerializeToString())
    assert service.calls() == [call]


async def test_an_agent_s_holds_are_shown_by_get_only(service: Service) -> None:
    """GetAgent returns load and holds; the other methods, which do not read them, return none."""
    read = await service.people.GetAgent(people.GetAgentRequest(name=MAYA_NAME))
    assert (read.load, read.holds[0].reservation, read.etag) == (30, OFFER_NAME, 'W/"7"')
    updated = await service.people.SetAgentStatus(people.SetAgentStatusRequest(name=MAYA_NAME, status=people.ONLINE))
    assert (updated.load, list(updated.holds)) == (0, [])
    assert updated == convert.agent("default", MAYA)


async def test_a_pool_shows_the_values_that_are_set_and_those_in_force(service: Service) -> None:
    """The pool has the floor, which is set, not the tolerance, which is not set, and both effective values."""
    pool = await service.people.GetPool(people.GetPoolRequest(name=BILLING_NAME))
    assert (pool.affinity_floor, pool.HasField("affinity_tolerance")) == (0.5, False)
    assert (pool.effective_affinity_floor, pool.effective_affinity_tolerance) == (0.5, 0.0625)
    assert pool.offer_duration.seconds == 30


@pytest.mark.parametrize("choice", list(WhenOverloaded))
async def test_a_pool_chooses_what_becomes_of_a_message_in_overload(service: Service, choice: WhenOverloaded) -> None:
    """It is refused unless the pool says otherwise; the field can be set, and set back."""
    pool = people.Pool(name=BILLING_NAME, when_overloaded=convert.WHEN_OVERLOADED[choice])
    shown = await service.people.UpdatePool(people.UpdatePoolRequest(pool=pool))
    assert service.doubles.pools.calls[-1][1][2] == {"when_overloaded": choice}
    assert shown.when_overloaded == people.WHEN_OVERLOADED_REFUSE
    unset = people.UpdatePoolRequest(
        pool=people.Pool(name=BILLING_NAME), update_mask=FieldMask(paths=["when_overloaded"])
    )
    await service.people.UpdatePool(unset)
    assert service.doubles.pools.calls[-1][1][2] == {"when_overloaded": None}


@pytest.mark.parametrize("why", [None, *Degraded])
async def test_an_answer_says_why_a_message_was_not_compared(why: Degraded | None) -> None:
    """The answer of a route and the record of the decision."""
    expected = routing.Degraded.Value(why.name) if why else routing.DEGRADED_UNSPECIFIED
    answer = convert.route_response("default", ReservedOutcome(OFFER, CANDIDATE, replayed=False, degraded=why))
    assert answer.degraded == expected
    record = replace(DECISION, ranking=replace(DECISION.ranking, degraded=why))
    assert convert.decision("default", record).degraded == expected


async def test_a_watch_can_be_resumed_by_its_token(service: Service) -> None:
    """An answer has an event with contact and cause, and a token; the token leads back to the event's place."""
    watch: Any = service.routing.WatchEvents(routing.WatchEventsRequest(parent="sites/default"))
    (answer,) = [item async for item in watch]
    event = answer.event
    assert (event.contact, event.reservation, event.agent) == ("sites/default/contacts/c-1", OFFER_NAME, MAYA_NAME)
    assert (event.sequence, event.state, event.cause) == (3, routing.CONTACT_RESERVED, routing.CAUSE_OFFERED)
    assert event.time.ToMilliseconds() == NOW_MS
    again: Any = service.routing.WatchEvents(
        routing.WatchEventsRequest(parent="sites/default", resume_token=answer.resume_token)
    )
    assert [item async for item in again] == [answer]
    assert service.doubles.watch.calls[1][1][2] == StreamPlace(17, NOW_MS)
    watched: Any = service.routing.WatchContact(routing.WatchContactRequest(name="sites/default/contacts/c-1"))
    assert [item async for item in watched] == [event]


async def test_a_sign_of_life_of_a_contact_has_its_place_and_no_cause(service: Service) -> None:
    """With include_progress a sign follows the step: its sequence and state again, the time of now, and the place."""
    request = routing.WatchContactRequest(name="sites/default/contacts/c-1", include_progress=True)
    watched: Any = service.routing.WatchContact(request)
    step, sign = [item async for item in watched]
    assert (sign.contact, sign.sequence, sign.state) == (step.contact, step.sequence, step.state)
    assert (step.cause, sign.cause) == (routing.CAUSE_OFFERED, routing.CAUSE_UNSPECIFIED)
    assert (step.HasField("queued"), sign.queued.position) == (False, 3)
    assert sign.queued.estimated_wait.ToMilliseconds() == 40_000
    assert sign.time.ToMilliseconds() == NOW_MS + 1_000


async def test_a_desk_and_a_heartbeat_are_answered(service: Service) -> None:
    """WatchReservations yields reservations, BeatAgent returns its end, GetPool the number of waiting contacts."""
    desk: Any = service.people.WatchReservations(people.WatchReservationsRequest(parent=MAYA_NAME))
    assert [answer.reservation.name async for answer in desk] == [OFFER_NAME]
    beat = await service.people.BeatAgent(people.BeatAgentRequest(name=MAYA_NAME))
    assert (beat.expire_time.ToMilliseconds(), beat.status) == (NOW_MS, people.ONLINE)
    assert (await service.people.GetPool(people.GetPoolRequest(name=BILLING_NAME))).waiting == 2


async def test_lists_come_page_by_page(service: Service) -> None:
    """A page's token leads to the next page; the last page has none."""
    first = await service.people.ListAgents(people.ListAgentsRequest(parent="sites/default"))
    await service.people.ListAgents(people.ListAgentsRequest(parent="sites/default", page_token=first.next_page_token))
    assert service.doubles.agents.calls[1][1][2] == "maya"
    offers = await service.routing.ListReservations(routing.ListReservationsRequest(parent="sites/default"))
    await service.routing.ListReservations(
        routing.ListReservationsRequest(parent="sites/default", page_token=offers.next_page_token)
    )
    assert service.doubles.reservations.calls[1][1][3] == "9|01JR"
    sites = await service.people.ListSites(people.ListSitesRequest())
    assert ([site.name for site in sites.sites], sites.next_page_token) == (["sites/acme", "sites/default"], "")


async def test_a_removal_is_answered_with_an_empty_message(service: Service) -> None:
    """DeleteSite returns Empty; CreateSite returns the site with its name."""
    assert await service.people.DeleteSite(people.DeleteSiteRequest(name="sites/acme")) == Empty()
    assert (await service.people.CreateSite(people.CreateSiteRequest(site_id="acme"))).name == "sites/acme"


async def test_a_decision_shows_the_candidates_and_the_reasons(service: Service) -> None:
    """GetDecision and SuggestAgents return candidates, floors, counts and the excluded agents."""
    decision = await service.routing.GetDecision(routing.GetDecisionRequest(name="sites/default/decisions/01JD"))
    assert (decision.agent, decision.model, decision.eligible_agents) == (MAYA_NAME, "model-1", 3)
    assert [(count.constraint, count.agents) for count in decision.left_out] == [
        (routing.CONSTRAINT_POOL, 1),
        (routing.CONSTRAINT_CAPACITY, 2),
    ]
    suggest = routing.SuggestAgentsRequest(parent="sites/default", message=routing.Message(text="Hi."))
    answer = await service.routing.SuggestAgents(suggest)
    assert (answer.basis, answer.affinity_floor, answer.units) == (routing.AFFINITY, 0.25, 2)
    assert answer.left_out_agents[0].agent == "sites/default/agents/tom"
    assert [(unit.start, unit.end) for unit in answer.compared] == [(0, 3), (4, 9)]
    assert answer.profile_weight == 0.5
    contact = await service.routing.GetContact(routing.GetContactRequest(name="sites/default/contacts/c-1"))
    assert (contact.state, contact.sequence) == (routing.CONTACT_RESERVED, 3)
    assert list(contact.excluded_agents) == ["sites/default/agents/tom"]
