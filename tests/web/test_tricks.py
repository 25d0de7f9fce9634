"""Requests as an attacker writes them, byte by byte, to a real process: none is read otherwise than it is written."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.processes import Server
from tests.web.gateway import SECONDS, Gateway

JSON = "Content-Type: application/json\r\n"


async def sent(gateway: Gateway, text: str | bytes) -> tuple[int, bytes]:
    """Send bytes; return the code of the answer and all that came until the connection ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(text.encode("latin-1") if isinstance(text, str) else text)
    async with asyncio.timeout(SECONDS):
        got = await reader.read()
    writer.close()
    return int(got.split(b" ", 2)[1]), got


def asking(target: str, headers: str = "", verb: str = "GET", host: str = "Host: localhost\r\n") -> str:
    """Return a request without a body."""
    return f"{verb} {target} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n"


@pytest.mark.parametrize(
    "target",
    [
        "/v1%2Fsites",
        "/v1/./sites",
        "/v1/sites/default/../../sites",
        "/v1/sites;a=b",
        "/v1/sites/",
        "//v1/sites",
        "/v1/sites#a",
        "/v1/%73ites",
        "/v1\\sites",
        "http://localhost/v1/sites",
        "http://evil.example/v1/sites",
        "*",
        "v1/sites",
        "/openapi.json/",
        "/matcher.v1.RosterService/ListSites/",
        "//matcher.v1.RosterService/ListSites",
        "/matcher.v1.RosterService%2FListSites",
        "/matcher.v1.RosterService/%4cistSites",
        "/matcher.v1.rosterservice/ListSites",
        "/matcher.v1.RosterService/../RosterService/ListSites",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_path_is_what_is_written(gateway: Gateway, target: str, verb: str) -> None:
    """Nothing is decoded, joined or made shorter before it is compared; what is no method of the API is not there."""
    headers = f"{JSON}Content-Length: 0\r\n" if verb == "POST" else ""
    code, got = await sent(gateway, asking(target, headers, verb))
    assert code == 404
    assert b"METHOD_NOT_FOUND" in got


async def test_an_escaped_slash_stays_within_a_name(service: Server, gateway: Gateway) -> None:
    """However often it is escaped, no name leads to another site, and the service refuses it."""
    site = await service.site()
    for agent in (
        "..%2f..%2fother%2fagents%2fa",
        "%252e%252e%252fagents",
        "a%2F..%2Fb",
        "..%5cb",
        "%c0%af",
        "a%0d%0ab",
    ):
        code, got = await sent(gateway, asking(f"/v1/sites/{site}/agents/{agent}"))
        assert code == 400, agent
        assert b"FIELDS_INVALID" in got


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 400),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", 400),
        ("Content-Length: 2, 3\r\n", 400),
        ("Content-Length: +2\r\n", 400),
        ("Content-Length: -2\r\n", 400),
        ("Content-Length: 0x2\r\n", 400),
        ("Content-Length : 2\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 501),
    ],
)
async def test_where_a_body_ends_is_said_once(gateway: Gateway, headers: str, code: int) -> None:
    """Where two servers could see two ends, a request could hide in another's body: it is refused and cut off."""
    hidden = asking("/v1/sites")
    head = f"POST /v1/sites/default/contacts:route HTTP/1.1\r\nHost: localhost\r\n{JSON}{headers}\r\n"
    got = (await sent(gateway, f"{head}0\r\n\r\n{hidden}"))[1]
    assert int(got.split(b" ", 2)[1]) in (code, 400)
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"sites/default" not in got


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
        "Grpc-Timeout: 1S\r\nGrpc-Timeout: 2S\r\n",
        "Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n",
        "Authorization: Bearer \xe9\r\n",
        "Authorization: Bearer a\tb\r\n",
        "Grpc-Timeout: 99999999999S\r\n",
        "Grpc-Timeout: 0S\r\n",
        "Grpc-Timeout: -1S\r\n",
        "Authorization: a\x00b\r\n",
        "Authorization: a\rb\r\n",
        "Host: other.example\r\n",
        "no colon\r\n",
        "na me: x\r\n",
    ],
)
async def test_a_header_means_one_thing_or_is_refused(gateway: Gateway, header: str) -> None:
    """Neither a second value nor a control character reaches the service's metadata."""
    code, got = await sent(gateway, asking("/v1/sites", header))
    assert code == 400
    assert b"sites/default" not in got


async def test_only_the_named_headers_go_on(gateway: Gateway) -> None:
    """A caller cannot set the metadata of gRPC by its names, nor a host, nor a proxy's view of the caller."""
    extra = "".join(
        f"{name}: x\r\n"
        for name in ("grpc-status", "grpc-encoding", "te", "grpc-metadata-authorization", "x-forwarded-for", "a-bin")
    )
    code, got = await sent(gateway, asking("/v1/sites", f"{extra}x-forwarded-host: evil\r\ngrpc-trace-bin: !!\r\n"))
    assert code == 200
    assert body_of(got)["sites"]


async def test_a_call_id_that_breaks_lines_is_replaced(gateway: Gateway) -> None:
    """What is no id of a call is not sent back, and not passed on."""
    for given in ("a b", "é", "a" * 129, ""):
        _, got = await sent(gateway, asking("/v1/sites", f"X-Request-Id: {given}\r\n"))
        head = got.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
        assert "x-request-id: web-" in head


async def test_an_id_of_a_body_breaks_no_header_of_the_answer(gateway: Gateway) -> None:
    """The request id comes back as a header, but only where a header can hold it."""
    for given in ("a\r\nSet-Cookie: b", "é", " a", "a" * 300):
        got = await gateway.ask("POST", "/v1/sites/default/contacts:route", {"requestId": given})
        assert got.code == 400
        assert not {"idempotency-key", "set-cookie"} & set(got.headers)


async def test_another_host_is_refused_however_it_is_named(gateway: Gateway) -> None:
    """A target in the absolute form, a name that begins or ends like this machine's, a user, no host at all."""
    for host in ("localhost.evil.example", "evil.example#localhost", "localhost@evil.example", "127.0.0.1.evil", ""):
        assert (await sent(gateway, asking("/v1/sites", host=f"Host: {host}\r\n")))[0] in (400, 421), host
    assert (await sent(gateway, "GET /v1/sites HTTP/1.0\r\n\r\n"))[0] == 421
    assert (await sent(gateway, asking("/v1/sites", host="")))[0] == 400


@pytest.mark.parametrize(
    "query",
    ["name=a", "pageSize=1&pageSize=2", "pageSize=1&page_size=2", "%70ageSize=x", "=", "a", "pageSize=%ff", "a.b.c=1"],
)
async def test_a_parameter_means_one_thing_or_is_refused(gateway: Gateway, query: str) -> None:
    """What the path says cannot be said again, and what is given twice is not chosen from."""
    code, got = await sent(gateway, asking(f"/v1/sites?{query}"))
    assert code == 400, got
    assert b"FIELDS_INVALID" in got


async def test_verbs_that_no_rule_has_are_refused(gateway: Gateway) -> None:
    """The override by a header is none."""
    for verb in ("TRACE", "CONNECT", "OPTIONS", "HEAD", "PUT", "PROPFIND", "get"):
        assert (await sent(gateway, asking("/v1/sites", verb=verb)))[0] in (400, 404, 405), verb
    override = "X-HTTP-Method-Override: DELETE\r\n"
    assert (await sent(gateway, asking("/v1/sites", override)))[0] == 200


def body_of(got: bytes) -> Any:
    """Return the JSON of an answer."""
    return json.loads(got.partition(b"\r\n\r\n")[2])
