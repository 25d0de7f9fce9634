"""Sessions: who has signed in. The credential stays in the memory of this process, the browser gets a random id.

Sealed in the cookie the credential would leave this machine with every answer, its key would have to be kept and
shared, and "log out everywhere" would need a list of what no longer counts. In memory a copied cookie is worth nothing
once its owner logs out, and a restart of this process signs everybody out. Several processes need a proxy in
front that keeps a visitor with one of them (docs/console.md).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

COOKIE: Final = "matcher-console"
"""How the name of the cookie begins; `cookie_name` has the rest."""
PORT: Final = re.compile(r":([0-9]{1,5})$").search
IDLE_SECONDS: Final = 12 * 3600.0
"""A session without a request for this time is over: a shift."""
LIFE_SECONDS: Final = 7 * 24 * 3600.0
"""A session is over after this time, whatever happens."""
MOST_SESSIONS: Final = 10_000
"""Beyond them the session that was idle for the longest time ends."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in."""

    credential: str
    begun: float
    seen: float


class Sessions:
    """All sessions of this process, by the digest of the id that the browser has."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, credential: str) -> str:
        """Begin a session; return its id, which nobody had before: a planted cookie does not become a session."""
        visit = new_visit()
        now = self._now()
        self._sessions[self._digest(visit)] = Session(credential, now, now)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return visit

    def credential(self, visit: str) -> str:
        """Return the credential of a session, or "" where there is no such session."""
        key = self._digest(visit)
        session = self._sessions.get(key)
        if session is None:
            return ""
        now = self._now()
        if now - session.seen > IDLE_SECONDS or now - session.begun > LIFE_SECONDS:
            del self._sessions[key]
            return ""
        self._sessions[key] = replace(session, seen=now)
        self._sessions.move_to_end(key)
        return session.credential

    def counts(self, visit: str, credential: str) -> bool:
        """Return whether a visit still has a credential; "" is everybody's. Asking is no sign of life."""
        session = self._sessions.get(self._digest(visit))
        if session is None or not credential:
            return not credential
        return session.credential == credential and self._now() - session.begun <= LIFE_SECONDS

    def end(self, visit: str) -> None:
        """End a session."""
        self._sessions.pop(self._digest(visit), None)

    def end_everywhere(self, visit: str) -> int:
        """End all sessions that were begun with the credential of this one; return how many they were."""
        session = self._sessions.get(self._digest(visit))
        if session is None:
            return 0
        same = [
            key
            for key, other in self._sessions.items()
            if hmac.compare_digest(other.credential.encode(), session.credential.encode())
        ]
        for key in same:
            del self._sessions[key]
        return len(same)

    def csrf_token(self, visit: str) -> str:
        """Return the token that every POST of a visit must bring; a page of another site cannot read it."""
        return hmac.new(self._secret, b"csrf" + visit.encode(), hashlib.sha256).hexdigest()

    def is_csrf_token(self, visit: str, token: str) -> bool:
        """Return whether a POST brought the token of its visit."""
        return bool(visit) and hmac.compare_digest(self.csrf_token(visit).encode(), token.encode())

    def _digest(self, visit: str) -> bytes:
        return hmac.new(self._secret, b"session" + visit.encode(), hashlib.sha256).digest()


def cookie_name(host: str, *, secure: bool) -> str:
    """Return the name of the cookie at a Host: browsers share cookies among all ports of a host, so it has the port.

    secure: for encrypted connections alone, with `__Host-`: no other host of the domain can plant it (RFC 6265bis,
    section 4.1.3.2).
    """
    port = PORT(host)
    return f"{'__Host-' if secure else ''}{COOKIE}{f'-{port[1]}' if port else ''}"


def new_visit() -> str:
    """Return a random id of 256 bits."""
    return secrets.token_urlsafe(32)
