"""Admission of calls: how much is worked on at once, which calls wait in the line, and which are refused.

A call asks for admission when its body has been read, and is refused before anything of it is decoded. A fixed number
of places are given at once, to an ordinary call one and to a larger one as many as its work, up to half of them; the
other calls wait in the line. There sites take turns by work (`fair_line`): what follows holds for the calls of one
site, and a refusal meets the site with the most work in the line.

Calls are admitted in the order of their arrival. Callers who each send their next call when the last call is answered
keep a line for as long as they like, and each caller is admitted once a round. When the line is longer than that, and
has not been empty for a moment, the newest call is admitted first: its caller is the likeliest to be still there, and a
call that is admitted has hardly waited, however long the line is. A crowd that arrives at once is answered to the last
call. But when the long line has stood for a while and more calls than a crowd have arrived, it is overload: then each
call that arrives, and each call that is done, refuses the calls that have waited longest, until the line was empty.

After B. Maurer, "Fail at Scale" (ACM Queue 13/8, 2015: controlled delay and adaptive LIFO), and K. Nichols and
V. Jacobson, "Controlling Queue Delay" (ACM Queue 10/5, 2012). The line is judged by time and not by its length: how
many calls a second can be worked on differs by machine, by message and by hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from matcher.rpc.call_cost import CallCost
from matcher.rpc.fair_line import TURN_WORK, FairLine

NEWEST_FIRST_SECONDS: Final = 0.1
"""How long the line stands before the newest call is admitted first. A shorter line is chance, and calls share it in
the order of their arrival."""
STANDING_SECONDS: Final = 0.05
"""How long a call may wait once the line has stood for `burst_seconds`."""
CALM_SECONDS: Final = 1.0
"""An empty line ends an overload only after no call was refused for this time: one lucky moment allows no new burst."""
IN_ORDER: Final = 5
"""A line of up to this many times the calls that are worked on at once keeps the order of arrival, however long it
stands: about half a second's work, which is shorter than any caller's patience."""
CROWD: Final = 1_024
"""A thousand calls at once are a crowd and all answered, however long a slow machine takes to receive them."""
REFUSED_AT_ONCE: Final = 2
"""Calls refused at once: the line shrinks steadily, and no moment is lost to a mass of refusals."""
MOST_WAITING_BYTES: Final = 64 * 2**20
"""Bytes of the bodies in a line: four batches of the largest kind, or any number of ordinary calls that may wait."""
ORDINARY: Final = CallCost()


class Refusal(StrEnum):
    """Why a call is refused."""

    FULL = "full"
    """The line has reached its greatest length, or its bodies their greatest size."""
    STANDING = "standing"
    """The line has stood too long, and the call has waited too long in it."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call in the line; `admitted` becomes true when the call is admitted, false when it is refused."""

    admitted: asyncio.Future[bool]
    since: float
    cost: CallCost


class Admission:
    """Counts the calls that are worked on, and keeps the line of the calls that wait."""

    def __init__(
        self,
        most: int,
        most_waiting: int,
        burst_seconds: float,
        clock: Callable[[], float],
        *,
        in_order: int = IN_ORDER,
        crowd: int = CROWD,
        turn_work: int = TURN_WORK,
        on_wait: Callable[[float], None] = lambda _: None,
        on_refusal: Callable[[Refusal, str], None] = lambda _reason, _site: None,
    ) -> None:
        """Admit ordinary calls for `most` places and let `most_waiting` wait in the line; `clock` gives seconds.

        in_order: a line of up to this many times `most` keeps the order of arrival, and none of its calls is refused.
        crowd: how many calls may arrive while the line stands before it is overload, however long it stands.
        turn_work: the work that a site may have admitted in its turn, where calls wait.
        on_wait: called with the seconds that an admitted call has waited. on_refusal: called with the reason and the
        site of each refused call.
        """
        self._most = most
        self._most_waiting = most_waiting
        self._burst_seconds = burst_seconds
        self._in_order = in_order * most
        self._crowd = crowd
        self._clock = clock
        self._on_wait = on_wait
        self._on_refusal = on_refusal
        self._in_flight = 0
        self._taken = 0
        self._line: FairLine[_Waiting] = FairLine(turn_work)
        self._standing_since = 0.0
        self._calm_from = 0.0
        self._arrived = 0
        self._overload = False

    @property
    def in_flight(self) -> int:
        """Return how many calls are worked on."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Return how many calls wait in the line."""
        return len(self._line)

    async def enter(self, cost: CallCost = ORDINARY) -> bool:
        """Wait for admission, and return whether the call is admitted; an admitted call must `leave` at its cost."""
        if not self._line and self._fits(cost):
            self._begin(cost)
            self._on_wait(0.0)
            return True
        now = self._clock()
        call = _Waiting(asyncio.get_running_loop().create_future(), now, cost)
        if not self._line and now >= self._calm_from:
            self._standing_since, self._arrived, self._overload = now, 0, False
        self._arrived += 1
        self._line.add(call)
        crowded = self._long and self._arrived > self._crowd
        self._overload |= crowded and now - self._standing_since >= self._burst_seconds
        self._refuse_oldest(now)
        try:
            return await call.admitted
        except asyncio.CancelledError:
            self._line.remove(call)
            if call.admitted.done() and not call.admitted.cancelled() and call.admitted.result():
                self.leave(cost)  # admitted at the moment its caller went
            raise

    def leave(self, cost: CallCost = ORDINARY) -> None:
        """End a call, and admit the next of the line."""
        self._in_flight -= 1
        self._taken -= self._places(cost)
        if not self._line:
            return
        now = self._clock()
        if self._overload:
            self._refuse_oldest(now)
        newest_first = self._overload or (self._long and now - self._standing_since >= NEWEST_FIRST_SECONDS)
        while self._line:
            call = self._line.next(newest=newest_first)
            if not self._fits(call.cost):
                return  # it is next: calls that would fit must not overtake it for ever
            self._line.remove(call, served=True)
            if not call.admitted.done():
                self._begin(call.cost)
                self._on_wait(now - call.since)
                call.admitted.set_result(True)

    def _places(self, cost: CallCost) -> int:
        return min(cost.work, max(1, self._most // 2))

    def _fits(self, cost: CallCost) -> bool:
        return self._taken + self._places(cost) <= self._most

    def _begin(self, cost: CallCost) -> None:
        self._in_flight += 1
        self._taken += self._places(cost)

    @property
    def _long(self) -> bool:
        return len(self._line) > self._in_order

    def _refuse_oldest(self, now: float) -> None:
        for _ in range(REFUSED_AT_ONCE):
            if not self._line:
                return
            oldest = self._line.oldest_of_heaviest()
            if len(self._line) > self._most_waiting or self._line.size > MOST_WAITING_BYTES:
                reason = Refusal.FULL
            elif self._overload and now - oldest.since > STANDING_SECONDS:
                reason = Refusal.STANDING
                self._calm_from = now + CALM_SECONDS
            else:
                return
            self._line.remove(oldest)
            self._on_refusal(reason, oldest.cost.site)
            if not oldest.admitted.done():
                oldest.admitted.set_result(False)
