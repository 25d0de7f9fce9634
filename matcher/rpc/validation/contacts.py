"""Validates the requests that list and watch contacts, and returns their arguments as domain values."""

from __future__ import annotations

import re
from typing import Final

from matcher.model import StreamPlace
from matcher.model.lifecycle import ContactState
from matcher.rpc.convert import CONTACT_STATE
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import Violations
from matcher.v1 import routing_pb2

MOST_SEQUENCE: Final = 2**63 - 1
MOST_LAST: Final = 10_000
"""Changes of a site that a watch begins with."""

_STATES: Final[dict[int, ContactState]] = {number: state for state, number in CONTACT_STATE.items()}
_PLACE: Final = re.compile(r"(\d{1,18})-(\d{1,18})").fullmatch


def contacts(
    request: routing_pb2.ListContactsRequest, listing: str
) -> tuple[str, str | None, ContactState | None, int, str]:
    """Check a ListContactsRequest; return site, pool, state, page size, last key; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else None
    if request.state:
        wrong.known("state", request.state, _STATES)
    most, after = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return site, pool, _STATES.get(request.state), most, after


def watch_contact(request: routing_pb2.WatchContactRequest) -> tuple[str, str, int]:
    """Check a WatchContactRequest; return site, contact, last known sequence number; raise FieldsInvalid."""
    wrong = Violations()
    site, contact = wrong.resource("name", request.name, Kind.CONTACT)
    after = wrong.between("after_sequence", request.after_sequence, 0, MOST_SEQUENCE)
    wrong.refuse()
    return site, contact, after


def watch_events(
    request: routing_pb2.WatchEventsRequest, listing: str
) -> tuple[str, str | None, StreamPlace | None, int]:
    """Check a WatchEventsRequest; return site, pool, place to resume from, last changes; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else None
    place = None
    if request.resume_token:
        token = wrong.token("resume_token", request.resume_token, listing, "of this stream")
        match = _PLACE(token)
        if match is not None:
            place = StreamPlace(int(match[1]), int(match[2]))
        elif token:
            wrong.note("resume_token", "is not a token of this stream")
    last = wrong.between("last_events", request.last_events, 0, MOST_LAST)
    wrong.refuse()
    return site, pool, place, last


def resume_token(place: StreamPlace) -> str:
    """Return a place of the stream as text; `watch_events` reads it after `page_token` made it opaque."""
    return f"{place.number}-{place.at_ms}"
