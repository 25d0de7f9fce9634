"""RouteMessages: what is wrong with the whole refuses it, what is wrong with an item is the item's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from matcher.errors import FieldsInvalid, MatcherError
from matcher.model import Outcome
from matcher.model.requests import RouteRequest
from matcher.rpc import convert, status
from matcher.rpc.ports import MatchingWindows
from matcher.rpc.validation import routing as check
from matcher.rpc.validation.violations import MISSING, Violations
from matcher.v1 import routing_pb2 as pb

MOST_MESSAGES: Final = 256


async def answers(
    windows: MatchingWindows, request: pb.RouteMessagesRequest, count: Callable[[Outcome], None]
) -> pb.RouteMessagesResponse:
    """Return the result of every message in their order; raise FieldsInvalid where the request is no batch.

    count: told of every outcome that is no error.
    """
    site = _whole(request)
    checked = [_item(request.parent, one) for one in request.requests]
    good = [one for one in checked if isinstance(one, RouteRequest)]
    # By contact id and not by place: the order in which a caller lists them decides nothing among equals.
    turn = sorted(range(len(good)), key=lambda at: good[at].contact_id)
    ended = await windows.route_many(site, [good[at] for at in turn]) if good else []
    outcomes = {good[at].contact_id: outcome for at, outcome in zip(turn, ended, strict=True)}
    results = []
    for one, asked in zip(request.requests, checked, strict=True):
        outcome = outcomes[one.contact_id] if isinstance(asked, RouteRequest) else asked
        if not isinstance(outcome, MatcherError):
            count(outcome)
        results.append(_result(site, one.contact_id, outcome))
    return pb.RouteMessagesResponse(results=results)


def _whole(request: pb.RouteMessagesRequest) -> str:
    """Check what concerns all messages; return the site; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    if not request.requests:
        wrong.note("requests", MISSING)
    wrong.many("requests", len(request.requests), MOST_MESSAGES)
    seen: dict[str, int] = {}
    for number, one in enumerate(request.requests[:MOST_MESSAGES]):
        if one.parent and one.parent != request.parent:
            wrong.note(f"requests[{number}].parent", "is another than that of the whole")
        if not one.contact_id:
            wrong.note(f"requests[{number}].contact_id", MISSING)
        elif one.contact_id in seen:
            wrong.note(f"requests[{number}].contact_id", f"is that of requests[{seen[one.contact_id]}]")
        seen.setdefault(one.contact_id, number)
    wrong.refuse()
    return site


def _item(parent: str, given: pb.RouteMessageRequest) -> RouteRequest | FieldsInvalid:
    """Check one message as RouteMessage would; the same request_id may repeat it there."""
    request = pb.RouteMessageRequest()
    request.CopyFrom(given)
    request.parent = parent
    try:
        _, checked = check.route(request)
    except FieldsInvalid as error:
        return error
    return checked


def _result(site: str, contact_id: str, outcome: Outcome | MatcherError) -> pb.RouteMessagesResult:
    if isinstance(outcome, MatcherError):
        return pb.RouteMessagesResult(contact_id=contact_id, status=status.status_of(outcome))
    return pb.RouteMessagesResult(contact_id=contact_id, response=convert.route_response(site, outcome))
