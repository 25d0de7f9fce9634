"""Who is let in when more calls come than can be worked on: refused before anything of a call is read.

So many calls are worked on at once; the others stand in line, in the order in which they came: callers who each send
their next call when the last one is answered keep a line for as long as they like, and each of them has a turn. When
the line is longer than that, and has not been empty for a moment, the newest goes first: its caller is the likeliest to
be still there, and who is let in has hardly waited, however long the line is. A crowd that comes at once is answered to
the last. But when the long line has stood for a while and more have come than a crowd, it is overload: then each
newcomer, and each call that is done, sends away those who have waited longest, until the line was empty.

After B. Maurer, "Fail at Scale" (ACM Queue 13/8, 2015: controlled delay and adaptive LIFO), and K. Nichols and
V. Jacobson, "Controlling Queue Delay" (ACM Queue 10/5, 2012). The line is judged by time and not by its length: how
many calls a second can be worked on differs by machine, by message and by hour.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

NEWEST_FIRST_SECONDS: Final = 0.1
"""How long the line stands before the newest goes first. Below that it is chance, which is shared by taking turns."""
STANDING_SECONDS: Final = 0.05
"""How long a call may wait once the line has stood for `burst_seconds`."""
CALM_SECONDS: Final = 1.0
"""How long nobody must be sent away for an empty line to end an overload: a moment's luck allows no new burst."""
IN_TURN: Final = 5
"""So many times those who are worked on at once stand in line in the order of their coming, however long they do: about
half a second's work, which is shorter than any caller's patience."""
CROWD: Final = 1_024
"""A thousand calls at once are a crowd and all answered, however long a slow machine takes to let them come in."""
SENT_AWAY_AT_ONCE: Final = 2
"""So many are sent away at once: the line shrinks steadily and no moment is lost to a mass of refusals."""

Why = Literal["full", "standing"]


@dataclass(slots=True, eq=False)
class _Place:
    """A place in the line; `turn` is true when let in, false when sent away."""

    turn: asyncio.Future[bool]
    since: float


class Admission:
    """Counts the calls under way, and keeps the line of those who wait."""

    def __init__(
        self,
        most: int,
        most_waiting: int,
        burst_seconds: float,
        clock: Callable[[], float],
        *,
        in_turn: int = IN_TURN,
        crowd: int = CROWD,
        waited: Callable[[float], None] = lambda _: None,
        refused: Callable[[Why], None] = lambda _: None,
    ) -> None:
        """Let `most` in at once and `most_waiting` stand in line; `clock` gives seconds.

        in_turn: so many times `most` stand in line in the order of their coming, and none of them is sent away.
        crowd: how many may come while the line stands before it is overload, however long it stands.
        waited: told how long each call that is let in stood in line. refused: told why a call was sent away.
        """
        self._most = most
        self._most_waiting = most_waiting
        self._burst_seconds = burst_seconds
        self._in_turn = in_turn * most
        self._crowd = crowd
        self._clock = clock
        self._waited = waited
        self._refused = refused
        self._inside = 0
        self._line: OrderedDict[_Place, None] = OrderedDict()
        self._standing_since = 0.0
        self._calm_from = 0.0
        self._came = 0
        self._overload = False

    @property
    def inside(self) -> int:
        """Return how many calls are worked on."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Return how many calls stand in line."""
        return len(self._line)

    async def enter(self) -> bool:
        """Wait to be let in, and return whether that happened; who was let in must `leave`."""
        if self._inside < self._most:
            self._inside += 1
            self._waited(0.0)
            return True
        now = self._clock()
        place = _Place(asyncio.get_running_loop().create_future(), now)
        if not self._line and now >= self._calm_from:
            self._standing_since, self._came, self._overload = now, 0, False
        self._came += 1
        self._line[place] = None
        crowded = self._long and self._came > self._crowd
        self._overload |= crowded and now - self._standing_since >= self._burst_seconds
        self._send_away(now)
        try:
            return await place.turn
        except asyncio.CancelledError:
            self._line.pop(place, None)
            if place.turn.done() and not place.turn.cancelled() and place.turn.result():
                self.leave()  # let in at the moment its caller went
            raise

    def leave(self) -> None:
        """Let the next of the line in, in place of a call that is done."""
        self._inside -= 1
        if not self._line:
            return
        now = self._clock()
        if self._overload:
            self._send_away(now)
        newest_first = self._overload or (self._long and now - self._standing_since >= NEWEST_FIRST_SECONDS)
        while self._line and self._inside < self._most:
            place, _ = self._line.popitem(last=newest_first)
            if not place.turn.done():
                self._inside += 1
                self._waited(now - place.since)
                place.turn.set_result(True)

    @property
    def _long(self) -> bool:
        return len(self._line) > self._in_turn

    def _send_away(self, now: float) -> None:
        for oldest in list(islice(self._line, SENT_AWAY_AT_ONCE)):
            if len(self._line) > self._most_waiting:
                why: Why = "full"
            elif self._overload and now - oldest.since > STANDING_SECONDS:
                why = "standing"
                self._calm_from = now + CALM_SECONDS
            else:
                return
            del self._line[oldest]
            self._refused(why)
            if not oldest.turn.done():
                oldest.turn.set_result(False)
