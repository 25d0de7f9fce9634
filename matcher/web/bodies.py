"""Bodies of requests: bounded in bytes before anything of them is read as JSON, and in the time they may take."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from matcher.web.bindings import Method
from matcher.web.faults import Fault, malformed, too_large

MIB: Final = 2**20
BODY_BYTES: Final = 4 * MIB
"""A mail of 262,144 characters, each written as two escapes, is 3 MiB. The service itself takes less of each method."""
BATCH_BYTES: Final = 32 * MIB
"""The service takes 16 MiB of a batch, which escapes make larger."""
BODY_SECONDS: Final = 20.0
"""How long a body may take to arrive: 32 MiB at 13 Mbit/s."""


def limit_of(method: Method) -> int:
    """Return the most bytes of a body for a method."""
    return BATCH_BYTES if "requests" in method.descriptor.input_type.fields_by_name else BODY_BYTES


async def read(request: Request, method: Method, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body of a request. Raises Fault, also where the caller sends too slowly or has gone."""
    limit = limit_of(method)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                parts.append(part)
    except TimeoutError:
        fault = malformed(method.path, f"the body did not arrive within {seconds:g} s", 408)
        raise Fault(fault.status, fault.http, {"connection": "close"}) from None
    except ClientDisconnect:
        raise malformed(method.path, "the caller went before the body was whole") from None
    return b"".join(parts)
