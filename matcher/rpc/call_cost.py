"""Cost of a call that begins new work, by its texts and bytes, seen in the body before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matcher.v1 import routing_pb2 as pb

ORDINARY_BYTES: Final = 256
"""A message of a sentence or two, with its ids: a work of 1."""
BYTES_PER_WORK: Final = 128
"""So many further bytes are about 32 tokens, which take a core as long as an ordinary message, 2 ms."""
BATCH_WORK: Final = 64
"""A single message of 8,000 letters has a work of 62: a batch of more than that has places of its own."""
MOST_FIELDS: Final = 1_024
"""Fields of a body that are looked at: a batch has 256 messages, so a body with more is no request of ours."""

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


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call costs, in ordinary messages (`work`) and in bytes, and whose it is."""

    work: int = 1
    size: int = 0
    site: str = ""
    """The site that the call names; "": none that this process follows."""
    caller: str = ""
    """Who calls within the site; "": not known. The line of admission is fair among callers too."""
    batch: bool = False
    """Whether the call has a place of its own among the batches."""


def call_cost(method: str, body: bytes) -> CallCost:
    """Return the cost of a call; a body that is no request costs what its bytes cost, and is refused when decoded."""
    site, texts = "", 0
    for number, value in _fields(body):
        if number == _PARENT:
            site = value.decode("utf-8", "replace").removeprefix("sites/")
        elif number == _REQUESTS and method == _BATCH:
            texts += 1
    texts = max(1, texts)
    work = texts + max(0, len(body) - ORDINARY_BYTES * texts) // BYTES_PER_WORK
    return CallCost(work, len(body), site, batch=method == _BATCH and work > BATCH_WORK)


def _fields(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each field of bytes, and its beginning; end where the body is not protobuf.

    https://protobuf.dev/programming-guides/encoding/
    """
    at = 0
    for _ in range(MOST_FIELDS):
        tag, at = _varint(body, at)
        if at > len(body) or not tag:
            return
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(body, at)
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _BYTES:
            size, at = _varint(body, at)
            yield tag >> 3, body[at : at + min(size, MOST_SITE)]
            at += size
        else:
            return


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
