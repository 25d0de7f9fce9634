"""One failure under load: the holds that callers were told of, and what is left and told of each afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc

from benchmarks.chaos.processes import until
from benchmarks.failovers.settings import Ground
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

AGENTS: Final = 12
CAPACITY: Final = 100
CALLERS: Final = 3
PAUSE: Final = 0.06
"""Seconds between two calls of a caller: some 30 calls a second of all callers."""
BEFORE: Final = 1.0
"""Seconds of load before the store fails."""
AFTER: Final = 1.0
"""Seconds of load after the first route that is answered again."""
ANSWERED_SECONDS: Final = 90.0
TOLD_SECONDS: Final = 10.0
"""How long a watch is waited for."""
TEXTS: Final = ("My bees have swarmed and the veil is torn.", "The sail has a hole.", "Hello?", "Where is my order?")
INTERESTS: Final = ("I keep bees.", "I sail small boats.", "I bake bread.", "I climb boulders.")
AT_ONCE: Final = 8


@dataclass
class Hold:
    """A hold that a caller was told of: its contact, when, and whether the caller was told that it is accepted."""

    contact: str
    told_at: float
    accepted: bool = False


@dataclass
class Told:
    """What the watch of the site has told: when each contact was said to be lost, and how often it began again."""

    lost: dict[str, float] = field(default_factory=dict)
    begun_again: int = 0


@dataclass
class Trial:
    """What was seen of one failure. gone: no such reservation. older: known, but no longer accepted."""

    holds: int = 0
    gone: int = 0
    older: int = 0
    told: int = 0
    told_by_reading: int = 0
    """Lost ones of which the watch was not told, but GetContact says so."""
    told_beside: int = 0
    """Contacts that are told to have lost a step that no caller was told of."""
    failed_calls: int = 0
    answered_s: float = 0.0
    told_s: float = 0.0
    """Seconds from the kill until the last of the lost ones was told."""
    span_s: float = 0.0
    """Seconds between the first and the last of the lost ones."""
    held_at_the_end: int = 0


async def follow(client: MatcherClient, told: Told) -> None:
    """Watch the site until cancelled; where the place of the watch is forgotten, list and watch again."""
    while True:
        try:
            async with aclosing(client.watch_events()) as answers:
                async for answer in answers:
                    if answer.event.cause == pb.CAUSE_LOST:
                        told.lost.setdefault(_id(answer.event.contact), time.monotonic())
        except MatcherCallError:
            told.begun_again += 1
            await asyncio.sleep(0.1)
            async for contact in _listed(client):
                if contact.cause == pb.CAUSE_LOST:
                    told.lost.setdefault(_id(contact.name), time.monotonic())


async def _listed(client: MatcherClient) -> Any:
    try:
        async for contact in client.contacts():
            yield contact
    except MatcherCallError:
        return


async def hire(client: MatcherClient) -> None:
    """Make agents who never are full, and offers that never lapse."""
    pool = await client.pool("default")
    pool.offer_duration.FromSeconds(3600)
    await client.update_pool(pool, ["offer_duration"])
    capacity = roster.Capacity(total=CAPACITY, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    for number in range(AGENTS):
        agent = roster.Agent(interests=[INTERESTS[number % 4]], capacity=capacity, status=roster.ONLINE)
        await client.create_agent(f"a{number}", agent)


class Callers:
    """Callers who route, and accept every second offer, until they are stopped."""

    def __init__(self, client: MatcherClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._stopping = False
        self.holds: dict[str, Hold] = {}
        self.failed = 0
        self.answered = asyncio.Event()
        self.killed_at = float("inf")
        self.answered_at = 0.0

    async def run(self) -> None:
        """Call until `stop`."""
        await asyncio.gather(*(self._caller(number) for number in range(CALLERS)))

    def stop(self) -> None:
        """Begin no further contact."""
        self._stopping = True

    async def _caller(self, number: int) -> None:
        contact = 0
        while not self._stopping:
            contact += 1
            began = time.monotonic()
            try:
                await self._contact(f"{self._prefix}-{number}-{contact}", accepting=contact % 2 == 0)
            except MatcherCallError:
                self.failed += 1
            else:
                if began > self.killed_at and not self.answered.is_set():
                    self.answered_at = time.monotonic()
                    self.answered.set()
            await asyncio.sleep(PAUSE)

    async def _contact(self, contact: str, *, accepting: bool) -> None:
        answer = await self._client.route(TEXTS[len(self.holds) % len(TEXTS)], contact_id=contact)
        name = answer.reservation.name
        self.holds[name] = hold = Hold(contact, time.monotonic())
        if accepting:
            await asyncio.sleep(PAUSE)
            await self._client.accept(name)
            hold.accepted, hold.told_at = True, time.monotonic()


async def attempt(ground: Ground, client: MatcherClient, told: Told, number: int) -> Trial:
    """Let the store fail once under load; return what was lost and told of it."""
    seen = Trial()
    callers = Callers(client, f"t{number}")
    calling = asyncio.create_task(callers.run())
    try:
        await asyncio.sleep(BEFORE)
        await ground.prepare()
        killed_at = callers.killed_at = time.monotonic()
        await ground.fail()
        async with asyncio.timeout(ANSWERED_SECONDS):
            await callers.answered.wait()
        await asyncio.sleep(AFTER)
        callers.stop()
        await calling
    finally:
        calling.cancel()
    await ground.mend()
    lost = await _judge(client, callers, seen)
    names = {callers.holds[name].contact for name in lost}

    async def all_told() -> bool:
        return names <= told.lost.keys()

    with contextlib.suppress(TimeoutError):
        await until(all_told, TOLD_SECONDS)
    seen.holds, seen.failed_calls = len(callers.holds), callers.failed
    seen.answered_s = round(callers.answered_at - killed_at, 2)
    seen.told = len(names & told.lost.keys())
    for contact in names - told.lost.keys():
        found = await _patiently(partial(client.contact, contact), missing=True)
        seen.told_by_reading += found is not None and found.cause == pb.CAUSE_LOST
    own = {contact for contact in told.lost if contact.startswith(f"t{number}-")}
    seen.told_beside = len(own - names)
    if lost:
        seen.told_s = round(max((told.lost[one] for one in names & told.lost.keys()), default=killed_at) - killed_at, 2)
        times = [callers.holds[name].told_at for name in lost]
        seen.span_s = round(max(times) - min(times), 2)
    await _end_all(client)
    seen.held_at_the_end = sum([agent.load async for agent in client.agents(with_holds=True)])
    return seen


async def _judge(client: MatcherClient, callers: Callers, seen: Trial) -> list[str]:
    """Return the reservations of which an acknowledged step is gone, and count them by kind."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def found(name: str) -> pb.Reservation | None:
        async with at_once:
            read: pb.Reservation | None = await _patiently(lambda: client.reservation(name), missing=True)
            return read

    read = await asyncio.gather(*(found(name) for name in callers.holds))
    lost = []
    for (name, hold), reservation in zip(callers.holds.items(), read, strict=True):
        if reservation is None or reservation.state not in {pb.PENDING, pb.ACCEPTED}:
            seen.gone += 1
            lost.append(name)
        elif hold.accepted and reservation.state != pb.ACCEPTED:
            seen.older += 1
            lost.append(name)
    return lost


async def _end_all(client: MatcherClient) -> None:
    """End every contact of the trial, also those of which a caller was told nothing."""
    live = [contact.name async for contact in client.contacts() if contact.state != pb.CONTACT_CLOSED]
    at_once = asyncio.Semaphore(AT_ONCE)

    async def end(contact: str) -> None:
        async with at_once:
            await _patiently(lambda: client.cancel_contact(contact), missing=True)

    await asyncio.gather(*(end(name) for name in live))


async def _patiently(call: Callable[[], Awaitable[Any]], *, missing: bool = False) -> Any:
    """Call until the service answers; None where it says that it has no such thing and `missing` allows that."""
    last = time.monotonic() + ANSWERED_SECONDS
    while True:
        try:
            return await call()
        except MatcherCallError as error:
            if missing and error.code is grpc.StatusCode.NOT_FOUND:
                return None
            if error.code is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > last:
                raise
            await asyncio.sleep(0.2)


def _id(name: str) -> str:
    return name.rpartition("/")[2]
