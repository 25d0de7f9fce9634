"""Page of the metrics for readers who show a token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Page: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


def asking_for(token: str, page: Page) -> Page:
    """Return a page that answers 401 to a reader who does not show the token as `Authorization: Bearer …`."""
    wanted = f"Bearer {token}".encode("latin-1", errors="replace")

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        shown = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1", errors="replace")
        if hmac.compare_digest(shown, wanted):
            return page(environ, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain")])
        return [b"this page asks for a token (MATCHER_METRICS_TOKEN)\n"]

    return guarded
