"""Rolling restarts: servers are stopped and started one after another while the shipped client works with them.

    python -m benchmarks.rolling [--restarts 200 --servers 2 --rate 15]

Callers route, accept, complete, read, write agents and set their status; watchers follow all steps. Every call goes
through `MatcherClient` as its users have it, at the addresses of all servers. A call that the client raises is a failed
call. At the end every contact must have ended once, and every watcher must have been told each of its steps once.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.alone import say
from benchmarks.chaos.arena import Arena
from benchmarks.chaos.processes import Replica
from benchmarks.chaos.witness import let_in
from benchmarks.sizes import ROOT
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

AGENTS: Final = 32
TEXTS: Final = (
    "My bees have swarmed and the veil is torn.",
    "The sail has a hole.",
    "Hello?",
    "Where is my order 4471?",
)
INTERESTS: Final = ("I keep bees.", "I sail small boats.", "I bake bread.", "I climb boulders.")
CHANNELS: Final = 2
WATCHERS: Final = 2
REST: Final = 0.5
"""Seconds between two restarts."""
SETTLE: Final = 10.0
"""Seconds within which the watchers must have been told the last steps."""
OUT: Final = ROOT / "build" / "rolling.json"


@dataclass
class Seen:
    """What the clients saw."""

    calls: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    told: list[dict[str, list[int]]] = field(default_factory=list)
    """Of each watcher: the numbers of the steps of each contact, as they came."""
    breaks: int = 0
    reservations: dict[str, str] = field(default_factory=dict)
    """The reservation that each contact's caller was answered, by contact."""
    held: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """When each agent certainly had a contact: from the answer that says so to the call that ends it."""

    @property
    def held_twice(self) -> int:
        """Return how often an agent had two contacts at once, though the capacity is one."""
        return sum(
            later[0] < earlier[1]
            for spans in self.held.values()
            for earlier, later in itertools.pairwise(sorted(spans))
        )


class Callers:
    """Calls of customers, desks and a supervisor at a fixed rate, through the shipped client."""

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._draw = random.Random(seed)
        self._stopping = False
        self.seen = Seen()
        self._tasks = set[asyncio.Task[None]]()

    async def run(self, client: MatcherClient) -> None:
        """Begin contacts at the rate until `stop`; then wait until their conversations have ended."""
        due, number = time.monotonic(), 0
        while not self._stopping:
            number += 1
            for work in (self._contact(client, f"c{number}"), *([self._admin(client)] if number % 5 == 0 else [])):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Begin no further contact."""
        self._stopping = True

    async def watch(self, client: MatcherClient) -> None:
        """Follow all steps of the site until cancelled."""
        steps: dict[str, list[int]] = defaultdict(list)
        self.seen.told.append(steps)
        async with aclosing(client.watch_events(on_break=self._broke)) as answers:
            async for answer in answers:
                if answer.HasField("event"):
                    steps[answer.event.contact.rpartition("/")[2]].append(answer.event.sequence)

    def _broke(self, _: MatcherCallError) -> None:
        self.seen.breaks += 1

    async def _contact(self, client: MatcherClient, contact: str) -> None:
        at_once = self._draw.random() < 0.5
        text = self._draw.choice(TEXTS)
        answer = await self._call("route", client.route(text, contact_id=contact, auto_accept=at_once, wait=True))
        if answer is None:
            return
        if answer.HasField("reservation"):
            reservation, agent = answer.reservation.name, answer.reservation.agent
        else:
            reservation, agent = await self._when_offered(client, contact)
        self.seen.reservations[contact], told_at = reservation, time.monotonic()
        if not at_once:
            await self._call("accept", client.accept(reservation))
        await asyncio.sleep(self._draw.uniform(0.05, 0.6))
        if agent:
            self.seen.held[agent].append((told_at, time.monotonic()))
        await self._call("complete", client.complete(reservation, resolved=True))

    async def _when_offered(self, client: MatcherClient, contact: str) -> tuple[str, str]:
        """Return the reservation and the agent of a contact that waits, told by its watch."""
        self.seen.calls["watch contact"] += 1
        try:
            async with aclosing(client.watch_contact(contact, on_break=self._broke)) as events:
                async for event in events:
                    if event.reservation:
                        return event.reservation, event.agent
        except MatcherCallError as error:
            self.seen.failed.append(f"watch contact: {error}")
        return "", ""

    async def _admin(self, client: MatcherClient) -> None:
        agent = f"a{self._draw.randrange(AGENTS)}"
        match self._draw.randrange(4):
            case 0:
                await self._call("suggest", client.suggest(self._draw.choice(TEXTS)))
            case 1:
                await self._call("get agent", client.agent(agent))
            case 2:
                await self._call("status", client.set_agent_status(agent, roster.ONLINE, reason="back"))
            case _:
                changed = roster.Agent(name=agent, display_name=f"Agent {self._draw.randrange(100)}")
                await self._call("update agent", client.update_agent(changed))

    async def _call(self, what: str, call: Any) -> Any:
        self.seen.calls[what] += 1
        began = time.monotonic()
        try:
            return await call
        except MatcherCallError as error:
            self.seen.failed.append(f"{what}: {error}")
            return None
        finally:
            self.seen.milliseconds.append((time.monotonic() - began) * 1000)


async def gracefully(replica: Replica) -> tuple[float, float]:
    """Restart a server; return the seconds that its stop and its start took."""
    began = time.monotonic()
    await replica.stop()
    stopped = time.monotonic()
    await replica.start()
    return stopped - began, time.monotonic() - stopped


async def _hire(client: MatcherClient) -> None:
    capacity = roster.Capacity(total=1, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
    for number in range(AGENTS):
        agent = roster.Agent(interests=[INTERESTS[number % 4]], capacity=capacity, status=roster.ONLINE)
        await client.create_agent(f"a{number}", agent)


async def _wrong_at_the_end(client: MatcherClient, seen: Seen) -> list[str]:
    """Return what is wrong with contacts and watches when all is over."""
    wrong = []
    for contact, reservation in seen.reservations.items():
        now = await client.contact(contact)
        if now.state != pb.CONTACT_CLOSED or now.reservation != reservation:
            wrong.append(f"{contact} ended {pb.ContactState.Name(now.state)} with another reservation or none")
    for number, steps in enumerate(seen.told):
        for contact in seen.reservations:
            told = steps.get(contact, [])
            if told != list(range(1, len(told) + 1)) or len(told) < 2:
                wrong.append(f"watcher {number} was told steps {told} of {contact}")
    return wrong


async def measure(
    arena: Arena, restarts: int, rate: float, seed: int, restart: Callable[[Replica], Awaitable[tuple[float, float]]]
) -> dict[str, Any]:
    """Restart the servers of an arena under load; return what the clients saw."""
    stops, starts = [], []
    async with arena:
        target = "ipv4:" + ",".join(replica.target for replica in arena.replicas)
        await let_in([replica.target for replica in arena.replicas], arena.key)
        async with MatcherClient(target, channels=CHANNELS, token=arena.key) as client:
            await _hire(client)
            callers = Callers(rate, seed)
            watching = [asyncio.create_task(callers.watch(client)) for _ in range(WATCHERS)]
            calling = asyncio.create_task(callers.run(client))
            began = time.monotonic()
            for number in range(restarts):
                await asyncio.sleep(REST)
                stop, start = await restart(arena.replicas[number % len(arena.replicas)])
                stops.append(stop)
                starts.append(start)
                if (number + 1) % 10 == 0:
                    seen = callers.seen
                    say(f"{number + 1} restarts, {seen.calls.total()} calls, {len(seen.failed)} failed")
            seconds = time.monotonic() - began
            callers.stop()
            async with asyncio.timeout(60):
                await calling
            wrong, settled_by = await _wrong_at_the_end(client, callers.seen), time.monotonic() + SETTLE
            while wrong and time.monotonic() < settled_by:
                await asyncio.sleep(REST)
                wrong = await _wrong_at_the_end(client, callers.seen)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    faults = arena.faults()
    seen = callers.seen
    return {
        "restarts": restarts,
        "servers": len(arena.replicas),
        "seconds": round(seconds),
        "calls": seen.calls.total(),
        "calls_by_kind": dict(seen.calls),
        "failed": len(seen.failed),
        "failures": seen.failed[:20],
        "contacts": len(seen.reservations),
        "held_twice": seen.held_twice,
        "wrong": len(wrong),
        "wrong_named": wrong[:20],
        "steps_told": sum(len(told) for steps in seen.told for told in steps.values()),
        "breaks_of_streams": seen.breaks,
        "logged_faults": faults[:20],
        "call_p50_ms": round(float(np.median(seen.milliseconds)), 1),
        "call_p99_ms": round(float(np.quantile(seen.milliseconds, 0.99)), 1),
        "stop_p50_s": round(float(np.median(stops)), 2),
        "stop_max_s": round(max(stops), 2),
        "start_p50_s": round(float(np.median(starts)), 2),
    }


def conclude(report: dict[str, Any], out: Path) -> int:
    """Write and print a report; return 1 where something is not as it must be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 1 if any(report[law] for law in ("failed", "held_twice", "wrong", "logged_faults")) else 0


def main() -> int:
    """Restart, report, and return 1 where a call failed or something was lost or told twice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rolling", description=__doc__)
    parser.add_argument("--restarts", type=int, default=200, help="restarts, one after another")
    parser.add_argument("--servers", type=int, default=2, help="servers on one store, at least two")
    parser.add_argument("--rate", type=float, default=15.0, help="contacts a second")
    parser.add_argument("--seed", type=int, default=1, help="draws what the callers do")
    parser.add_argument("--out", type=Path, default=OUT, help="the report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mr-") as folder:
        arena = Arena(Path(folder), count=options.servers)
        report = asyncio.run(measure(arena, options.restarts, options.rate, options.seed, gracefully))
    return conclude(report, options.out)


if __name__ == "__main__":
    sys.exit(main())
