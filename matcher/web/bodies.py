"""Bodies of requests: bounded in bytes before anything of them is read as JSON, and in the time they may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from matcher.web.bindings import Method
from matcher.web.faults import crowded, malformed, too_large

MIB: Final = 2**20
BODY_BYTES: Final = 4 * MIB
"""A mail of 262,144 characters, each written as two escapes, is 3 MiB. The service itself takes less of each method."""
BATCH_BYTES: Final = 32 * MIB
"""The service takes 16 MiB of a batch, which escapes make larger."""
BODY_SECONDS: Final = 20.0
"""How long a body may take to arrive: 32 MiB at 13 Mbit/s."""
SMALL_BYTES: Final = 64 * 1024
"""A body up to this size needs no room of its own: as many as there may be connections are 125 MiB."""
ROOM_BYTES: Final = 64 * MIB
"""Of all larger bodies at the same time; as Python's values they take up to ten times as much."""


class Room:
    """The room for large bodies, which are kept until they are read as a request."""

    def __init__(self, most: int = ROOM_BYTES) -> None:
        self.left = most

    def take(self, size: int) -> None:
        """Take room for some bytes. Raises Fault where there is none."""
        if size > self.left:
            raise crowded()
        self.left -= size

    def give_back(self, size: int) -> None:
        """Give room back."""
        self.left += size


def limit_of(method: Method) -> int:
    """Return the most bytes of a body for a method."""
    return BATCH_BYTES if "requests" in method.descriptor.input_type.fields_by_name else BODY_BYTES


@asynccontextmanager
async def held(request: Request, method: Method, room: Room, seconds: float = BODY_SECONDS) -> AsyncIterator[bytes]:
    """Yield the body of a request, whose room is given back at the end of the block.

    Raises Fault, also where the caller sends too slowly or has gone, and where there is no room.
    """
    limit = limit_of(method)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    parts, size, taken = [], 0, 0
    try:
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > limit:
                        raise too_large(limit)
                    if size > SMALL_BYTES:
                        room.take(size - taken)
                        taken = size
                    parts.append(part)
        except TimeoutError:
            fault = malformed(method.path, f"the body did not arrive within {seconds:g} s", 408)
            raise fault.along_with({"connection": "close"}) from None
        except ClientDisconnect:
            raise malformed(method.path, "the caller went before the body was whole") from None
        yield b"".join(parts)
    finally:
        room.give_back(taken)
