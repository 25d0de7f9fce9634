"""A server with a bug planted into it, to see that the checker finds it. No flag of the product does this.

`python -m benchmarks.simulate.planted BUG` changes the service's code in memory, and then serves as server.py does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, TypeAlias

from benchmarks.simulate.verdict import Law
from matcher.server import app
from matcher.store.redis import functions
from matcher.store.reservations import ReservationStore, ReserveRequest, Shortlist

Args: TypeAlias = "list[str | bytes | int]"

SKEW: Final = "SIMULATE_CLOCK_SKEW_SECONDS"
"""How far the clock of this replica's machine is off; read by the bug that trusts it."""


@dataclass(frozen=True, slots=True)
class Bug:
    """What is changed: texts of the store's verbs, each of which must be there as often as said, and objects."""

    texts: tuple[tuple[str, str, int], ...]
    patch: Callable[[], None] = lambda: None


def _trust_own_clock() -> None:
    asked, off = ReservationStore._asked, float(os.environ.get(SKEW, "-0.8"))  # noqa: SLF001

    def by_own_clock(
        self: ReservationStore, claim: ReserveRequest, offer: Shortlist, or_wait: bool
    ) -> tuple[list[str], Args]:
        deadline_ms = round((time.time() + off) * 1000) + claim.hold_ms
        return asked(self, replace(claim, hold_ms=deadline_ms), offer, or_wait)

    ReservationStore._asked = by_own_clock  # type: ignore[method-assign]  # noqa: SLF001


_HAND_OVER: Final = "if transfer then hand_over(keys[12], keys[13], keys[14], place, keys[5], args[23]) end\n"

BUGS: Final[Mapping[str, Bug]] = {
    "no-idempotency": Bug((("redis.call('SET', keys[1], table.concat(", "tostring(table.concat(", 2),)),
    "release-before-hold": Bug(
        (
            (_HAND_OVER, _HAND_OVER, 1),  # as the verb itself says it
            (
                "    local told = step(place, transfer and 'ASSIGNED' or 'QUEUED',",
                f"    {_HAND_OVER}    local told = step(place, transfer and 'ASSIGNED' or 'QUEUED',",
                1,
            ),
        )
    ),
    "client-clock": Bug(
        (("local deadline = now + tonumber(args[10])", "local deadline = tonumber(args[10])", 1),), _trust_own_clock
    ),
    "no-earmark": Bug((("if room and someone_waits and not from_queue then", "if false then", 1),)),
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
    """The text that a bug changes is not in the verbs any more: the bug must be planted anew."""


def plant(name: str) -> None:
    """Change the service in this process. Raises BugGone."""
    bug, sources = BUGS[name], functions._sources()  # noqa: SLF001  # it is what a bug is planted into
    for old, new, times in bug.texts:
        if sources.count(old) != times:
            raise BugGone(f"{name}: {old!r} is there {sources.count(old)} times, not {times}")
        sources = sources.replace(old, new)
    functions._sources = cache(lambda: sources)  # noqa: SLF001
    functions.digest.cache_clear()
    functions.function.cache_clear()
    bug.patch()


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    sys.exit(app.main())
