"""Streams that resume: a stream that breaks off begins again where it stopped, until its caller ends it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

import grpc

from matcher.client.failure import MatcherCallError

Answer = TypeVar("Answer")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts. They double from the first to the longest: a restart of the service takes seconds."""

_OF_A_SERVICE: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED})
"""Codes of a service that stops, or that cut a slow reader off."""

_OF_A_CONNECTION: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""Codes without a reason of the service: a proxy reset the stream, or nothing came for longer than the silence."""


def may_resume(error: MatcherCallError) -> bool:
    """Return whether a stream that ended with this error can go on from where it stopped."""
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.retry_after is not None  # the streams of a server that stopped come to the others all at once
    return error.code in _OF_A_SERVICE or (not error.reason and error.code in _OF_A_CONNECTION)


async def resuming(
    begin: Callable[[], AsyncGenerator[Answer, None]], on_break: Callable[[MatcherCallError], None] = lambda _: None
) -> AsyncGenerator[Answer, None]:
    """Yield the answers of a stream; whenever it breaks off, `begin` opens it again after the last answer.

    on_break: called with the error each time. Raises MatcherCallError where the first attempt brings no answer, and
    where the service refuses to go on.
    """
    begun, pause = False, FIRST_PAUSE
    while True:
        try:
            async with aclosing(begin()) as answers:
                async for answer in answers:
                    begun, pause = True, FIRST_PAUSE
                    yield answer
                return
        except MatcherCallError as error:
            if not begun or not may_resume(error):
                raise
            on_break(error)
            spread = random.uniform(0.5, 1.0)  # noqa: S311 - so that not all callers come back at one moment
            await asyncio.sleep(max(error.retry_after or 0.0, pause * spread))
        pause = min(2 * pause, LONGEST_PAUSE)
