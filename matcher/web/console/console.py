"""The console as a part of the web application: its routes, and what every request of a browser goes through."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import grpc
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from matcher.v1.roster_pb2 import ListSitesRequest
from matcher.web.calls import Service
from matcher.web.console import assets, guard, login
from matcher.web.console.access import Access, Stubs, reason_of
from matcher.web.console.advice import refusal_of
from matcher.web.console.page import FORM_BYTES, Handler, Page, Post
from matcher.web.console.registry import PAGES
from matcher.web.console.render import environment
from matcher.web.console.rights import Rights
from matcher.web.console.sessions import COOKIE, Sessions, cookie_name, new_visit
from matcher.web.console.shelf import Shelf
from matcher.web.console.visitor import ROOT, Visitor
from matcher.web.faults import Fault

Answering: TypeAlias = "Coroutine[Any, Any, Response]"

SITES: Final = 200
"""The most sites of the list to choose from; others are reached by their name."""


class Console:
    """The console of one process; secure: whether cookies are for encrypted connections alone."""

    def __init__(self, service: Service, *, secure: bool) -> None:
        self._service = service
        self._secure = secure
        self._sessions = Sessions()
        self._rights = Rights()
        self._assets = assets.Assets()
        self._shelf = Shelf()
        self._templates = environment(self._assets)
        self._channel: grpc.aio.Channel | None = None

    def use(self, channel: grpc.aio.Channel) -> None:
        """Take the channel to the service, once there is a loop to run it."""
        self._channel = channel

    async def close(self) -> None:
        """End what pages keep running."""
        await self._shelf.close()

    def routes(self) -> list[BaseRoute]:
        """Return the routes of all pages."""
        made: list[BaseRoute] = [
            Route(f"{assets.AT}/{{name}}", self._assets.serve),
            Route(f"{ROOT}/login", self._bare(self._show_login)),
            Route(f"{ROOT}/login", self._posted(self._log_in), methods=["POST"]),
            Route(f"{ROOT}/logout", self._posted(self._log_out), methods=["POST"]),
            Route(ROOT, self._bare(self._start)),
            Route(f"{ROOT}/", self._bare(self._start)),
            Route(f"{ROOT}/sites", self._bare(self._choose)),
            Route(f"{ROOT}/sites/{{site}}", self._bare(self._start_of_site)),
        ]
        for page in PAGES:
            for route in page.routes:
                path = f"{ROOT}/sites/{{site}}/{page.path}{f'/{route.path}' if route.path else ''}"
                verb = "POST" if isinstance(route, Post) else "GET"
                most = route.most_bytes if isinstance(route, Post) else 0
                answer = functools.partial(self._answer, page=page, handler=route.handler, most_bytes=most)
                made.append(Route(path, answer, methods=[verb]))
        return [*made, Route(f"{ROOT}/{{rest:path}}", self._bare(_nothing))]

    def _bare(self, handler: Handler) -> functools.partial[Answering]:
        return functools.partial(self._answer, page=None, handler=handler, most_bytes=0)

    def _posted(self, handler: Handler) -> functools.partial[Answering]:
        return functools.partial(self._answer, page=None, handler=handler, most_bytes=FORM_BYTES)

    async def _answer(self, request: Request, page: Page | None, handler: Handler, most_bytes: int) -> Response:
        given = self._visit(request)
        visit = given or new_visit()
        visitor = self._visitor(request, visit)
        try:
            if request.method == "POST":
                form = await guard.read_form(request, most_bytes)
                guard.check_sender(request, form, self._sessions, given)
                visitor = self._visitor(request, visit, form)
            if page is not None and _wants_page(request):
                visitor = await self._at(visitor, page)
            response = await handler(visitor)
        except Fault as fault:
            response = _refuse(visitor, fault)
        if not given and COOKIE not in response.headers.get("set-cookie", ""):
            self._set_cookie(request, response, visit)
        for name, value in guard.HEADERS.items():
            response.headers[name] = value
        return response

    def _visitor(self, request: Request, visit: str, form: FormData | None = None) -> Visitor:
        credential = self._sessions.credential(visit)
        return Visitor(
            request=request,
            access=self._access(credential),
            rights=self._rights,
            templates=self._templates,
            shelf=self._shelf,
            is_here=functools.partial(self._sessions.counts, visit, credential),
            csrf=self._sessions.csrf_token(visit),
            site=request.path_params.get("site", ""),
            form=form if form is not None else FormData(),
        )

    def _access(self, credential: str) -> Access:
        assert self._channel is not None
        return Access(self._service, Stubs.on(self._channel), self._channel, credential)

    async def _at(self, visitor: Visitor, page: Page | None) -> Visitor:
        """Return the visitor with the navigation of a site. Raises Fault."""
        permitted = await asyncio.gather(
            *(self._rights.may_any(visitor.access, visitor.site, one.needs) for one in PAGES)
        )
        shown = tuple(one for one, may in zip(PAGES, permitted, strict=True) if may)
        return visitor.at(page, shown)

    async def _start(self, visitor: Visitor) -> Response:
        sites = await _sites(visitor)
        if not sites:
            return visitor.page("sites.html", sites=sites)
        site = "default" if "default" in sites else sites[0]
        return visitor.go_to(f"{ROOT}/sites/{quote(site, safe='')}")

    async def _start_of_site(self, visitor: Visitor) -> Response:
        placed = await self._at(visitor, None)
        return visitor.go(placed.navigation[0].path if placed.navigation else PAGES[0].path)

    async def _choose(self, visitor: Visitor) -> Response:
        named = visitor.request.query_params.get("site", "")
        if named:
            return visitor.go_to(f"{ROOT}/sites/{quote(named, safe='')}")
        return visitor.page("sites.html", sites=await _sites(visitor))

    async def _show_login(self, visitor: Visitor) -> Response:
        return login.login_page(visitor)

    async def _log_in(self, visitor: Visitor) -> Response:
        credential = login.credential_of(visitor)
        if not credential:
            return login.wrong(visitor, None)
        fault = await login.refused(visitor.as_another(self._access(credential)))
        if fault is not None:
            return login.wrong(visitor, fault)
        self._sessions.end(self._visit(visitor.request))
        response = login.arrive(visitor)
        self._set_cookie(visitor.request, response, self._sessions.begin(credential))
        return response

    async def _log_out(self, visitor: Visitor) -> Response:
        response = login.log_out(visitor, self._sessions, self._visit(visitor.request))
        self._set_cookie(visitor.request, response, new_visit())
        return response

    def _visit(self, request: Request) -> str:
        return request.cookies.get(self._cookie_at(request), "")

    def _set_cookie(self, request: Request, response: Response, visit: str) -> None:
        path = "/" if self._secure else ROOT  # browsers take __Host- only for the whole host
        response.set_cookie(
            self._cookie_at(request), visit, path=path, secure=self._secure, httponly=True, samesite="strict"
        )

    def _cookie_at(self, request: Request) -> str:
        return cookie_name(request.headers.get("host", ""), secure=self._secure)


async def _sites(visitor: Visitor) -> tuple[str, ...]:
    try:
        answer = await visitor.ask(visitor.stubs.roster.ListSites, ListSitesRequest(page_size=SITES))
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return ()
        raise
    return tuple(site.name.removeprefix("sites/") for site in answer.sites)


async def _nothing(visitor: Visitor) -> Response:
    return visitor.page("nothing.html", status=404)


def _wants_page(request: Request) -> bool:
    return request.headers.get("hx-request") != "true" and "text/event-stream" not in request.headers.get("accept", "")


def _refuse(visitor: Visitor, fault: Fault) -> Response:
    """Return what a browser gets instead of a page: the login, or what was refused and what to do."""
    refusal = refusal_of(fault)
    if fault.http == 401 and _is_page(visitor.request):
        asked = visitor.request.url.path if visitor.request.method == "GET" else ""
        again = f"&reason={quote(refusal.reason)}" if visitor.signed_in else ""
        address = f"{login.AT}?next={quote(asked)}{again}"
        return visitor.go_to(address) if visitor.asked_by_htmx else RedirectResponse(address, 303)
    if visitor.asked_by_htmx:
        return visitor.part("refusal_part.html", refusal=refusal, status=fault.http)
    response = visitor.page("refusal.html", refusal=refusal, status=fault.http)
    for name, value in fault.headers.items():
        response.headers[name] = value
    return response


def _is_page(request: Request) -> bool:
    return "text/event-stream" not in request.headers.get("accept", "")
