"""Uploads: roster files that visitors have sent and not yet let in, for some minutes, in this process alone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from matcher.files.roster_file import Form

SECONDS: Final = 600.0
"""How long a file waits for the visitor to look at what it does."""
MOST: Final = 8
"""Files at once: with the most that a file may have, 64 MiB. The oldest goes first."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent. visit: whose it is. digest: of the preview that its visitor has seen."""

    name: str
    data: bytes
    form: Form
    with_status: bool
    as_is: bool
    site: str
    visit: str
    digest: str = ""
    until: float = 0.0


@dataclass(slots=True)
class Uploads:
    """The files by a token that is told to the visitor alone."""

    clock: Callable[[], float] = time.monotonic
    _files: dict[str, Upload] = field(default_factory=dict)

    def keep(self, upload: Upload) -> str:
        """Keep a file; return its token."""
        now = self.clock()
        self._files = {token: kept for token, kept in self._files.items() if kept.until > now}
        while len(self._files) >= MOST:
            del self._files[next(iter(self._files))]
        token = secrets.token_urlsafe(16)
        self._files[token] = replace(upload, until=now + SECONDS)
        return token

    def take(self, token: str, visit: str, site: str) -> Upload | None:
        """Return a visit's file of a site, and forget it; None where there is none."""
        kept = self._files.get(token)
        if kept is None or (kept.visit, kept.site) != (visit, site):
            return None
        del self._files[token]
        return kept if kept.until > self.clock() else None

    async def close(self) -> None:
        """Forget all files."""
        self._files.clear()
