"""Requests that the gateway refuses by itself: with a status, a reason, and the name of what is wrong."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from matcher.web.bindings import table
from matcher.web.bodies import BODY_BYTES, MIB, SMALL_BYTES, Room, held
from matcher.web.faults import Fault
from tests.web.gateway import Gateway

ROUTE = "/v1/sites/default/contacts:route"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"mesage": {}}, {"mesage": "is no field of this request"}),
        ({"message": []}, {"message": "is not an object"}),
        ({"message": {"requiredSkills": {}}}, {"message.required_skills": "is not a list"}),
        (
            {"message": {"requiredSkills": [{"levl": 1}]}},
            {"message.required_skills[0].levl": "is no field of this request"},
        ),
        ({"message": {"requiredSkills": [{"minLevel": "x"}]}}, None),
        ({"message": {"text": 5}}, {"message.text": "is not a text"}),
        ({"wait": 1}, {"wait": "is not true or false"}),
        ({"waitDuration": "\u0665s"}, {"wait_duration": 'is not a duration, such as "90s"'}),
        ({"waitDuration": "1_0s"}, {"wait_duration": 'is not a duration, such as "90s"'}),
        (
            {"message": {"requiredSkills": [{"level": "1_0"}]}},
            {"message.required_skills[0].level": "is not a whole number"},
        ),
        (
            {"message": {"requiredSkills": [{"level": "\u0665"}]}},
            {"message.required_skills[0].level": "is not a whole number"},
        ),
        ({"waitDuration": "soon"}, {"wait_duration": 'is not a duration, such as "90s"'}),
        (
            {"contactId": "a", "contact_id": "a"},
            {"contact_id": "is given twice, as written in the proto and as in JSON"},
        ),
        ({"parent": "sites/other"}, {"parent": "is another one in the body than in the path"}),
    ],
)
async def test_a_wrong_field_is_named_by_its_path(gateway: Gateway, body: object, wrong: dict[str, str] | None) -> None:
    """The reason is FIELDS_INVALID, as the service's own."""
    got = await gateway.ask("POST", ROUTE, body)
    assert (got.code, got.reason) == (400, "FIELDS_INVALID")
    assert wrong is None or got.wrong == wrong


@pytest.mark.parametrize("query", ["pageSize=%D9%A5", "pageSize=1_0", "pageSize=%205", "status=%D9%A1"])
async def test_a_number_in_a_query_has_the_digits_of_json(gateway: Gateway, query: str) -> None:
    """Others on the way would read none, or another one."""
    got = await gateway.ask("GET", f"/v1/sites/default/agents?{query}")
    assert (got.code, got.reason, len(got.wrong)) == (400, "FIELDS_INVALID", 1)


async def test_a_number_in_a_map_has_the_digits_of_json(gateway: Gateway) -> None:
    """The entry is named."""
    outcome = {"source": "crm", "metrics": {"minutes": "1_0"}}
    got = await gateway.ask("POST", "/v1/sites/default/contacts/c/outcomes", {"outcome": outcome})
    assert (got.code, got.wrong) == (400, {"outcome.metrics[minutes]": "is not a number"})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"wait":true,"wait":false}',
        b'{"wait":NaN}',
        b'{"message":' * 5000,
        b"[" * 100_000,
        b'{"requests":[' + b"{}," * 250_000 + b"{}]}",
    ],
)
async def test_a_body_that_is_no_json_object_is_malformed(gateway: Gateway, body: bytes) -> None:
    """None of them reaches the service."""
    got = await gateway.ask("POST", ROUTE, body)
    assert (got.code, got.reason) == (400, "MESSAGE_MALFORMED")


async def test_a_page_of_another_site_can_call_nothing(gateway: Gateway) -> None:
    """A form's content type is refused, also without a body, and so is a name that only points to this machine."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        assert (await gateway.ask("POST", ROUTE, b"{}", {"content-type": kind})).code == 415
    assert (
        await gateway.ask("POST", "/v1/sites/default/contacts/c:cancel", headers={"content-length": "0"})
    ).code == 415
    other = await gateway.ask("GET", "/v1/sites", headers={"host": "evil.example:8080"})
    assert (other.code, list(other.wrong)) == (421, ["host"])
    assert "access-control-allow-origin" not in (await gateway.ask("GET", "/v1/sites")).headers


async def test_a_body_is_bounded_before_it_is_read(gateway: Gateway) -> None:
    """A declared length above the limit is answered at once."""
    got = await gateway.ask("POST", ROUTE, b"", {"content-length": str(BODY_BYTES + 1)})
    assert (got.code, got.reason) == (413, "MESSAGE_TOO_LARGE")


METHOD = table().methods["/matcher.v1.RosterService/GetAgent"]


async def test_a_body_of_unknown_length_is_bounded_as_it_comes() -> None:
    """The part that passes the limit ends it, and the room that it took is free again."""
    part: Message = {"type": "http.request", "body": bytes(MIB), "more_body": True}
    left, room = [part] * 10, Room(10 * MIB)
    fault = await refusal(sending(left), room)
    assert (fault.http, len(left), room.left) == (413, 5, 10 * MIB)


async def test_all_large_bodies_together_are_bounded_and_small_ones_go_on() -> None:
    """The sender of a large body for which there is no room is told when to come again."""
    room = Room(2 * MIB)
    large: list[Message] = [{"type": "http.request", "body": bytes(MIB + 1)}]
    small: list[Message] = [{"type": "http.request", "body": bytes(SMALL_BYTES)}]
    async with held(sending(large * 1), METHOD, room) as first:
        assert len(first) == MIB + 1
        fault = await refusal(sending(large * 1), room)
        assert (fault.http, fault.headers["retry-after"], fault.headers["connection"]) == (429, "1", "close")
        async with held(sending(small), METHOD, room) as second:
            assert len(second) == SMALL_BYTES
    assert room.left == 2 * MIB


async def test_a_sender_that_stops_is_cut_off() -> None:
    """A body that does not arrive in time is answered 408."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    fault = await refusal(Request({"type": "http", "headers": []}, receive), Room())
    assert (fault.http, fault.headers["connection"]) == (408, "close")


def sending(parts: list[Message]) -> Request:
    """Return a request whose body comes in these parts, from the last to the first."""

    async def receive() -> Message:
        return parts.pop()

    return Request({"type": "http", "headers": []}, receive)


async def refusal(request: Request, room: Room) -> Fault:
    """Return why a body is refused."""
    with pytest.raises(Fault) as raised:
        async with held(request, METHOD, room, seconds=0.05):
            pass
    return raised.value


@pytest.mark.parametrize(
    ("verb", "path", "code", "allow"),
    [
        ("POST", "/", 404, ""),
        ("GET", "/v1/sites/default/agents/", 404, ""),
        ("GET", "/v1//sites", 404, ""),
        ("GET", "/v1/sites/default/../other/agents", 404, ""),
        ("GET", "/V1/sites", 404, ""),
        ("PUT", "/v1/sites/default/agents", 405, "GET, POST"),
        ("GET", "/matcher.v1.RosterService/ListSites", 405, "POST"),
        ("POST", "/matcher.v1.RosterService/ImportAgents", 501, ""),
        ("POST", "/grpc.health.v1.Health/Check", 404, ""),
    ],
)
async def test_a_path_without_a_method(gateway: Gateway, verb: str, path: str, code: int, allow: str) -> None:
    """No path is made fit: what is not written exactly as a rule says is not there."""
    got = await gateway.ask(verb, path, {} if verb in ("POST", "PUT") else None)
    assert (got.code, got.headers.get("allow", "")) == (code, allow)
    assert got.reason == "METHOD_NOT_FOUND"


async def test_an_encoded_name_reaches_the_services_own_check(gateway: Gateway) -> None:
    """Escaped dots, NUL and slashes are part of a name that the service refuses; the gateway refuses bad UTF-8."""
    for agent in ("%2e%2e", "a%00b", "a%2Fb", "%25", "MAYA"):
        got = await gateway.ask("GET", f"/v1/sites/default/agents/{agent}")
        assert (got.code, list(got.wrong)) == (400, ["name"])
    assert list((await gateway.ask("GET", "/v1/sites/default/agents/%ff")).wrong) == ["path"]
