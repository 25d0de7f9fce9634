"""The platform: takes customers' messages in, watches what becomes of them, and tells the desks."""

from __future__ import annotations

import asyncio
import math
import random
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import grpc

from benchmarks.simulate import calls, seen
from benchmarks.simulate import history as h
from benchmarks.simulate.desk import DeskWorker
from benchmarks.simulate.front import Front, NoAnswer, Refused
from benchmarks.simulate.lives import ENDED
from benchmarks.simulate.plan import Arrival, Habits
from benchmarks.simulate.work import Work
from matcher.model.lifecycle import Cause, ContactState
from matcher.v1 import routing_pb2 as pb

ROUTED_AGAIN: Final = 3
AGAIN_SECONDS: Final = 2.0
OFFERS: Final = frozenset({Cause.OFFERED, Cause.TRANSFERRED, Cause.ACCEPTED})


class Platform:
    """Plays the platform with its customers."""

    def __init__(self, front: Front, work: Work, habits: Habits, desks: Mapping[str, DeskWorker], seed: int) -> None:
        self.arrived = 0
        self.states: dict[str, ContactState] = {}
        """The last state heard of each contact."""
        self.offers = 0
        self._front = front
        self._work = work
        self._habits = habits
        self._desks = desks
        self._chance = random.Random(seed)
        self._acknowledged: set[str] = set()
        self._not_waiting: set[str] = set()
        self._sequences: dict[str, int] = {}
        self._settled: dict[str, asyncio.Event] = {}
        self._watches: list[asyncio.Task[None]] = []

    def settled(self, contact: str) -> asyncio.Event:
        """Return the event that is set when a transfer of a contact has found an end."""
        return self._settled.setdefault(contact, asyncio.Event())

    def waits_no_more(self, contact: str) -> None:
        """Hear that a contact does not wait where nobody takes it: the platform then gives it up."""
        self._not_waiting.add(contact)

    def open(self) -> set[str]:
        """Return the contacts that were acknowledged and have not ended, as far as was heard."""
        return {one for one in self._acknowledged if self.states.get(one) not in ENDED}

    def count(self, state: ContactState) -> int:
        """Return how many contacts are in a state, as far as was heard."""
        return sum(one is state for one in self.states.values())

    async def watch(self, pools: tuple[h.PoolTerms, ...]) -> None:
        """Begin to watch the pools; return once every watch has begun."""
        for pool in pools:
            begun = asyncio.Event()
            self._watches.append(self._work.start(self._watch(pool.id, begun)))
            await begun.wait()

    def leave(self) -> None:
        """Watch no longer."""
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, pool: str, begun: asyncio.Event) -> None:
        """Watch a pool for ever, from any replica; go on where the last one stopped."""
        token = ""
        while True:
            request = pb.WatchEventsRequest(
                parent=self._front.parent, pool=self._front.name("pools", pool), resume_token=token
            )
            call = self._front.stubs().routing.WatchEvents(request)
            try:
                async for answer in call:
                    token = answer.resume_token
                    begun.set()
                    if answer.HasField("event"):
                        self._heard(seen.step(answer.event))
            except grpc.aio.AioRpcError:
                pass
            finally:
                call.cancel()
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))

    def _heard(self, step: h.Stepped) -> None:
        self._front.journal.note(step)
        if step.sequence <= self._sequences.get(step.contact, 0):
            return
        self._sequences[step.contact] = step.sequence
        self.states[step.contact] = step.state
        if step.reservation and step.cause in OFFERS and step.agent in self._desks:
            self.offers += step.cause is not Cause.ACCEPTED
            self._desks[step.agent].offered(step.reservation, direct=False)
        if step.cause is Cause.OFFER_EXPIRED and step.agent in self._desks:
            self._desks[step.agent].lapsed()
        if step.contact in self._settled and step.cause is not Cause.TRANSFER_ASKED:
            self._settled[step.contact].set()
        if step.state is ContactState.QUEUED and step.contact in self._not_waiting:
            self._work.start(self._give_up(step.contact))

    async def _give_up(self, contact: str) -> None:
        with suppress(Refused):
            await calls.give_up(self._front, contact)

    async def customers(self, arrivals: list[Arrival]) -> None:
        """Let everybody come at their time; return when the last one has come."""
        began = time.monotonic()
        for arrival in arrivals:
            if (early := began + arrival.at - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self.arrived += 1
            self._work.start(self._customer(arrival))

    async def _customer(self, arrival: Arrival) -> None:
        for _ in range(ROUTED_AGAIN):
            request = calls.route_request(self._front, arrival, uuid.uuid4().hex)
            try:
                contact = await self._route(arrival, request)
            except Refused:
                return
            if contact:
                await self._stay(arrival, contact)
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _route(self, arrival: Arrival, request: pb.RouteMessageRequest) -> str:
        """Route a message; return the contact, "" where nobody could take it and it may not wait."""
        drawn, habits = self._chance.random(), self._habits
        if drawn < habits.twice_at_once:
            both = [calls.route(self._front, arrival, request) for _ in range(2)]
            answers = list(await asyncio.gather(*both, return_exceptions=True))
            for one in answers:
                if isinstance(one, BaseException) and not isinstance(one, Refused | NoAnswer):
                    raise one
            answered = [one for one in answers if isinstance(one, pb.RouteMessageResponse)]
            if not answered:
                return ""
            # That nobody was free is not remembered: the other may have found somebody a moment later.
            answer = next((one for one in answered if not one.HasField("unmatched")), answered[0])
        else:
            cut = drawn < habits.twice_at_once + habits.cut_short
            answer = await calls.route(self._front, arrival, request, cut_short=cut)
        if answer.HasField("unmatched"):
            return ""
        if self._chance.random() < habits.repeated:
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            with suppress(Refused, NoAnswer):
                await calls.route(self._front, arrival, request)
        return seen.plain(answer.contact)

    async def _stay(self, arrival: Arrival, contact: str) -> None:
        """Note a contact as acknowledged; a customer whose patience ends while they wait gives up."""
        self._acknowledged.add(contact)
        if not arrival.wait:
            self._not_waiting.add(contact)
            if self.states.get(contact) is ContactState.QUEUED:
                await self._give_up(contact)
        if math.isfinite(arrival.patience):
            await asyncio.sleep(arrival.patience)
            if self.states.get(contact) is ContactState.QUEUED:
                await self._give_up(contact)
