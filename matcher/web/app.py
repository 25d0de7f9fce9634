"""The application of the HTTP gateway: the API, its description, the console, and which hosts it answers to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import grpc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from matcher.web.bindings import table
from matcher.web.bodies import Room
from matcher.web.calls import Service
from matcher.web.console.console import Console
from matcher.web.console.visitor import ROOT
from matcher.web.faults import Violation, fields_invalid
from matcher.web.gateway import HEADERS, Gateway, fault_response, raw_path
from matcher.web.openapi import document
from matcher.web.reference.page import Page
from matcher.web.strict import Strict

CALLS: Final = ("/v1/", "/matcher.v1.")
"""How the paths of the API's methods begin."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class OnlyHosts:
    """Refuses requests to another host's name: a page of another site could have its name point to this machine."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not self._is_meant(scope):
            fault = fields_invalid([Violation("host", f"is none of {', '.join(sorted(self.hosts))}")], 421)
            await fault_response(fault)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_meant(self, scope: Scope) -> bool:
        named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        return len(named) == 1 and _without_port(named[0]) in self.hosts


async def front(request: Request) -> Response:
    """Show browsers that open the bare address to the console, and others to the description of the API."""
    browses = "text/html" in request.headers.get("accept", "")
    return RedirectResponse(ROOT if browses else "/openapi.json", 303, dict(HEADERS))


def application(service: Service, hosts: frozenset[str] = frozenset()) -> ASGIApp:
    """Return the application; hosts: the only names that it answers to, none: any."""
    channels: list[grpc.aio.Channel] = []
    console = Console(service, secure=not hosts)
    room = Room()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.channel() as channel:
            channels.append(channel)
            console.use(channel)
            yield
            await console.close()
            channels.clear()

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await Gateway(table(), service, channels[0], room)(scope, receive, send)

    described = document(table())
    text = json.dumps(described)

    async def describe(_: Request) -> Response:
        return Response(text, headers=dict(HEADERS), media_type="application/json")

    app = Starlette(
        routes=[
            Route("/openapi.json", describe),
            *Page(described).routes(),
            *console.routes(),
            Route("/", front),
            Mount("/", app=call),
        ],
        lifespan=lifespan,
    )
    # What no route matches, such as a path with a line break, is the gateway's to refuse, and is not redirected.
    app.router.default, app.router.redirect_slashes = call, False

    async def ways(scope: Scope, receive: Receive, send: Send) -> None:
        # A call of the API is not compared with the routes of all pages first.
        calls = scope["type"] == "http" and raw_path(scope).startswith(CALLS)
        await (call if calls else app)(scope, receive, send)

    strict = Strict(ways)
    return OnlyHosts(strict, hosts) if hosts else strict


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
