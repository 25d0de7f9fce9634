"""A server with a planted bug, which the checker must find. No flag of the product does this.

`python -m benchmarks.simulate.planted BUG` changes the service's code in memory, and then serves as server.py does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.simulate.verdict import Law
from matcher.server import app
from matcher.store import verbs
from matcher.store.redis import functions
from matcher.store.reservations import ReservationStore, ReserveRequest, Shortlist

SKEW: Final = "SIMULATE_CLOCK_SKEW_SECONDS"
"""How far the clock of this replica's machine is off, for the bug that trusts this clock."""


@dataclass(frozen=True, slots=True)
class Bug:
    """The texts of the verbs that are changed: old, new, and how often the old one occurs; and a patch of objects."""

    texts: tuple[tuple[str, str, int], ...]
    patch: Callable[[], None] = lambda: None


def _trust_own_clock() -> None:
    reserve_call, off = ReservationStore._reserve_call, float(os.environ.get(SKEW, "-0.8"))  # noqa: SLF001

    def by_own_clock(
        self: ReservationStore, request: ReserveRequest, shortlist: Shortlist, *, or_wait: bool
    ) -> verbs.Reserve:
        deadline_ms = round((time.time() + off) * 1000) + request.hold_ms
        return reserve_call(self, replace(request, hold_ms=deadline_ms), shortlist, or_wait=or_wait)

    ReservationStore._reserve_call = by_own_clock  # type: ignore[method-assign]  # noqa: SLF001


_HAND_OVER: Final = "if attempt.transfer then hand_over(attempt) end\n"
_LET_WAIT: Final = "  enqueue(contact, arg.pool_id, score, waits_until)\n"

BUGS: Final[Mapping[str, Bug]] = {
    "no-idempotency": Bug((("redis.call('SET', key.once, table.concat(", "tostring(table.concat(", 1),)),
    "release-before-hold": Bug(
        (
            (_HAND_OVER, _HAND_OVER, 1),  # the verb has it in this form
            (_LET_WAIT, f"{_LET_WAIT}  {_HAND_OVER}", 1),
        )
    ),
    "client-clock": Bug(
        (("local lasts_until = now + tonumber(arg.hold_ms)", "local lasts_until = tonumber(arg.hold_ms)", 1),),
        _trust_own_clock,
    ),
    "no-earmark": Bug((("if cost and attempt.someone_waits and not attempt.from_queue and", "if false and", 1),)),
}
"""Skip the idempotency record; release before hold on transfer; a client's clock for a deadline; no earmark."""


BREAKS: Final[Mapping[str, Law]] = {
    "no-idempotency": Law.SERVED_TWICE,
    "release-before-hold": Law.SERVED_TWICE,
    "client-clock": Law.DRIFT,
    "no-earmark": Law.OVERTAKEN,
}
"""The law that each bug breaks."""


class BugGone(Exception):
    """The text that a bug changes is no longer in the verbs: the bug must be written for the new text."""


def plant(name: str) -> None:
    """Change the service in this process. Raises BugGone."""
    bug, texts = BUGS[name], {file: functions.lua_text(file) for file in functions.FILES}
    for old, new, times in bug.texts:
        found = sum(text.count(old) for text in texts.values())
        if found != times:
            raise BugGone(f"{name}: {old!r} occurs {found} times, not {times}")
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    functions.lua_text = texts.__getitem__  # type: ignore[assignment]
    functions._sources.cache_clear()  # noqa: SLF001
    functions.digest.cache_clear()
    functions.function.cache_clear()
    bug.patch()


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    sys.exit(app.main())
