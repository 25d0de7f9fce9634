"""Calls over HTTP and JSON, by real processes: what a program without gRPC does with the service."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2

from matcher.client.failure import DETAILS_KEY
from matcher.v1 import roster_pb2
from matcher.v1.roster_pb2_grpc import RosterServiceStub
from tests.processes import Server
from tests.web.gateway import Gateway

FIONA = {"displayName": "Fiona", "interests": ["horse riding", "show jumping"], "status": "ONLINE"}
HORSE = {"message": {"text": "My horse will not eat since Tuesday"}}


async def site_with_fiona(service: Server, gateway: Gateway) -> str:
    """Return the path of a new site where Fiona is free."""
    site = f"/v1/sites/{await service.site()}"
    assert (await gateway.ask("POST", f"{site}/agents?agentId=fiona", FIONA)).code == 200
    return site


async def test_a_contact_is_routed_accepted_and_ended(service: Server, gateway: Gateway) -> None:
    """Three requests with JSON bodies, and the contact reads as closed."""
    site = await site_with_fiona(service, gateway)
    routed = await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"contactId": "c-1"})
    assert routed.code == 200
    assert routed.json["candidate"]["displayName"] == "Fiona"
    reservation = f"/v1/{routed.json['reservation']['name']}"
    accepted = await gateway.ask("POST", f"{reservation}:accept", {"fence": routed.json["reservation"]["fence"]})
    assert accepted.json["state"] == "ACCEPTED"
    assert (await gateway.ask("POST", f"{reservation}:complete", {"resolved": True})).json["state"] == "COMPLETED"
    assert (await gateway.ask("GET", f"{site}/contacts/c-1")).json["state"] == "CONTACT_CLOSED"


async def test_the_methods_own_path_gives_the_same_answer(service: Server, gateway: Gateway) -> None:
    """POST /matcher.v1.RosterService/GetAgent and GET of the name differ in nothing, nor does gRPC's answer in JSON."""
    site = await site_with_fiona(service, gateway)
    name = f"{site}/agents/fiona".removeprefix("/v1/")
    short = await gateway.ask("GET", f"/v1/{name}")
    whole = await gateway.ask("POST", "/matcher.v1.RosterService/GetAgent", {"name": name})
    assert short.text == whole.text
    async with grpc.aio.insecure_channel(service.target) as channel:
        answer = await RosterServiceStub(channel).GetAgent(roster_pb2.GetAgentRequest(name=name))
    assert short.json == MessageToDict(answer)


async def test_an_error_is_the_status_that_grpc_gives(service: Server, gateway: Gateway) -> None:
    """Code, sentence and every detail are the same; the HTTP code is that of NOT_FOUND."""
    name = f"sites/{await service.site()}/agents/nobody"
    got = await gateway.ask("GET", f"/v1/{name}")
    async with grpc.aio.insecure_channel(service.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await RosterServiceStub(channel).GetAgent(roster_pb2.GetAgentRequest(name=name))
    trailers = dict(raised.value.trailing_metadata() or ())
    sent = trailers[DETAILS_KEY]
    assert isinstance(sent, bytes)
    assert error_details_pb2.DESCRIPTOR  # the details' types are known to JSON
    assert got.json == MessageToDict(status_pb2.Status.FromString(sent))
    assert (got.code, got.reason) == (404, "AGENT_NOT_FOUND")


async def test_a_repeat_under_one_key_is_answered_as_before(service: Server, gateway: Gateway) -> None:
    """Idempotency-Key is the request_id; the answer names the key, also one that the gateway made."""
    site = await site_with_fiona(service, gateway)
    key = {"idempotency-key": "k-1"}
    first = await gateway.ask("POST", f"{site}/contacts:route", HORSE, key)
    again = await gateway.ask("POST", f"{site}/contacts:route", HORSE, key)
    assert first.headers["idempotency-key"] == "k-1"
    assert again.json == first.json | {"replayed": True}
    made = await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"contactId": "c-2"})
    assert len(made.headers["idempotency-key"]) == 32
    other = await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"requestId": "k-2"}, key)
    assert other.wrong == {"request_id": "is another one in the body than in Idempotency-Key"}


async def test_only_what_the_mask_names_is_changed(service: Server, gateway: Gateway) -> None:
    """PATCH with updateMask changes the display name and keeps the interests; a body of another agent is refused."""
    site = await site_with_fiona(service, gateway)
    path = f"{site}/agents/fiona"
    changed = await gateway.ask(
        "PATCH", f"{path}?updateMask=displayName", {"displayName": "Fi", "interests": ["chess"]}
    )
    assert changed.json["displayName"] == "Fi"
    assert changed.json["interests"] == FIONA["interests"]
    other = await gateway.ask("PATCH", path, {"name": "sites/default/agents/maya", "displayName": "x"})
    assert other.wrong == {"agent.name": "is another one in the body than in the path"}


async def test_parameters_and_their_faults(service: Server, gateway: Gateway) -> None:
    """Either spelling is taken; what no method knows, and what the path gives, is refused by name."""
    site = await site_with_fiona(service, gateway)
    for query in ("pageSize=1&withHolds=true&status=ONLINE", "page_size=1&with_holds=true&status=1"):
        assert len((await gateway.ask("GET", f"{site}/agents?{query}")).json["agents"]) == 1
    for query, wrong in {
        "colour=red": {"colour": "is no parameter of this method"},
        "parent=sites/default": {"parent": "is given by the path or the body"},
        "withHolds=1": {"withHolds": "is not true or false"},
        "pageSize=1&page_size=2": {"page_size": "is given twice"},
        "pageSize=many": {"page_size": "is not a whole number"},
        "status=SLEEPING": {"status": "is not one of ONLINE, DRAINING, OFFLINE, AWAY"},
    }.items():
        assert (await gateway.ask("GET", f"{site}/agents?{query}")).wrong == wrong
    assert (await gateway.ask("POST", f"{site}/contacts:route?wait=true", HORSE)).wrong == {
        "wait": "belongs in the body"
    }


async def test_the_id_of_a_contact_may_have_any_sign_that_it_may_have(service: Server, gateway: Gateway) -> None:
    """A "/" is written %2F, as in the contact's name; a ":" may be written as it is, unless a verb follows it."""
    site = await site_with_fiona(service, gateway)
    for identifier, path in {"mail/4:711": "mail%2F4:711", "a:watch": "a%3Awatch", "a@b=c,d": "a%40b=c,d"}.items():
        routed = await gateway.ask("POST", f"{site}/contacts:route", HORSE | {"contactId": identifier, "wait": True})
        assert routed.code == 200
        found = await gateway.ask("GET", f"{site}/contacts/{path}")
        assert found.json["name"] == routed.json["contact"]


async def test_a_stream_ends_at_its_deadline(service: Server, gateway: Gateway) -> None:
    """The last event says why, and a text that is no time is refused."""
    site = await site_with_fiona(service, gateway)
    path = f"{site}/agents/fiona/reservations:watch"
    late = await gateway.ask("GET", path, headers={"grpc-timeout": "100m"})
    assert '"code": 4' in late.text.splitlines()[-2]
    wrong = await gateway.ask("GET", path, headers={"grpc-timeout": "soon"})
    assert list(wrong.wrong) == ["grpc-timeout"]


async def test_the_log_of_the_service_finds_a_call_by_its_id(service: Server, gateway: Gateway) -> None:
    """X-Request-Id comes back as it was sent; without one the gateway makes one."""
    path = f"/v1/sites/{await service.site()}/agents"
    assert (await gateway.ask("GET", path, headers={"x-request-id": "abc-1"})).headers["x-request-id"] == "abc-1"
    assert (await gateway.ask("GET", path)).headers["x-request-id"].startswith("web-")
