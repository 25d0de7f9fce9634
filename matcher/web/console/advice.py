"""Advice: what a person can do when the service refuses, by the reason that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from matcher.web.console.access import reason_of, violations_of
from matcher.web.faults import Fault

BY_REASON: Final[Mapping[str, str]] = {
    "PERMISSION_DENIED": "Your key or token does not permit this. Ask an owner of the service for a role named above.",
    "SITE_NOT_FOUND": "Choose another site. An owner creates a site with `matcher sites create`.",
    "POOL_NOT_FOUND": "The pool was removed, or is in no reach of yours. Go back and choose another pool.",
    "AGENT_NOT_FOUND": "The agent was removed, or is in no pool of yours. Go back and search again.",
    "CONTACT_NOT_FOUND": "The contact has ended and is forgotten, never was, or is in no pool of yours. Check the id.",
    "DECISION_NOT_FOUND": "Decisions are kept for a time. Check the id, or ask for a contact of today.",
    "RESERVATION_NOT_FOUND": "The offer is over. Go back to the desk: it shows what is offered now.",
    "RESERVATION_LAPSED": "The offer was over before the answer came. Go back: it shows what is offered now.",
    "RESERVATION_STATE": "Somebody else acted first. Go back and look at the present state.",
    "ETAG_MISMATCH": "Somebody else has changed this since you opened it. Open it again, and put your change on top.",
    "LEDGER_OFF": "The service keeps no ledger to read. An operator sets MATCHER_LEDGER_URL (docs/ledger.md).",
    "LEDGER_AWAY": "The ledger does not answer. Routing goes on without it; try again in a minute.",
    "STORE_UNAVAILABLE": "The store does not answer. The service goes on by itself when the store is back.",
    "INDEX_BEHIND": "The service is still reading the roster. Try again in a few seconds.",
    "SHUTTING_DOWN": "The process that answered is being restarted. Try again.",
    "QUOTA_EXCEEDED": "A quota is used up. Wait, or ask an operator for a larger one (docs/security.md).",
    "SERVICE_OVERLOADED": "The service has too much to do. Try again in a few seconds.",
    "ENCODER_OVERLOADED": "The model has too much to do. Try again in a few seconds.",
    "TOO_MANY_STREAMS": "Too many streams are open. Close a page of the console and load this page again.",
    "ACCESS_KEYS_OFF": "The service takes no access keys. MATCHER_AUTH switches them on (docs/security.md).",
    "CREDENTIALS_EXPIRED": "Sign in with a key or a token that still counts.",
    "CREDENTIALS_REVOKED": "Sign in with another key: this key was revoked.",
    "CREDENTIALS_WRONG": "Check that the whole key or token was copied.",
    "FIELDS_INVALID": "Go back, mend what is named above, and send it again.",
    "AGENT_HAS_HOLDS": "The agent still has conversations or offers. Let them end first.",
    "CONTACT_HELD": "An agent has this contact already.",
    "INTERNAL_FAULT": "This is a fault of the service. Its log names it by the time; an operator can find it there.",
}
BY_CODE: Final[Mapping[int, str]] = {
    404: "Check the address, or begin at the start page.",
    409: "Look at the present state, and decide again.",
    429: "Wait a moment and try again.",
    503: "The service is away. This page comes back by itself.",
    504: "The service took too long. Try again; if it goes on, an operator should look at it.",
}
TITLES: Final[Mapping[int, str]] = {
    400: "That was not taken",
    401: "Please sign in",
    403: "Not permitted",
    404: "Not found",
    409: "Somebody was faster",
    413: "Too much at once",
    429: "Too much at once",
    503: "The service is away",
    504: "The service took too long",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a page says about a fault."""

    title: str
    sentence: str
    reason: str
    advice: str
    fields: Mapping[str, str]
    code: int
    away: bool
    """Whether the same request may succeed by itself a little later."""


def refusal_of(fault: Fault) -> Refusal:
    """Return what a page says about a fault."""
    reason = reason_of(fault)
    return Refusal(
        title=TITLES.get(fault.http, "That did not work"),
        sentence=fault.status.message or "The service gave no sentence.",
        reason=reason,
        advice=BY_REASON.get(reason) or BY_CODE.get(fault.http, "Go back and try again."),
        fields=violations_of(fault),
        code=fault.http,
        away=fault.http == 503,
    )
