"""Login: by an access key or a token of the API; log out here, or wherever the same credential is signed in."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from matcher.v1.roster_pb2 import ListSitesRequest
from matcher.web.console.access import reason_of
from matcher.web.console.advice import Refusal, refusal_of
from matcher.web.console.sessions import Sessions
from matcher.web.console.visitor import ROOT, Visitor
from matcher.web.faults import Fault

AT: Final = f"{ROOT}/login"
CREDENTIAL: Final = re.compile(r"[!-~]{8,8192}").fullmatch


def login_page(visitor: Visitor, refusal: Refusal | None = None) -> Response:
    """Show the form."""
    given = visitor.form.get("next") or visitor.request.query_params.get("next", "")
    return visitor.page(
        "login.html", refusal=refusal, target=_within(str(given)), status=refusal.code if refusal is not None else 200
    )


def credential_of(visitor: Visitor) -> str:
    """Return what the form gave as a key or a token, without "Bearer"; "" where it can be none."""
    given = str(visitor.form.get("credential", "")).strip().removeprefix("Bearer ").strip()
    return given if CREDENTIAL(given) else ""


async def refused(visitor: Visitor) -> Fault | None:
    """Ask the service whether it takes the credential of a visitor; return why not. Raises Fault where it is away.

    A credential that may not list the sites, such as a desk's, is taken all the same.
    """
    try:
        await visitor.ask(visitor.stubs.roster.ListSites, ListSitesRequest(page_size=1))
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return None
        if fault.http == 401:
            return fault
        raise
    return None


def wrong(visitor: Visitor, fault: Fault | None) -> Response:
    """Show the form again, with what is wrong."""
    if fault is not None:
        return login_page(visitor, refusal_of(fault))
    sentence = "This is neither an access key nor a token."
    advice = "A key begins with mk_; a token has three parts with dots between them."
    return login_page(visitor, Refusal("Not taken", sentence, "", advice, {}, 400, away=False))


def arrive(visitor: Visitor) -> Response:
    """Send a visitor who has signed in to the page that was asked for."""
    return visitor.go_to(_within(str(visitor.form.get("next", ""))))


def log_out(visitor: Visitor, sessions: Sessions, visit: str) -> Response:
    """End the session, or with `everywhere` all sessions of its credential."""
    if visitor.form.get("everywhere"):
        sessions.end_everywhere(visit)
    sessions.end(visit)
    return visitor.go_to(AT)


def _within(address: str) -> str:
    """Return an address if it is one of the console, else the console's own: nobody is sent elsewhere by a link."""
    plain = address.isascii() and address.isprintable() and "\\" not in address and "//" not in address
    return address if plain and address.startswith(f"{ROOT}/") and not address.startswith(AT) else ROOT
