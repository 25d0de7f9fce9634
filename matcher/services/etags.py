"""Etags of updates: the check against a caller's etag, and the repetition of a write that another writer overtook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from matcher.errors import EtagMismatch, MatcherError
from matcher.model import etag

WRITE_TRIES: Final = 8

T = TypeVar("T")


def check_etag(name: str, expected: str, version: int) -> None:
    """Compare a caller's etag with the stored version; expected "": not checked. Raises EtagMismatch."""
    if expected and expected != etag(version):
        raise EtagMismatch(name, etag(version))


async def retry_write(attempt: Callable[[], Awaitable[T]], retried: tuple[type[MatcherError], ...]) -> T:
    """Repeat an attempt, which reads and then writes what it read, after the errors that another writer causes.

    Makes at most 8 attempts. Raises the error of the last one, and at once every error that is not in `retried`.
    """
    for _ in range(WRITE_TRIES - 1):
        with suppress(*retried):
            return await attempt()
    return await attempt()


def overtaken(etag: str) -> tuple[type[MatcherError], ...]:
    """Return the errors of a write that was overtaken and is to be repeated: none where the caller gave an etag."""
    return () if etag else (EtagMismatch,)
