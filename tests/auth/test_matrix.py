"""Every method by every role: what a request shows is refused before the store is asked, and the rest is not found."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import grpc
import pytest

from matcher.auth.principal import Role
from matcher.auth.table import TABLE, Reach
from matcher.v1 import roster_pb2, routing_pb2
from tests.auth.asked import METHODS, Place, nested, requests_of
from tests.auth.guarded import Guarded
from tests.auth.world import LEADERS, World, settled

DENIED: Final = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND: Final = grpc.StatusCode.NOT_FOUND
ABSENT: Final = Place("acme", "nowhere")


@pytest.fixture(scope="module")
async def world(guarded: Guarded) -> World:
    """Give a service with something in each pool."""
    return await settled(guarded, "acme", "other")


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_is_refused_to_every_role_that_its_row_does_not_name(world: World, method: str) -> None:
    """The refusal asks nothing of the store, and names the roles that are needed."""
    needed = ", ".join(TABLE[method].needed)
    for role in set(Role) - TABLE[method].roles:
        caller = world.of_site(role)
        assert await world.service.is_denied(METHODS[method], caller, *requests_of(METHODS[method], world.billing)), (
            role
        )
        _, sentence = await world.service.refusal(METHODS[method], caller, *requests_of(METHODS[method], world.billing))
        assert sentence == f"{method.rpartition('/')[2]} needs one of these roles: {needed}"


@pytest.mark.parametrize("method", METHODS)
async def test_what_is_in_another_site_is_refused(world: World, method: str) -> None:
    """Of the roles that may call it, each is refused what is not in its site, and the store is not asked."""
    if TABLE[method].reach is Reach.SITES:
        return
    for role in TABLE[method].roles:
        requests = requests_of(METHODS[method], world.elsewhere)
        assert await world.service.is_denied(METHODS[method], world.of_site(role), *requests), role


@pytest.mark.parametrize("method", METHODS)
async def test_a_name_of_another_site_is_refused_in_whatever_field_it_stands(world: World, method: str) -> None:
    """Also inside lists and nested messages, and in fields that the method does not read."""
    for role in TABLE[method].roles:
        for path, requests in nested(METHODS[method], world.billing, world.elsewhere):
            assert await world.service.is_denied(METHODS[method], world.of_site(role), *requests), (role, path)


@pytest.mark.parametrize("method", METHODS)
async def test_another_pool_that_the_request_names_is_refused(world: World, method: str) -> None:
    """So is a request for a whole site, and one for the default pool; the store is not asked."""
    row, made = TABLE[method], METHODS[method]
    for role in row.roles - {Role.AGENT}:
        caller = world.limited(role)
        named, unnamed = (requests_of(made, world.sales, names_pool=names) for names in (True, False))
        if named != unnamed or row.reach is Reach.NAMED:
            assert await world.service.is_denied(made, caller, *named), role
        if row.reach in {Reach.SITE, Reach.SERVICE, Reach.NAMED, Reach.NAMED_OR_SITE}:
            assert await world.service.is_denied(made, caller, *unnamed), role


async def test_what_is_in_another_pool_is_not_found_in_the_same_words_and_nothing_is_written(world: World) -> None:
    """A caller of one pool cannot tell what is in another one from what does not exist; nor can an agent's desk."""
    before = await world.service.everything(["acme", "other"])
    tried = 0
    for method, row in TABLE.items():
        if row.reach is not Reach.STORED:
            continue
        made = METHODS[method]
        (foreign,) = requests_of(made, world.sales, names_pool=False)
        (absent,) = requests_of(made, replace(ABSENT, agents="nobody"), names_pool=False)
        for role in row.roles:
            code, sentence = await world.service.refusal(made, world.limited(role), foreign)
            if role is Role.AGENT and world.sales.agents in str(foreign):
                assert code is DENIED, (method, role)  # the request shows that it is another desk
                continue
            without = await world.service.refusal(made, world.limited(role), absent)
            assert code is NOT_FOUND, (method, role, sentence)
            assert (code, _unnamed(sentence)) == (without[0], _unnamed(without[1])), (method, role)
            tried += 1
    assert tried > 40
    assert await world.service.everything(["acme", "other"]) == before


def _unnamed(sentence: str) -> str:
    """Return a sentence without the name of what is not there."""
    return " ".join(word.rpartition("/")[0] if "/" in word else word for word in sentence.split())


@pytest.mark.parametrize("method", [method for method, row in TABLE.items() if row.reach is Reach.FILTERED])
async def test_a_list_leaves_out_what_is_in_other_pools(world: World, method: str) -> None:
    """The owner of a site sees both pools, the leader of a pool its own."""
    made = METHODS[method]
    (request,) = requests_of(made, replace(world.billing, agents=""), names_pool=False)
    if "agent" in request.DESCRIPTOR.fields_by_name:
        request.agent = ""
    for role in TABLE[method].roles:
        shown = str(await world.service.call(made, world.limited(role), request))
        assert "billing" in shown, role
        assert "sales" not in shown, role
        if role is not Role.AGENT:
            assert "sales" in str(await world.service.call(made, world.of_site(role), request)), role


async def test_the_sites_that_a_caller_may_not_know_are_left_out(world: World) -> None:
    """ListSites shows the sites of the grants, to each role."""
    made = METHODS["/matcher.v1.RosterService/ListSites"]
    for role in LEADERS:
        listed = await world.service.call(made, world.of_site(role), roster_pb2.ListSitesRequest())
        assert [site.name for site in listed.sites] == ["sites/acme"]


async def test_a_contact_of_another_pool_cannot_be_taken_by_routing_it_again(world: World) -> None:
    """A platform of one pool that guesses the id of a contact of another pool gets nothing of it."""
    before = await world.service.everything(["acme"])
    asked = routing_pb2.RouteMessageRequest(
        parent="sites/acme",
        pool="sites/acme/pools/billing",
        message=routing_pb2.Message(text="My shoes have a hole."),
        contact_id="c-sales",
        wait=True,
    )
    batch = routing_pb2.RouteMessagesRequest(parent="sites/acme", requests=[asked])
    caller = world.limited(Role.PLATFORM)
    code, sentence = await world.service.refusal(METHODS["/matcher.v1.RoutingService/RouteMessage"], caller, asked)
    assert (code, sentence) == (NOT_FOUND, "there is no sites/acme/contacts/c-sales")
    answer = await world.service.call(METHODS["/matcher.v1.RoutingService/RouteMessages"], caller, batch)
    assert [result.status.message for result in answer.results] == ["there is no sites/acme/contacts/c-sales"]
    assert await world.service.everything(["acme"]) == before


async def test_a_contact_is_not_assigned_to_an_agent_of_another_pool(world: World) -> None:
    """The supervisor of a pool may ignore that an agent is not in it only where the agent is in another own pool."""
    asked = routing_pb2.AssignContactRequest(
        name=world.billing.name("contacts"),
        agent=world.sales.name("agents"),
        ignore_constraints=[routing_pb2.CONSTRAINT_POOL],
    )
    caller = world.limited(Role.SUPERVISOR)
    refused = await world.service.refusal(METHODS["/matcher.v1.RoutingService/AssignContact"], caller, asked)
    assert refused == (NOT_FOUND, "there is no sites/acme/agents/tom")


async def test_an_observer_sees_contacts_without_their_customers(world: World) -> None:
    """Who the customer is says a supervisor's answer, and not an observer's."""
    made = METHODS["/matcher.v1.RoutingService/GetContact"]
    asked = requests_of(made, world.billing)
    shown = {
        role: (await world.service.call(made, caller(role), *asked)).customer
        for role in (Role.OBSERVER, Role.SUPERVISOR)
        for caller in (world.limited, world.of_site)
    }
    assert shown == {Role.OBSERVER: "", Role.SUPERVISOR: "anna@example.com"}


@pytest.mark.parametrize("method", sorted(METHODS, key=lambda name: "Delete" in str(name)))
async def test_a_method_is_open_to_every_role_that_its_row_names(world: World, method: str) -> None:
    """Each role may do in its own pool, or in its own site, what the table says. This is the last test: it writes.

    What takes longer than three seconds was not refused: a refusal comes before any work.
    """
    made, row = METHODS[method], TABLE[method]
    for role in row.roles:
        caller = (
            world.limited(role) if row.reach in {Reach.NAMED, Reach.STORED, Reach.FILTERED} else world.of_site(role)
        )
        if row.reach is Reach.SERVICE:
            caller = world.service.caller(role)
        code, sentence = await world.service.refusal(made, caller, *requests_of(made, world.billing), seconds=3)
        assert code not in {DENIED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INTERNAL}, (role, sentence)
