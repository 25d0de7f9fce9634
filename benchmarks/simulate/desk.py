"""An agent's desk: takes offers, talks, hands on, goes on breaks; now and then does not answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from benchmarks.simulate import calls
from benchmarks.simulate import history as h
from benchmarks.simulate.front import Front, NoAnswer, Refused
from benchmarks.simulate.history import Verb
from benchmarks.simulate.plan import Habits, Plan
from benchmarks.simulate.work import Work
from matcher.model.lifecycle import AgentStatus, ReservationState

BEAT_COUNTS: Final = 6.0
TOUCH_SECONDS: Final = 8.0
TRANSFER_WAITS: Final = 15.0
BACK_SECONDS: Final = 3.0
"""After so long somebody notices that the engine has sent them away."""
MISSED: Final = 3
"""After so many offers in a row that lapse the engine sends an agent away: a pool's max_missed where it sets none."""
WEIGHED: Final = 0.1
"""The share of the offers from the queue whose decision the desk reads."""


class DeskWorker:
    """Plays one agent."""

    def __init__(
        self,
        front: Front,
        work: Work,
        plan: Plan,
        desk: h.Desk,
        others: Sequence[h.Desk],
        texts: Sequence[str],
        settled: Callable[[str], asyncio.Event],
        waits_no_more: Callable[[str], None],
        seed: int,
    ) -> None:
        """Take the agent; settled: gives the event that is set when a transfer of a contact has found an end.

        waits_no_more: is told of a contact that was handed on and may not wait where the new agent does not take it.
        """
        self.desk = desk
        self.talking = 0
        self.closing = False
        """The day is over: answers everything, takes no breaks."""
        self._front = front
        self._work = work
        self._plan = plan
        self._others = others
        self._texts = texts
        self._settled = settled
        self._waits_no_more = waits_no_more
        self._chance = random.Random(seed)
        self._asleep = False
        self._known: set[str] = set()
        self._missed = 0

    @property
    def _habits(self) -> Habits:
        return self._plan.habits

    def offered(self, reservation: str, *, direct: bool) -> None:
        """Hear of an offer, or of a conversation that was accepted for it; the second time is passed over."""
        if reservation not in self._known:
            self._known.add(reservation)
            self._work.start(self._answer(reservation, direct))

    def lapsed(self) -> None:
        """Hear that an offer was not answered in time."""
        self._missed += 1
        if self._missed >= MISSED and not self._asleep:
            self._missed = 0
            self._work.start(self._come_back())

    async def _come_back(self) -> None:
        await asyncio.sleep(BACK_SECONDS)
        await calls.declare(self._front, self.desk.agent, AgentStatus.ONLINE)

    async def _answer(self, reservation: str, direct: bool) -> None:
        with suppress(Refused):
            held = await calls.act(self._front, Verb.READ, reservation)
            if held.state is ReservationState.PENDING:
                drawn = 1.0 if self.closing else self._chance.random()
                if self._asleep or drawn < self._habits.ignore:
                    return
                await asyncio.sleep(min(self._chance.expovariate(1 / self._habits.think), 2.5))
                if drawn < self._habits.ignore + self._habits.decline:
                    again = 3.0 if self._chance.random() < 0.5 else None
                    await calls.act(self._front, Verb.DECLINE, reservation, fence=held.fence, again=again)
                    return
                cut = self._chance.random() < self._habits.cut_short
                held = await calls.act(self._front, Verb.ACCEPT, reservation, fence=held.fence, cut_short=cut)
            elif held.state is not ReservationState.ACCEPTED:
                return
            self._missed = 0
            self.talking += 1
            try:
                await self._talk(held, direct)
            finally:
                self.talking -= 1

    async def _talk(self, held: h.Held, direct: bool) -> None:
        if not direct and self._chance.random() < WEIGHED:
            await calls.weigh(self._front, held.reservation)
        habits = self._habits
        left = min(self._chance.expovariate(1 / habits.talk), habits.longest_talk)
        touches = self._chance.random() < 0.7
        while left > TOUCH_SECONDS:
            await asyncio.sleep(TOUCH_SECONDS)
            left -= TOUCH_SECONDS
            if touches:
                await calls.act(self._front, Verb.TOUCH, held.reservation, fence=held.fence)
        await asyncio.sleep(left)
        if not self.closing and self._chance.random() < habits.transfer and await self._handed_on(held):
            return
        verb = Verb.CANCEL if self._chance.random() < habits.cancel else Verb.COMPLETE
        resolved, cut = self._chance.random() < 0.8, self._chance.random() < habits.cut_short
        await calls.act(self._front, verb, held.reservation, fence=held.fence, resolved=resolved, cut_short=cut)
        if self._chance.random() < habits.again:
            await asyncio.sleep(0.3)
            await calls.act(self._front, verb, held.reservation, fence=held.fence, resolved=resolved)

    async def _handed_on(self, held: h.Held) -> bool:
        """Try to hand a contact on; tell whether it has gone."""
        kind, waits = self._chance.choice(("pool", "agent", "text")), self._chance.random() < 0.6
        other = self._chance.choice([one for one in self._others if one.agent != self.desk.agent] or [self.desk])
        text = self._chance.choice(self._texts) if kind == "text" else ""
        pool = held.pool if kind == "text" else self._chance.choice(other.pools)
        wish = h.Wish(pool=pool, channel=held.channel, only=other.agent if kind == "agent" else "")
        settled = self._settled(held.contact)
        settled.clear()
        if not waits:
            self._waits_no_more(held.contact)
        cut = self._chance.random() < self._habits.cut_short
        try:
            answer = await calls.transfer(
                self._front, held, wish, text=text, wait=TRANSFER_WAITS if waits else 0.0, cut_short=cut
            )
        except Refused:
            return False
        if answer.HasField("queued"):
            with suppress(TimeoutError):
                async with asyncio.timeout(TRANSFER_WAITS + 5):
                    await settled.wait()
            now = await calls.act(self._front, Verb.READ, held.reservation)
            return now.state is not ReservationState.ACCEPTED
        return answer.HasField("reservation")

    async def take_breaks(self) -> None:
        """Go on breaks, and back; some fall asleep: they answer nothing until the engine has sent them away."""
        habits = self._habits
        await asyncio.sleep(self._chance.expovariate(1 / habits.breaks))
        while not self.closing:
            length = self._chance.expovariate(1 / habits.break_seconds)
            if self._chance.random() < 0.1:
                self._asleep = True
                await asyncio.sleep(length)
                self._asleep = False
            else:
                kinds = (AgentStatus.OFFLINE, AgentStatus.AWAY, AgentStatus.DRAINING)
                await calls.declare(self._front, self.desk.agent, self._chance.choice(kinds))
                await asyncio.sleep(length)
            # Also whom the engine has sent away.
            await calls.declare(self._front, self.desk.agent, AgentStatus.ONLINE)
            await asyncio.sleep(self._chance.expovariate(1 / habits.breaks))

    async def close(self) -> None:
        """Be there, and answer everything from now on."""
        self.closing, self._asleep = True, False
        await calls.declare(self._front, self.desk.agent, AgentStatus.ONLINE)

    async def beat(self) -> None:
        """Send heartbeats for ever; sometimes the desk is silent for longer than one counts."""
        while True:
            with suppress(NoAnswer):
                await calls.beat(self._front, self.desk.agent, BEAT_COUNTS)
            silent = not self.closing and self._chance.random() < 0.02
            await asyncio.sleep(2 * BEAT_COUNTS if silent else BEAT_COUNTS / 3)
