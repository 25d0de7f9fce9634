"""Places for reading bodies: how many bodies this process receives at once, and which read makes way for another.

gRPC receives the whole of a message before anybody can see how large it is. So what bounds the memory is how many
messages are received at once. A body that lies in gRPC's hands is read within two passes of the event loop; a read that
takes longer waits for its sender, or the machine is busy. Two signs together tell the two apart: later reads are done,
and others were found waiting for the place some ten times since the read began. Such a read makes way when another call
wants its place: so a caller who sends headers and no body keeps nobody out, and no call of a crowd is refused on a slow
machine. The first sign alone is none: where gRPC's thread loses its core between the headers of a call and its body,
fifteen bodies of other connections come first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from matcher.errors import ServiceOverloaded

T = TypeVar("T")

MOST_READS: Final = 16
"""Bodies received at once. Each takes up to 17 MiB, and twice that while gRPC hands it over: half a gigabyte at most. A
body that has arrived takes two passes of the loop: a thousand calls a second fit, even where a pass takes 8 ms."""
PROBES: Final = 4
"""Reads beyond the limit that are tried while all places are taken by reads that do not end: what is read meanwhile
shows that the others wait for their senders."""
PROBE_SECONDS: Final = 0.02
"""How long the first call waits for a place before it is tried beyond the limit."""
OVERTAKEN: Final = 4
"""Later reads that were done before a read that makes way: on a free machine gRPC hands bodies over nearly in the order
of the reads."""
PATIENCE: Final = 50
"""How many times others may be found waiting before a read makes way that nothing overtook: a second's worth. Counted
and not timed, since a loop that was blocked for a second has given nobody a second."""
OVERTAKEN_PATIENCE: Final = 5
"""The part of that patience after which a read makes way that others overtook: one in five, 0.2 s, in which a thread
gets a core also where fifty others want it."""
MOST_WAITING: Final = 4_096
"""Calls that wait for a place. Of their bodies nothing is kept beyond what HTTP/2 sends unasked, 64 KiB a call."""


class _Read:
    """A read that has a place, or waits for one."""

    __slots__ = ("granted", "made_way", "overtaken", "seen", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.overtaken = 0
        self.seen = 0
        self.made_way = False
        self.granted: asyncio.Future[bool] | None = None


class BodyReads:
    """Gives reads their places in the order in which they ask, and takes the place of reads that others overtook."""

    def __init__(self, most: int = MOST_READS, *, patience: int = PATIENCE) -> None:
        """Allow `most` reads at once; patience: how often others may be found waiting for a read that does not end."""
        self._most = most
        self._patience = patience
        self._overtaken_patience = max(1, patience // OVERTAKEN_PATIENCE)
        self._reading: dict[_Read, None] = {}
        self._waiting: deque[_Read] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reading(self) -> int:
        """Return how many bodies are received now."""
        return len(self._reading)

    @property
    def waiting(self) -> int:
        """Return how many calls wait for a place."""
        return len(self._waiting)

    async def run(self, body: Callable[[], Awaitable[T]]) -> T:
        """Return what `body` reads. Raises ServiceOverloaded where the read had to make way, or got no place."""
        task = asyncio.current_task()
        assert task is not None
        read = _Read(task)
        try:
            if len(self._reading) < self._most:
                self._reading[read] = None
            else:
                await self._place(read)
            got = await body()
        except asyncio.CancelledError:
            if read.made_way and task.uncancel() == 0:
                raise ServiceOverloaded from None
            raise
        else:
            if len(self._reading) > 1:
                self._overtake(read)
            return got
        finally:
            self._reading.pop(read, None)
            if self._waiting:
                self._grant()

    async def _place(self, read: _Read) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._answer(self._waiting.popleft(), granted=False)
        read.granted = asyncio.get_running_loop().create_future()
        self._waiting.append(read)
        self._make_way()
        try:
            if not await read.granted:
                raise ServiceOverloaded
        except asyncio.CancelledError:
            with suppress(ValueError):  # a place that came free in the same pass took the read off
                self._waiting.remove(read)
            raise

    def _overtake(self, done: _Read) -> None:
        for read in self._reading:
            if read is done:
                break
            read.overtaken += 1

    def _grant(self, most: int | None = None) -> None:
        """Give free places to the calls that wait."""
        while self._waiting and len(self._reading) < (self._most if most is None else most):
            read = self._waiting.popleft()
            if self._answer(read, granted=True):
                self._reading[read] = None  # now, so that nobody else takes the place until the call goes on
        if self._waiting:
            self._make_way()

    def _make_way(self) -> None:
        """Cancel reads that were overtaken, at most as many as calls wait; else try a call beyond the limit in time."""
        for read in list(self._reading)[: len(self._waiting)]:
            overtaken = read.overtaken >= OVERTAKEN and read.seen >= self._overtaken_patience
            if (overtaken or read.seen >= self._patience) and not read.made_way:
                read.made_way = True
                read.task.cancel()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        for read in self._reading:
            read.seen += 1
        self._grant(self._most + PROBES)

    @staticmethod
    def _answer(read: _Read, *, granted: bool) -> bool:
        if read.granted is None or read.granted.done():
            return False
        read.granted.set_result(granted)
        return True
