"""Records that cannot be read: each is left out and logged, and costs no other record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec
import structlog
from redis import exceptions

log = structlog.get_logger(__name__)

T = TypeVar("T")

NOT_READABLE: Final = (ValueError, LookupError, TypeError, AttributeError, msgspec.MsgspecError)
"""What the decoding of a damaged record raises."""


class Unreadable:
    """Decode records in bulk, and report those that cannot be read."""

    def __init__(self, on_found: Callable[[str], None] = lambda _: None) -> None:
        """on_found: called with the kind of each record that cannot be read, for the metric."""
        self._on_found = on_found

    def decoded(
        self, site: str, kind: str, records: Iterable[tuple[str, Any]], decode: Callable[[str, Any], T]
    ) -> list[T | None]:
        """Return the records by their ids, decoded; None for a record that is missing or cannot be read.

        decode: takes the id and the answer to HGETALL. An answer may be the error of a key of another type.
        """
        return [self._decoded(site, kind, name, answer, decode) if answer else None for name, answer in records]

    def _decoded(self, site: str, kind: str, name: str, answer: Any, decode: Callable[[str, Any], T]) -> T | None:
        try:
            if isinstance(answer, exceptions.ResponseError):
                raise TypeError
            return decode(name, answer)
        except NOT_READABLE as fault:
            # Not the fault's text, which may quote the record.
            log.warning("a record cannot be read; left out", site=site, kind=kind, id=name, why=type(fault).__name__)
            self._on_found(kind)
            return None
