"""The guard of the console: headers of every answer, and what a POST must bring to be believed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from matcher.web.bodies import BODY_SECONDS
from matcher.web.console.sessions import Sessions
from matcher.web.faults import Violation, fields_invalid, malformed, too_large

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""Nothing inline runs, nothing comes from elsewhere, and no page of elsewhere frames a page of the console."""
FIELD: Final = "csrf"
HEADER: Final = "x-csrf"
FORM: Final = "/console"


async def read_form(request: Request, most_bytes: int) -> FormData:
    """Return the fields of a form. Raises Fault where it is too large, too slow or malformed."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large(most_bytes)
    bounded = Request(request.scope, _bounded(request.receive, most_bytes))
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await bounded.form(max_files=16, max_fields=2_000, max_part_size=most_bytes)
    except TimeoutError:
        raise malformed(FORM, f"the form did not arrive within {BODY_SECONDS:g} s", 408) from None
    except ClientDisconnect:
        raise malformed(FORM, "the browser went before the form was whole") from None
    except HTTPException as error:
        raise malformed(FORM, f"the form cannot be read: {error.detail}") from None


def check_sender(request: Request, form: FormData, sessions: Sessions, visit: str) -> None:
    """Let only a form of the console itself pass. Raises Fault.

    A browser says where a form comes from (Sec-Fetch-Site, Origin); and the form brings the token of the visit, which
    only a page of the console has.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    foreign = origin and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if site != "same-origin" or foreign:
        raise fields_invalid([Violation("origin", "is another site: send the form from the console")], 403)
    given = request.headers.get(HEADER) or form.get(FIELD) or ""
    if not isinstance(given, str) or not sessions.is_csrf_token(visit, given):
        sentence = "is not this visit's: the page is from before a login or a restart; load it again and repeat"
        raise fields_invalid([Violation(FIELD, sentence)], 403)


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise too_large(most_bytes)
        return message

    return bounded
