"""Private interfaces of libraries that make the service faster: probed at the start; without them public ones serve."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

import structlog

from matcher.rpc.call_prefetch import prefetch_fits
from matcher.store.redis.multiplexed_connection import redis_fits

log = structlog.get_logger(__name__)


class PrivateInterface(NamedTuple):
    """A private interface of a library, and what is done without it."""

    library: str
    what: str
    fits: bool
    instead: str


def private_interfaces() -> Iterator[PrivateInterface]:
    """Yield each private interface that the server uses, as the installed libraries have it."""
    yield PrivateInterface(
        f"grpcio {version('grpcio')}", "requests for calls ahead of time", prefetch_fits(), "calls are accepted singly"
    )
    yield PrivateInterface(
        f"redis {version('redis')}",
        "a socket that is taken over",
        redis_fits(),
        "calls to the store go one after another",
    )


def warn_of_missing() -> None:
    """Log each private interface that the installed version of a library no longer has."""
    for interface in private_interfaces():
        if not interface.fits:
            log.warning(
                "a private interface is gone: the service is slower",
                library=interface.library,
                what=interface.what,
                instead=interface.instead,
            )
