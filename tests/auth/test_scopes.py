"""What travels with a call of one pool: lists that betray nothing, writes that need all pools, streams that end."""

from __future__ import annotations

import base64
from typing import Any

import grpc
import pytest

from matcher.auth.principal import Role
from matcher.v1 import roster_pb2, routing_pb2
from tests.auth.asked import METHODS
from tests.auth.guarded import Guarded
from tests.auth.world import World, root_of, settled

NOT_FOUND = grpc.StatusCode.NOT_FOUND
OK = grpc.StatusCode.OK
LISTS = {
    "RosterService/ListAgents": (roster_pb2.ListAgentsRequest, Role.ADMIN),
    "RosterService/ListPools": (roster_pb2.ListPoolsRequest, Role.ADMIN),
    "RoutingService/ListContacts": (routing_pb2.ListContactsRequest, Role.SUPERVISOR),
    "RoutingService/ListReservations": (routing_pb2.ListReservationsRequest, Role.SUPERVISOR),
}


@pytest.fixture(scope="module")
async def world(guarded: Guarded) -> World:
    """Give two sites, where eve is in both pools of the first."""
    world = await settled(guarded, "inn", "out")
    eve = roster_pb2.Agent(
        interests=["I mend tents."], pools=[world.billing.name("pools"), world.sales.name("pools")], languages=["en"]
    )
    made = roster_pb2.CreateAgentRequest(parent="sites/inn", agent_id="eve", agent=eve)
    await world.ask(root_of(guarded), "RosterService/CreateAgent", made)
    return world


@pytest.mark.parametrize("method", LISTS)
async def test_no_page_token_names_what_is_left_out(world: World, method: str) -> None:
    """Entries of the other pool stand before, between and after those of the own: none is in a page or in a token."""
    make, role = LISTS[method]
    foreign = [name for name in ("tom", "sales", "c-sales", world.sales.reservations, "default") if name]
    token, names, pages = "", list[str](), 0
    while True:
        answer: Any = await world.ask(
            world.limited(role), method, make(parent="sites/inn", page_size=1, page_token=token)
        )
        (entries,) = [value for field, value in answer.ListFields() if field.name != "next_page_token"] or [[]]
        names += [entry.name for entry in entries]
        pages, token = pages + 1, answer.next_page_token
        said = base64.urlsafe_b64decode(token).decode()
        assert not any(name in said for name in foreign), said
        if not token:
            break
    assert names
    assert len(names) == len(set(names))
    assert not any(name.rpartition("/")[2] in foreign for name in names)
    assert pages <= len(names) + 1


async def test_an_agent_of_two_pools_is_read_by_one_and_changed_only_by_both(world: World) -> None:
    """The admin of a pool sees eve, sets her status, and neither changes nor removes her."""
    admin, both = world.limited(Role.ADMIN), world.of_site(Role.ADMIN)
    name = "sites/inn/agents/eve"
    assert (await world.ask(admin, "RosterService/GetAgent", roster_pb2.GetAgentRequest(name=name))).name == name
    status = roster_pb2.SetAgentStatusRequest(name=name, status=roster_pb2.AWAY)
    assert (await world.ask(admin, "RosterService/SetAgentStatus", status)).status == roster_pb2.AWAY
    renamed = roster_pb2.UpdateAgentRequest(agent=roster_pb2.Agent(name=name, display_name="Eve"))
    missing = (NOT_FOUND, f"there is no {name}")
    assert await world.refusal(admin, "RosterService/UpdateAgent", renamed) == missing
    gone = roster_pb2.DeleteAgentRequest(name=name, force=True)
    assert await world.refusal(admin, "RosterService/DeleteAgent", gone) == missing
    assert (await world.ask(both, "RosterService/UpdateAgent", renamed)).display_name == "Eve"


async def test_an_agent_is_not_moved_to_a_pool_of_others(world: World) -> None:
    """Neither by a name, which the request shows, nor by a mask that sets the pools back to the default pool."""
    admin, name = world.limited(Role.ADMIN), world.billing.name("agents")
    emptied = roster_pb2.UpdateAgentRequest(agent=roster_pb2.Agent(name=name))
    emptied.update_mask.paths.append("pools")
    refused = await world.refusal(admin, "RosterService/UpdateAgent", emptied)
    assert refused == (NOT_FOUND, "there is no sites/inn/pools/default")


async def test_the_agents_left_out_of_a_suggestion_are_named_only_in_the_own_pools(world: World) -> None:
    """They are counted all the same: a count names nobody."""
    asked = routing_pb2.SuggestAgentsRequest(
        parent="sites/inn",
        pool="sites/inn/pools/billing",
        message=routing_pb2.Message(text="My shoes have a hole.", language="fi"),
        explain_left_out=True,
    )
    shown = await world.ask(world.limited(Role.SUPERVISOR), "RoutingService/SuggestAgents", asked)
    assert "sites/inn/agents/tom" not in {left_out.agent for left_out in shown.left_out_agents}
    assert "sites/inn/agents/maya" in {left_out.agent for left_out in shown.left_out_agents}
    whole = await world.ask(world.of_site(Role.SUPERVISOR), "RoutingService/SuggestAgents", asked)
    assert "sites/inn/agents/tom" in {left_out.agent for left_out in whole.left_out_agents}


async def test_an_admin_of_a_whole_site_imports_and_prunes(world: World) -> None:
    """The rows of a stream name no site: theirs is the config's."""
    admin = world.of_site(Role.ADMIN)
    config = roster_pb2.ImportConfig(parent="sites/inn", prune=True, max_removed=5)
    config.update_mask.paths.append("name")
    rows = [
        roster_pb2.ImportRow(row=number, agent_id=agent, agent=roster_pb2.Agent(interests=["I repair shoes."]))
        for number, agent in enumerate(("maya", "tom"))
    ]
    steps = [
        roster_pb2.ImportAgentsRequest(config=config),
        *(roster_pb2.ImportAgentsRequest(row=row) for row in rows),
        roster_pb2.ImportAgentsRequest(end=roster_pb2.ImportEnd()),
    ]
    call = world.service.open(METHODS["/matcher.v1.RosterService/ImportAgents"], admin, *steps)
    answers = [answer async for answer in call]
    assert (answers[-1].agent, answers[-1].action) == ("sites/inn/agents/eve", roster_pb2.ImportAgentsResponse.PRUNED)


async def test_a_desk_works_on_its_own_offer_and_sees_no_other(world: World) -> None:
    """Maya lists, accepts, ends her conversation and beats; Tom's offer is not found, and his heartbeat is refused."""
    desk = world.limited(Role.AGENT)
    listed = await world.ask(
        desk, "RoutingService/ListReservations", routing_pb2.ListReservationsRequest(parent="sites/inn")
    )
    own = world.billing.name("reservations")
    assert [reservation.name for reservation in listed.reservations] == [own]
    accepted = await world.ask(desk, "RoutingService/AcceptReservation", routing_pb2.AcceptReservationRequest(name=own))
    assert accepted.state == routing_pb2.ACCEPTED
    other = routing_pb2.AcceptReservationRequest(name=world.sales.name("reservations"))
    missing = await world.refusal(desk, "RoutingService/AcceptReservation", other)
    assert missing == (NOT_FOUND, f"there is no {world.sales.name('reservations')}")
    beat = roster_pb2.BeatAgentRequest(name=world.sales.name("agents"))
    code, sentence = await world.refusal(desk, "RosterService/BeatAgent", beat)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert sentence == "BeatAgent needs one of these roles for sites/inn/agents/tom: platform, agent"


async def test_the_stream_of_a_contact_ends_where_the_contact_leaves_the_pool(world: World) -> None:
    """The contact waits in billing and is routed again in sales: the watcher of billing is told NOT_FOUND then."""
    root, name = root_of(world.service), "sites/inn/contacts/c-2"
    await _wait_in(world, root, "billing")
    watch = world.service.open(
        METHODS["/matcher.v1.RoutingService/WatchContact"],
        world.limited(Role.OBSERVER),
        routing_pb2.WatchContactRequest(name=name),
    )
    assert (await watch.read()).pool == "sites/inn/pools/billing"
    await _wait_in(world, root, "sales")
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await _read_of_billing(watch)
    assert (ended.value.code(), ended.value.details()) == (NOT_FOUND, f"there is no {name}")
    read = routing_pb2.GetContactRequest(name=name)
    refused = await world.refusal(world.limited(Role.OBSERVER), "RoutingService/GetContact", read)
    assert refused == (NOT_FOUND, f"there is no {name}")


async def _read_of_billing(watch: Any) -> None:
    while (step := await watch.read()) is not grpc.aio.EOF:
        assert step.pool == "sites/inn/pools/billing"


async def _wait_in(world: World, caller: str, pool: str) -> None:
    asked = routing_pb2.RouteMessageRequest(
        parent="sites/inn",
        pool=f"sites/inn/pools/{pool}",
        message=routing_pb2.Message(text="My tent leaks.", language="fi"),
        contact_id="c-2",
        wait=True,
    )
    answer = await world.ask(caller, "RoutingService/RouteMessage", asked)
    assert answer.WhichOneof("outcome") == "queued"


async def test_a_desk_is_told_neither_basis_nor_arm(world: World) -> None:
    """What the platform reads of the same reservation and decision says both."""
    own = world.billing
    name = {kind: f"sites/{own.site}/{kind}/{getattr(own, kind)}" for kind in ("reservations", "decisions")}
    for role, told in ((Role.AGENT, False), (Role.PLATFORM, True)):
        caller = world.of_site(role)
        asked = routing_pb2.GetReservationRequest(name=name["reservations"])
        assert bool((await world.ask(caller, "RoutingService/GetReservation", asked)).basis) is told
        read = routing_pb2.GetDecisionRequest(name=name["decisions"])
        decision = await world.ask(caller, "RoutingService/GetDecision", read)
        assert (bool(decision.basis), bool(decision.seen_agents)) == (told, told)
