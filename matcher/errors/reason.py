"""Base class of all errors of the service: a reason, a text and the values that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class MatcherError(Exception):
    """Fails a call for a reason the caller can act on."""

    reason: ClassVar[str]
    retry_after_seconds: ClassVar[float | None] = None

    def __init__(self, message: str, /, **metadata: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}
