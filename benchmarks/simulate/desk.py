"""An agent's desk: answers offers, has conversations, transfers contacts, takes breaks, and may ignore an offer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from benchmarks.simulate import calls
from benchmarks.simulate import history as h
from benchmarks.simulate.gateway import Gateway, NoAnswer, Refused
from benchmarks.simulate.history import Verb
from benchmarks.simulate.plan import Habits, Plan
from benchmarks.simulate.tasks import Tasks
from matcher.model.lifecycle import AgentStatus, ReservationState

BEAT_COUNTS: Final = 6.0
TOUCH_SECONDS: Final = 8.0
TRANSFER_WAITS: Final = 15.0
BACK_SECONDS: Final = 3.0
"""Seconds until an agent notices that the service has set the status AWAY."""
MISSED: Final = 3
"""Lapsed offers in a row after which the service sets an agent AWAY: the default of a pool's max_missed."""
WEIGHED: Final = 0.1
"""The share of the offers from the queue whose decision the desk reads."""


class DeskWorker:
    """Plays an agent."""

    def __init__(
        self,
        gateway: Gateway,
        tasks: Tasks,
        plan: Plan,
        desk: h.Desk,
        others: Sequence[h.Desk],
        texts: Sequence[str],
        settled: Callable[[str], asyncio.Event],
        waits_no_more: Callable[[str], None],
        hire: Callable[[h.Desk], Awaitable[None]],
        seed: int,
    ) -> None:
        """Set up the agent of a desk.

        settled: returns the event that is set when a transfer of a contact has ended. waits_no_more: called with a
        transferred contact that may not wait if the new agent does not accept it. hire: creates the agent of a desk.
        """
        self.desk = desk
        self.talking = 0
        self.hired = True
        """False while the agent is removed."""
        self.closing = False
        """Whether the day is over: the agent then answers every offer and takes no breaks."""
        self._gateway = gateway
        self._tasks = tasks
        self._plan = plan
        self._others = others
        self._texts = texts
        self._settled = settled
        self._waits_no_more = waits_no_more
        self._hire = hire
        self._demands = {pool.id: pool.first_response for pool in plan.pools}
        self._rng = random.Random(seed)
        self._asleep = False
        self._known: set[str] = set()
        self._missed = 0

    @property
    def _habits(self) -> Habits:
        return self._plan.habits

    def offered(self, reservation: str, *, direct: bool) -> None:
        """Start to answer an offer, or an automatically accepted conversation; a repeated report is ignored."""
        if reservation not in self._known:
            self._known.add(reservation)
            self._tasks.start(self._answer(reservation, direct))

    def lapsed(self) -> None:
        """Count an offer that was not answered in time."""
        self._missed += 1
        if self._missed >= MISSED and not self._asleep:
            self._missed = 0
            self._tasks.start(self._come_back())

    async def _come_back(self) -> None:
        await asyncio.sleep(BACK_SECONDS)
        await self._declare(AgentStatus.ONLINE)

    async def _declare(self, status: AgentStatus) -> None:
        """Set the status, unless the agent is removed at the moment."""
        with suppress(Refused):
            await calls.declare(self._gateway, self.desk.agent, status)

    async def _answer(self, reservation: str, direct: bool) -> None:
        with suppress(Refused):
            held = await calls.act(self._gateway, Verb.READ, reservation)
            if held.state is ReservationState.PENDING:
                drawn = 1.0 if self.closing else self._rng.random()
                if self._asleep or drawn < self._habits.ignore:
                    return
                await asyncio.sleep(min(self._rng.expovariate(1 / self._habits.think), 2.5))
                if drawn < self._habits.ignore + self._habits.decline:
                    again = 3.0 if self._rng.random() < 0.5 else None
                    await calls.act(self._gateway, Verb.DECLINE, reservation, fence=held.fence, again=again)
                    return
                cut = self._rng.random() < self._habits.cut_short
                held = await calls.act(self._gateway, Verb.ACCEPT, reservation, fence=held.fence, cut_short=cut)
            elif held.state is not ReservationState.ACCEPTED:
                return
            self._missed = self._missed if self._demands[held.pool] else 0
            self.talking += 1
            try:
                await self._talk(held, direct)
            finally:
                self.talking -= 1

    async def _talk(self, held: h.Held, direct: bool) -> None:
        if not direct and self._rng.random() < WEIGHED:
            await calls.weigh(self._gateway, held.reservation)
        habits = self._habits
        if demanded := self._demands[held.pool]:
            if not self.closing and self._rng.random() < habits.silent:
                await asyncio.sleep(demanded)
                return
            await asyncio.sleep(self._rng.uniform(0.0, demanded / 4))
            await calls.act(self._gateway, Verb.TOUCH, held.reservation, fence=held.fence)
            self._missed = 0
        left = min(self._rng.expovariate(1 / habits.talk), habits.longest_talk)
        touches = self._rng.random() < 0.7
        while left > TOUCH_SECONDS:
            await asyncio.sleep(TOUCH_SECONDS)
            left -= TOUCH_SECONDS
            if touches:
                await calls.act(self._gateway, Verb.TOUCH, held.reservation, fence=held.fence)
        await asyncio.sleep(left)
        if not self.closing and self._rng.random() < habits.transfer and await self._transferred(held):
            return
        verb = Verb.CANCEL if self._rng.random() < habits.cancel else Verb.COMPLETE
        resolved, cut = self._rng.random() < 0.8, self._rng.random() < habits.cut_short
        ended = await calls.act(
            self._gateway, verb, held.reservation, fence=held.fence, resolved=resolved, cut_short=cut
        )
        if self._rng.random() < habits.again:
            await asyncio.sleep(0.3)
            await calls.act(self._gateway, verb, held.reservation, fence=held.fence, resolved=resolved)
        elif ended.state is ReservationState.WRAPPING and self._rng.random() < habits.wrapped_up:
            await calls.act(self._gateway, Verb.END_WRAP_UP, held.reservation, fence=held.fence)

    async def _transferred(self, held: h.Held) -> bool:
        """Try to transfer a contact, and return whether another agent has it."""
        kind, waits = self._rng.choice(("pool", "agent", "text")), self._rng.random() < 0.6
        other = self._rng.choice([desk for desk in self._others if desk.agent != self.desk.agent] or [self.desk])
        text = self._rng.choice(self._texts) if kind == "text" else ""
        pool = held.pool if kind == "text" else self._rng.choice(other.pools)
        wish = h.Wish(pool=pool, channel=held.channel, only=other.agent if kind == "agent" else "")
        settled = self._settled(held.contact)
        settled.clear()
        if not waits:
            self._waits_no_more(held.contact)
        cut = self._rng.random() < self._habits.cut_short
        try:
            answer = await calls.transfer(
                self._gateway, held, wish, text=text, wait=TRANSFER_WAITS if waits else 0.0, cut_short=cut
            )
        except Refused:
            return False
        if answer.HasField("queued"):
            with suppress(TimeoutError):
                async with asyncio.timeout(TRANSFER_WAITS + 5):
                    await settled.wait()
            now = await calls.act(self._gateway, Verb.READ, held.reservation)
            return now.state is not ReservationState.ACCEPTED
        return answer.HasField("reservation")

    async def take_breaks(self) -> None:
        """Take breaks and return; in some breaks the agent keeps the status and answers no offer."""
        habits = self._habits
        await asyncio.sleep(self._rng.expovariate(1 / habits.breaks))
        while not self.closing:
            length = self._rng.expovariate(1 / habits.break_seconds)
            if self._rng.random() < habits.dismissed:
                self.hired = False
                await calls.dismiss(self._gateway, self.desk.agent)
                await asyncio.sleep(min(length, 1.0))
                await self._hire(self.desk)
                self.hired = True
            elif self._rng.random() < 0.1:
                self._asleep = True
                await asyncio.sleep(length)
                self._asleep = False
            else:
                kinds = (AgentStatus.OFFLINE, AgentStatus.AWAY, AgentStatus.DRAINING)
                await self._declare(self._rng.choice(kinds))
                await asyncio.sleep(length)
            # Also if the service has set the agent AWAY in the meantime.
            await self._declare(AgentStatus.ONLINE)
            await asyncio.sleep(self._rng.expovariate(1 / habits.breaks))

    async def close(self) -> None:
        """Set the agent ONLINE, and answer every offer from now on."""
        self.closing, self._asleep = True, False
        await self._declare(AgentStatus.ONLINE)

    async def beat(self) -> None:
        """Send heartbeats for ever; sometimes pause for longer than a heartbeat counts."""
        while True:
            with suppress(NoAnswer, Refused):
                await calls.beat(self._gateway, self.desk.agent, BEAT_COUNTS)
            silent = not self.closing and self._rng.random() < 0.02
            await asyncio.sleep(2 * BEAT_COUNTS if silent else BEAT_COUNTS / 3)
