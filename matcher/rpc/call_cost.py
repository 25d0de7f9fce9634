"""Cost of a call that begins new work, by its texts and bytes, seen in the body before anything is decoded."""

from __future__ import annotations

from typing import Final, NamedTuple

from matcher.v1 import routing_pb2 as pb

ORDINARY_BYTES: Final = 256
"""A message of a sentence or two, with its ids: a work of 1."""
BYTES_PER_WORK: Final = 128
"""So many further bytes are about 32 tokens, which take a core as long as an ordinary message, 2 ms."""
BATCH_WORK: Final = 64
"""A single message of 8,000 letters has a work of 62: a batch of more than that has places of its own."""
MOST_MESSAGES: Final = 256
"""Messages of a batch."""
MOST_FIELDS: Final = 1_024
"""Fields of a body that are looked at: a body with more is no request of ours."""

MOST_SITE: Final = 128
"""Bytes of a field that are read: more than the resource name of a site has."""

_PARENT: Final = pb.RouteMessageRequest.DESCRIPTOR.fields_by_name["parent"].number
_REQUESTS: Final = pb.RouteMessagesRequest.DESCRIPTOR.fields_by_name["requests"].number
_BATCH: Final = "/matcher.v1.RoutingService/RouteMessages"
_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
"""The bytes of a field of each fixed kind."""
_LONGEST_VARINT: Final = 70
_LONGER: Final = 0x80
"""A byte of a variable-length number from here on is not its last."""


class CallCost(NamedTuple):
    """What a call costs, in ordinary messages (`work`) and in bytes, and whose it is."""

    work: int = 1
    size: int = 0
    site: str = ""
    """The site that the call names; "": none that this process follows."""
    caller: str = ""
    """Who calls within the site; "": not known. The line of admission is fair among callers too."""
    batch: bool = False
    """Whether the call has a place of its own among the batches."""
    unread: int = 0
    """Of a batch with more fields than are looked at: its messages among those; 0: every field was looked at."""


def call_cost(method: str, body: bytes) -> CallCost:
    """Return the cost of a call; a body that is no request costs what its bytes cost, and is refused when decoded."""
    is_batch = method == _BATCH
    parent, messages, is_whole = _parent_and_messages(body)
    texts = max(1, messages) if is_batch else 1
    site = parent.decode("utf-8", "replace").removeprefix("sites/")
    work = texts + max(0, len(body) - ORDINARY_BYTES * texts) // BYTES_PER_WORK
    return CallCost(
        work, len(body), site, "", is_batch and work > BATCH_WORK, 0 if is_whole or not is_batch else messages
    )


def _parent_and_messages(body: bytes) -> tuple[bytes, int, bool]:
    """Return the beginning of the last parent, how many messages of a batch a body has, and whether these are all.

    As far as the body is protobuf, and of its first fields.

    https://protobuf.dev/programming-guides/encoding/
    """
    parent, messages, at, end = b"", 0, 0, len(body)
    for _ in range(MOST_FIELDS):
        if at >= end:
            break
        # Nearly every tag and length of a request is one byte: reading it here takes a fifth of a call's time.
        tag, at = (body[at], at + 1) if body[at] < _LONGER else _varint(body, at)
        if tag & 7 != _BYTES:
            at = _after(tag, body, at)
            continue
        size, at = (body[at], at + 1) if at < end and body[at] < _LONGER else _varint(body, at)
        number = tag >> 3
        if number == _PARENT:
            parent = body[at : at + min(size, MOST_SITE)]
        elif number == _REQUESTS:
            messages += 1
        at += size
    return parent, messages, at >= end


def _after(tag: int, body: bytes, at: int) -> int:
    """Return the place after a field that is not of bytes; a place beyond the body where it is no field."""
    kind = tag & 7
    if kind == _VARINT and tag:
        return _varint(body, at)[1]
    return at + _FIXED.get(kind, len(body) + 1)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length number and the place after it; a place beyond the body where it is cut off."""
    value = shift = 0
    while at < len(body) and shift < _LONGEST_VARINT:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return 0, len(body) + 1
