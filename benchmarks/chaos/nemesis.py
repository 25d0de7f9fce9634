"""The nemesis: a seeded plan of faults, and how each is done to the arena and taken back."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from redis.exceptions import RedisError

from benchmarks.chaos import history as h
from benchmarks.chaos.arena import SINGLE, Arena
from benchmarks.chaos.processes import FAKETIME, USER, Node

CLEAR_SECONDS: Final = 1.5
"""The quiet between two faults, at least."""
LOST_SECONDS: Final = 1.0
"""The writes of the last so many seconds are lost when a store is set back."""
ENDLESS: Final = "while true do end"


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault of a plan; at: seconds after the beginning. seconds: how long it lasts. target: number of what is hit."""

    at: float
    what: str
    target: int
    seconds: float


Act: TypeAlias = Callable[[Arena, int], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _kill_replica(arena: Arena, target: int) -> AsyncIterator[None]:
    replica = arena.replicas[target % len(arena.replicas)]
    await replica.kill()
    try:
        yield
    finally:
        await replica.start()


@asynccontextmanager
async def _restart_replica(arena: Arena, target: int) -> AsyncIterator[None]:
    replica = arena.replicas[target % len(arena.replicas)]
    await replica.stop()
    yield
    await replica.start()


@asynccontextmanager
async def _pause_replica(arena: Arena, target: int) -> AsyncIterator[None]:
    replica = arena.replicas[target % len(arena.replicas)]
    replica.send(signal.SIGSTOP)
    try:
        yield
    finally:
        replica.send(signal.SIGCONT)


@asynccontextmanager
async def _pause_store(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    node.send(signal.SIGSTOP)
    try:
        yield
    finally:
        node.send(signal.SIGCONT)


@asynccontextmanager
async def _kill_store(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    await node.kill()
    try:
        yield
    finally:
        await node.start()


@asynccontextmanager
async def _empty_store(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    await node.kill()
    node.forget()
    try:
        yield
    finally:
        await node.start()


@asynccontextmanager
async def _set_back(arena: Arena, target: int) -> AsyncIterator[None]:
    """Kill a store and start it on what its file held a while ago: the last writes are lost, as in a failover."""
    node = arena.stores[target % len(arena.stores)]
    earlier = node.keep_copy()
    await asyncio.sleep(LOST_SECONDS)
    await node.kill()
    node.forget()
    node.put_back(earlier)
    try:
        yield
    finally:
        await node.start()


@asynccontextmanager
async def _partition(arena: Arena, target: int) -> AsyncIterator[None]:
    pipe = arena.pipes[target % len(arena.pipes)]
    pipe.freeze()
    try:
        yield
    finally:
        await pipe.cut()
        pipe.thaw()


@asynccontextmanager
async def _refuse(arena: Arena, target: int) -> AsyncIterator[None]:
    pipe = arena.pipes[target % len(arena.pipes)]
    pipe.refusing = True
    await pipe.cut()
    try:
        yield
    finally:
        pipe.refusing = False


@asynccontextmanager
async def _deaf_store(arena: Arena, target: int) -> AsyncIterator[None]:
    pipe = arena.pipes[target % len(arena.pipes)]
    try:
        for _ in range(4):  # each time what is under way is done, and its answers are lost
            pipe.deaf = True
            await asyncio.sleep(0.05)
            await pipe.cut()
            pipe.deaf = False
            await asyncio.sleep(0.2)
        yield
    finally:
        pipe.deaf = False


@asynccontextmanager
async def _deaf_clients(arena: Arena, target: int) -> AsyncIterator[None]:
    door = arena.doors[target % len(arena.doors)]
    try:
        for _ in range(4):
            door.deaf = True
            await asyncio.sleep(0.1)
            await door.cut()
            door.deaf = False
            await asyncio.sleep(0.2)
        yield
    finally:
        door.deaf = False


@asynccontextmanager
async def _slow_store(arena: Arena, target: int) -> AsyncIterator[None]:
    pipe = arena.pipes[target % len(arena.pipes)]
    pipe.delay = 0.08
    try:
        yield
    finally:
        pipe.delay = 0.0


@asynccontextmanager
async def _slow_clients(arena: Arena, target: int) -> AsyncIterator[None]:
    door = arena.doors[target % len(arena.doors)]
    door.delay = 0.15
    try:
        yield
    finally:
        door.delay = 0.0


@asynccontextmanager
async def _busy(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    script = asyncio.create_task(_endless(node))
    try:
        yield
    finally:
        with suppress(RedisError):
            await node.ask("SCRIPT", "KILL")
        await asyncio.gather(script, return_exceptions=True)


async def _endless(node: Node) -> None:
    with suppress(RedisError, OSError):
        await node.ask("EVAL", ENDLESS, 0)


@asynccontextmanager
async def _full(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    await node.ask("CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield
    finally:
        await node.ask("CONFIG", "SET", "maxmemory", "0")


@asynccontextmanager
async def _failover(arena: Arena, _: int) -> AsyncIterator[None]:
    """Kill a primary that has a replica, and start it again when the replica has taken over."""
    primary = arena.stores[0]
    for node in arena.replicated:
        with suppress(RedisError, OSError):
            if (await node.ask("ROLE"))[0] == b"master":
                primary = node
    await primary.kill()
    try:
        yield
    finally:
        await primary.start()


def _rights(lost: str) -> Act:
    @asynccontextmanager
    async def act(arena: Arena, _: int) -> AsyncIterator[None]:
        for node in arena.stores:
            await node.ask("ACL", "SETUSER", USER, lost)
        try:
            yield
        finally:
            for node in arena.stores:
                await node.ask("ACL", "SETUSER", USER, "+@all")

    return act


@asynccontextmanager
async def _no_replicas(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    await node.ask("CONFIG", "SET", "min-replicas-to-write", "5")
    try:
        yield
    finally:
        await node.ask("CONFIG", "SET", "min-replicas-to-write", "0")


@asynccontextmanager
async def _disk_full(arena: Arena, target: int) -> AsyncIterator[None]:
    node = arena.stores[target % len(arena.stores)]
    await node.ask("CONFIG", "SET", "appendfsync", "everysec")  # with always the server ends itself
    assert node.process is not None
    size = max((path.stat().st_size for path in node.folder.rglob("*.aof")), default=0)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        with suppress(ProcessLookupError):
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, endless)
        if node.process.returncode is not None:  # a replica that cannot write its file ends itself
            await node.start()
        await asyncio.sleep(1.5)  # it writes the rest
        with suppress(RedisError, OSError):
            await node.ask("CONFIG", "SET", "appendfsync", "always")


def _step(by: str) -> Act:
    @asynccontextmanager
    async def act(arena: Arena, target: int) -> AsyncIterator[None]:
        node = arena.stores[target % len(arena.stores)]
        node.clock_file.write_text(by)
        try:
            yield
        finally:
            node.clock_file.write_text("+0")

    return act


ACTS: Final[Mapping[str, tuple[Act, float, float]]] = {
    "replica killed": (_kill_replica, 0.5, 2.0),
    "replica restarted": (_restart_replica, 0.1, 0.5),
    "replica paused": (_pause_replica, 3.0, 8.0),
    "store paused": (_pause_store, 1.0, 3.5),
    "store killed": (_kill_store, 0.1, 1.0),
    "replica cut off from the store": (_partition, 2.0, 5.0),
    "store refuses a replica": (_refuse, 1.0, 3.0),
    "answers of the store lost": (_deaf_store, 0.1, 0.5),
    "answers to clients lost": (_deaf_clients, 0.1, 0.5),
    "store slow": (_slow_store, 2.0, 4.0),
    "clients slow": (_slow_clients, 2.0, 4.0),
    "failover": (_failover, 3.0, 4.0),
    "store busy": (_busy, 0.5, 2.5),
    "store full": (_full, 1.0, 3.0),
    "rights taken": (_rights("-fcall"), 1.0, 9.0),
    "writing forbidden": (_rights("-@write"), 1.0, 9.0),
    "store lacks replicas": (_no_replicas, 1.0, 9.0),
    "disk full": (_disk_full, 1.0, 9.0),
    "clock steps forward": (_step("+7"), 2.0, 4.0),
    "clock steps back": (_step("-7"), 2.0, 4.0),
    "store emptied": (_empty_store, 0.1, 0.5),
    "store set back": (_set_back, 0.1, 0.5),
}
"""Each fault with the least and the most seconds that it lasts."""
FORGETS: Final = frozenset({"store emptied", "store set back"})
MAY_FORGET: Final = frozenset({"failover", "store killed", "store paused", "store busy", "disk full"})
"""Faults after which a replica may have taken over, without the last writes."""
CLOCK: Final = frozenset({"clock steps forward", "clock steps back"})
PIPES: Final = frozenset(
    {"replica cut off from the store", "store refuses a replica", "answers of the store lost", "store slow"}
)
"""Faults of the proxies before a single store; the others name their servers themselves."""
FAILOVERS: Final = frozenset({"failover"})
USUAL: Final = tuple(what for what in ACTS if what not in FORGETS and (what not in CLOCK or FAKETIME.exists()))


def kinds_for(topology: str, kinds: Sequence[str] = USUAL) -> list[str]:
    """Return the faults of `kinds` that a topology can have. With several servers their clocks are left alone."""
    if topology == SINGLE:
        return [what for what in kinds if what not in FAILOVERS]
    return [what for what in kinds if what not in PIPES and what not in CLOCK]


def plan(seed: int, seconds: float, kinds: Sequence[str] = USUAL) -> list[Planned]:
    """Draw the faults of an attack: every kind once in random order, then again; none after `seconds`."""
    rng, at, planned = random.Random(seed), 2.0, list[Planned]()
    deck: list[str] = []
    while True:
        if not deck:
            deck = list(kinds)
            rng.shuffle(deck)
        what = deck.pop()
        _, least, most = ACTS[what]
        lasts = rng.uniform(least, most)
        if at + lasts > seconds:
            return planned
        planned.append(Planned(at, what, rng.randrange(60), lasts))
        at += lasts + rng.uniform(CLEAR_SECONDS, 2 * CLEAR_SECONDS)


async def attack(arena: Arena, planned: Sequence[Planned], history: h.History, say: Callable[[str], Any]) -> None:
    """Do the faults of a plan one after the other, each at its time or after the one before."""
    began = time.time()
    last = max((fault.at + fault.seconds for fault in planned), default=0.0)
    for fault in planned:
        if time.time() > began + last:
            return  # the faults took longer than planned, as starts on a busy machine do
        await asyncio.sleep(max(0.0, began + fault.at - time.time()))
        act, _, _ = ACTS[fault.what]
        since = time.time()
        say(f"{since - began:6.1f} s  {fault.what}")
        async with act(arena, fault.target):
            await asyncio.sleep(fault.seconds)
        history.add(
            h.Fault(
                what=fault.what,
                target=str(fault.target),
                began=since,
                ended=time.time(),
                forgets=fault.what in FORGETS or (arena.topology != SINGLE and fault.what in MAY_FORGET),
                clock=fault.what in CLOCK,
            )
        )
