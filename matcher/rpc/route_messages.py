"""RouteMessages: an error of the batch fails the call; an error of an item is that item's result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from operator import attrgetter
from typing import Final, TypeVar

from matcher.errors import FieldsInvalid, MatcherError, MessageTooLarge
from matcher.model import Outcome
from matcher.model.requests import RouteRequest
from matcher.rpc import convert, status
from matcher.rpc.body_limits import ROUTE_BYTES
from matcher.rpc.call_cost import MOST_MESSAGES
from matcher.rpc.ports import MatchingWindows
from matcher.rpc.validation import routing as check
from matcher.rpc.validation.violations import MISSING, Violations
from matcher.v1 import routing_pb2 as pb

AT_ONCE: Final = 16
"""Messages that are checked, or answers that are made, in one pass of the event loop: some 2 ms for long ones."""

T = TypeVar("T")


async def answers(
    windows: MatchingWindows,
    request: pb.RouteMessagesRequest,
    on_outcome: Callable[[str, Outcome], None],
    seconds_left: float | None,
) -> pb.RouteMessagesResponse:
    """Return the result of every message, in their order; raise FieldsInvalid where the request is no batch.

    on_outcome: called with the site and every outcome that is no error.
    seconds_left: how long the caller waits, None: for ever.
    """
    site = _batch(request)
    checked = [_item(request.parent, item) async for item in _in_pieces(request.requests)]
    # Sorted by contact id: so the order in which a caller lists the messages decides nothing among equals.
    valid = sorted((item for item in checked if isinstance(item, RouteRequest)), key=attrgetter("contact_id"))
    ended = await windows.route_many(site, valid, seconds_left=seconds_left) if valid else []
    outcomes = {item.contact_id: outcome for item, outcome in zip(valid, ended, strict=True)}
    results = []
    async for item, result in _in_pieces(list(zip(request.requests, checked, strict=True))):
        outcome = outcomes[item.contact_id] if isinstance(result, RouteRequest) else result
        if not isinstance(outcome, MatcherError):
            on_outcome(site, outcome)
        results.append(_result(site, item.contact_id, outcome))
    return pb.RouteMessagesResponse(results=results)


async def _in_pieces(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, and let the event loop go on after every few of them."""
    for number, item in enumerate(items):
        if number and number % AT_ONCE == 0:
            await asyncio.sleep(0)
        yield item


def _batch(request: pb.RouteMessagesRequest) -> str:
    """Check the fields that concern all messages; return the site; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    if not request.requests:
        wrong.note("requests", MISSING)
    numbers: dict[str, int] = {}
    for number, item in enumerate(wrong.first("requests", request.requests, MOST_MESSAGES)):
        if item.parent and item.parent != request.parent:
            wrong.note(f"requests[{number}].parent", "differs from the parent of the batch")
        if not item.contact_id:
            wrong.note(f"requests[{number}].contact_id", MISSING)
        elif item.contact_id in numbers:
            wrong.note(f"requests[{number}].contact_id", f"is also that of requests[{numbers[item.contact_id]}]")
        numbers.setdefault(item.contact_id, number)
    wrong.refuse()
    return site


def _item(parent: str, given: pb.RouteMessageRequest) -> RouteRequest | FieldsInvalid | MessageTooLarge:
    """Check one message as RouteMessage does: a caller may repeat it there under the same request_id."""
    size = given.ByteSize()
    if size > ROUTE_BYTES:
        return MessageTooLarge(size, ROUTE_BYTES)
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
