"""Requests that another server on the way could read otherwise: refused before anything of them is used."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from matcher.web.faults import Fault, Violation, fields_invalid, no_method
from matcher.web.gateway import fault_response, raw_path


@dataclass(frozen=True, slots=True)
class Strict:
    """Passes on what can be read in one way only."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        fault = _fault_of(scope) if scope["type"] == "http" else None
        await (fault_response(fault) if fault else self.app)(scope, receive, send)


def _fault_of(scope: Scope) -> Fault | None:
    if not raw_path(scope).startswith("/"):
        return no_method(raw_path(scope), "a target is a path that begins with /", 404)
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        fault = fields_invalid([Violation("content-length", "is given beside transfer-encoding")])
        return fault.along_with({"connection": "close"})
    return None
