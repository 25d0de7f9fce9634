"""Packing of commands in C: redis-py's asyncio connections pack them word by word in Python, its blocking ones do not.

A reserve has about 60 words, and packing them took a fifth of a route's time on the event loop.
"""

from __future__ import annotations

from typing import Any, TypeVar

import hiredis
from redis.asyncio.connection import AbstractConnection

C = TypeVar("C", bound=AbstractConnection)


def packing_in_c(kind: type[C]) -> type[C]:
    """Return a kind of connection that sends the same bytes as `kind`, packed by hiredis."""

    class Packing(kind):  # type: ignore[misc, valid-type]  # mypy does not follow a class that is a value
        def pack_command(self, *args: Any) -> list[bytes]:
            name = args[0].encode() if isinstance(args[0], str) else args[0]
            try:
                return [hiredis.pack_command((*name.split(), *args[1:]))]
            except TypeError:  # a word of a type that only redis-py knows
                words: list[bytes] = super().pack_command(*args)
                return words

    return Packing
