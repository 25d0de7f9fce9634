"""A visitor: one request of somebody, the site that it is about, and the service as this person may call it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import grpc
from google.protobuf.message import Message
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from matcher.web.console.access import Access, Stubs

if TYPE_CHECKING:
    from jinja2 import Environment

    from matcher.web.console.page import Page
    from matcher.web.console.rights import Rights
    from matcher.web.console.shelf import Shelf

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

ROOT: Final = "/console"


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a handler has."""

    request: Request
    access: Access
    rights: Rights
    templates: Environment
    shelf: Shelf
    """What pages keep in this process between requests."""
    is_here: Callable[[], bool]
    """Whether the session still counts: a stream asks from time to time."""
    csrf: str
    site: str = ""
    """The id of the site that the page is about; "" on pages about no site."""
    here: Page | None = None
    navigation: tuple[Page, ...] = ()
    form: FormData = field(default_factory=FormData)

    @property
    def site_name(self) -> str:
        """The resource name of the site, "sites/{site}"."""
        return f"sites/{self.site}"

    @property
    def stubs(self) -> Stubs:
        """The services of the API."""
        return self.access.stubs

    @property
    def signed_in(self) -> bool:
        """Whether the visitor has signed in; without it the service takes everybody."""
        return bool(self.access.credential)

    @property
    def asked_by_htmx(self) -> bool:
        """Whether htmx asks, for a fragment, and not the browser for a page."""
        return self.request.headers.get("hx-request") == "true"

    def at(self, here: Page | None, navigation: tuple[Page, ...]) -> Visitor:
        """Return the visitor at a page, with the pages to go to."""
        return replace(self, here=here, navigation=navigation)

    def as_another(self, access: Access) -> Visitor:
        """Return the visitor with another credential."""
        return replace(self, access=access)

    async def ask(self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, seconds: float | None = None) -> A:
        """Return the answer of a call. seconds: its deadline, None: that of its kind. Raises Fault."""
        return await self.access.ask(method, request, seconds)

    def follow(self, method: grpc.aio.UnaryStreamMultiCallable[Q, A], request: Q) -> AsyncGenerator[A, None]:
        """Iterate over the answers of a stream. Raises Fault."""
        return self.access.follow(method, request)

    def exchange(self, method: grpc.aio.StreamStreamMultiCallable[Q, A], requests: Iterable[Q]) -> AsyncIterator[A]:
        """Send requests and iterate over the answers. Raises Fault."""
        return self.access.exchange(method, requests)

    async def may(self, method: str) -> bool:
        """Return whether the visitor may call a method, "RosterService/UpdateAgent". Raises Fault."""
        return await self.rights.may(self.access, self.site, method)

    def url(self, page: str, path: str = "", site: str = "") -> str:
        """Return the address of a page of this site, or of another site."""
        below = f"/{path}" if path else ""
        return f"{ROOT}/sites/{quote(site or self.site, safe='')}/{page}{below}"

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """Render a whole page."""
        return HTMLResponse(self.text(template, values), status)

    def part(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """Render a fragment, for htmx to put into the page."""
        return HTMLResponse(self.text(template, values), status)

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a template as HTML."""
        return self.templates.get_template(template).render(visitor=self, **values)

    def go(self, page: str, path: str = "") -> Response:
        """Send the visitor to a page of this site, after a POST."""
        return self.go_to(self.url(page, path))

    def go_to(self, address: str) -> Response:
        """Send the visitor to an address of the console."""
        if self.asked_by_htmx:
            return Response(status_code=204, headers={"hx-redirect": address})
        return RedirectResponse(address, 303)
