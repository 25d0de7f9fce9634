"""The platform: routes the customers' messages, watches their contacts, and notifies the desks."""

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

from benchmarks.simulate import calls, convert
from benchmarks.simulate import history as h
from benchmarks.simulate.desk import DeskWorker
from benchmarks.simulate.facts import ENDED, NOBODYS
from benchmarks.simulate.gateway import Gateway, NoAnswer, Refused
from benchmarks.simulate.plan import Arrival, Habits
from benchmarks.simulate.tasks import Tasks
from matcher.model.lifecycle import Cause, ContactState
from matcher.v1 import routing_pb2 as pb

ROUTED_AGAIN: Final = 3
AGAIN_SECONDS: Final = 2.0
OFFERS: Final = frozenset({Cause.OFFERED, Cause.TRANSFERRED, Cause.ACCEPTED, Cause.ASSIGNED})


class Platform:
    """Plays the platform and its customers."""

    def __init__(
        self, gateway: Gateway, tasks: Tasks, habits: Habits, desks: Mapping[str, DeskWorker], seed: int
    ) -> None:
        self.arrived = 0
        self.states: dict[str, ContactState] = {}
        """The last reported state of each contact."""
        self.offers = 0
        self._gateway = gateway
        self._tasks = tasks
        self._habits = habits
        self._desks = desks
        self._rng = random.Random(seed)
        self._acknowledged: set[str] = set()
        self._not_waiting: set[str] = set()
        self._sequences: dict[str, int] = {}
        self._settled: dict[str, asyncio.Event] = {}
        self._arrivals: dict[str, Arrival] = {}
        self._watches: list[asyncio.Task[None]] = []

    def settled(self, contact: str) -> asyncio.Event:
        """Return the event that is set when a transfer of a contact has ended."""
        return self._settled.setdefault(contact, asyncio.Event())

    def waits_no_more(self, contact: str) -> None:
        """Note that a contact may not wait: if it is queued, the platform cancels it."""
        self._not_waiting.add(contact)

    def open(self) -> set[str]:
        """Return the acknowledged contacts that have not ended, by the reported states."""
        return {contact for contact in self._acknowledged if self.states.get(contact) not in ENDED}

    def count(self, state: ContactState) -> int:
        """Return the number of contacts in a state, by the reported states."""
        return sum(reported is state for reported in self.states.values())

    async def watch(self, pools: tuple[h.PoolTerms, ...]) -> None:
        """Start to watch the pools; return once every watch has started."""
        for pool in pools:
            started = asyncio.Event()
            self._watches.append(self._tasks.start(self._watch(pool.id, started)))
            await started.wait()

    def leave(self) -> None:
        """Stop the watches."""
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, pool: str, started: asyncio.Event) -> None:
        """Watch a pool for ever, at any replica; resume where the last stream ended."""
        token = ""
        while True:
            request = pb.WatchEventsRequest(
                parent=self._gateway.parent, pool=self._gateway.name("pools", pool), resume_token=token
            )
            call = self._gateway.stubs().routing.WatchEvents(request)
            try:
                async for answer in call:
                    token = answer.resume_token
                    started.set()
                    if answer.HasField("event"):
                        self._handle(convert.step(answer.event))
            except grpc.aio.AioRpcError:
                pass
            finally:
                call.cancel()
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    def _handle(self, step: h.Stepped) -> None:
        self._gateway.journal.add(step)
        if step.sequence <= self._sequences.get(step.contact, 0):
            return
        self._sequences[step.contact] = step.sequence
        self.states[step.contact] = step.state
        if step.reservation and step.cause in OFFERS and step.agent in self._desks:
            self.offers += step.cause is not Cause.ACCEPTED
            self._desks[step.agent].offered(step.reservation, direct=False)
        if step.cause in (Cause.OFFER_EXPIRED, Cause.NO_FIRST_RESPONSE) and step.agent in self._desks:
            self._desks[step.agent].lapsed()
        if step.contact in self._settled and step.cause is not Cause.TRANSFER_ASKED:
            self._settled[step.contact].set()
        if self._is_to_be_sent_again(step.contact):
            self._tasks.start(self._send_again_or_give_up(step.contact))

    def _is_to_be_sent_again(self, contact: str) -> bool:
        """Tell whether a contact is nobody's and will not be offered: it is not in the queue, or may not be."""
        state = self.states.get(contact)
        return state is ContactState.RETURNED or (state in NOBODYS and contact in self._not_waiting)

    async def _send_again_or_give_up(self, contact: str) -> None:
        """Route a contact that is nobody's again under its id, once; else cancel it."""
        arrival = self._arrivals.pop(contact, None)
        if arrival is not None and self._rng.random() < self._habits.again_under_id:
            request = calls.route_request(self._gateway, arrival, uuid.uuid4().hex, contact)
            with suppress(Refused):
                answer = await calls.route(self._gateway, arrival, request)
                if not answer.HasField("unmatched"):
                    return
        await self._give_up(contact)

    async def _give_up(self, contact: str) -> None:
        with suppress(Refused):
            await calls.give_up(self._gateway, contact)

    async def customers(self, arrivals: list[Arrival]) -> None:
        """Start each customer at the time of its arrival; return after the last arrival."""
        began = time.monotonic()
        for arrival in arrivals:
            if (early := began + arrival.at - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self.arrived += 1
            self._tasks.start(self._customer(arrival))

    async def _customer(self, arrival: Arrival) -> None:
        for _ in range(ROUTED_AGAIN):
            request = calls.route_request(self._gateway, arrival, uuid.uuid4().hex)
            try:
                contact = await self._route(arrival, request)
            except Refused:
                return
            if contact:
                await self._stay(arrival, contact)
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _route(self, arrival: Arrival, request: pb.RouteMessageRequest) -> str:
        """Route a message; return the contact, "" where no agent is free and the contact may not wait."""
        drawn, habits = self._rng.random(), self._habits
        if drawn < habits.twice_at_once:
            both = [calls.route(self._gateway, arrival, request) for _ in range(2)]
            answers = list(await asyncio.gather(*both, return_exceptions=True))
            for result in answers:
                if isinstance(result, BaseException) and not isinstance(result, Refused | NoAnswer):
                    raise result
            answered = [result for result in answers if isinstance(result, pb.RouteMessageResponse)]
            if not answered:
                return ""
            # An unmatched answer is not replayed: the other attempt may have found an agent a moment later.
            answer = next((result for result in answered if not result.HasField("unmatched")), answered[0])
        else:
            cut = drawn < habits.twice_at_once + habits.cut_short
            answer = await calls.route(self._gateway, arrival, request, cut_short=cut)
        if answer.HasField("unmatched"):
            return ""
        if self._rng.random() < habits.repeated:
            await asyncio.sleep(self._rng.uniform(0.0, 1.0))
            with suppress(Refused, NoAnswer):
                await calls.route(self._gateway, arrival, request)
        return convert.plain(answer.contact)

    async def _stay(self, arrival: Arrival, contact: str) -> None:
        """Note a contact as acknowledged, and cancel it if it still waits when its customer's patience ends."""
        self._acknowledged.add(contact)
        self._arrivals[contact] = arrival
        if not arrival.wait:
            self._not_waiting.add(contact)
        if self._is_to_be_sent_again(contact):
            await self._send_again_or_give_up(contact)
        if math.isfinite(arrival.patience):
            await asyncio.sleep(arrival.patience)
            if self.states.get(contact) in NOBODYS:
                await self._give_up(contact)
