"""Log of refusals that an operator must know of: outages, and what callers may not do or have used up."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from matcher.auth.principal import current_principal
from matcher.errors import MatcherError
from matcher.rpc import status

OUTAGE_SECONDS: Final = 1.0
"""An outage is logged at most once in this time for each reason: while it lasts, every call fails by it."""
DENIAL_SECONDS: Final = 1.0
"""The same for what one principal is denied, for each reason and method."""
MOST_DENIALS: Final = 20
"""The most lines of denials in DENIAL_SECONDS, of all callers: many together must not flood the log."""
MOST_KNOWN: Final = 1_000
"""Denials of which is known when they were logged last."""
DENIALS: Final = frozenset({"PERMISSION_DENIED", "QUOTA_EXCEEDED"})

_log = structlog.get_logger(__name__)


class RefusalLog:
    """Logs refusals, each kind at most once in a while, without a word of the request."""

    def __init__(
        self, on_quota: Callable[[str], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """on_quota: called with the name of the quota of each call that is refused by one."""
        self._on_quota = on_quota
        self._clock = clock
        self._outages: dict[str, float] = {}
        self._denials: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._lines, self._since = 0, -DENIAL_SECONDS

    def note(self, method: str, error: MatcherError) -> None:
        """Log a refusal, where the operator must know of it and it was not logged a moment ago."""
        if error.reason in DENIALS:
            if error.reason == "QUOTA_EXCEEDED":
                self._on_quota(error.metadata.get("quota", ""))
            self._note_denial(method, error)
        elif status.is_outage(error):
            now = self._clock()
            if now - self._outages.get(error.reason, -OUTAGE_SECONDS) >= OUTAGE_SECONDS:
                self._outages[error.reason] = now
                _log.warning("call_refused", method=method, reason=error.reason, why=str(error))

    def _note_denial(self, method: str, error: MatcherError) -> None:
        now, principal = self._clock(), str(current_principal())
        denied = (principal, method, error.reason)
        if now - self._denials.get(denied, -DENIAL_SECONDS) < DENIAL_SECONDS:
            return
        if now - self._since >= DENIAL_SECONDS:
            self._lines, self._since = 0, now
        self._lines += 1
        if self._lines > MOST_DENIALS:
            return
        self._denials[denied] = now
        self._denials.move_to_end(denied)
        if len(self._denials) > MOST_KNOWN:
            self._denials.popitem(last=False)
        quota = {"quota": error.metadata["quota"]} if "quota" in error.metadata else {}
        _log.warning("call_denied", method=method, reason=error.reason, principal=principal, **quota)
