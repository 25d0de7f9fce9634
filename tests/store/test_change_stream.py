"""The change streams: a snapshot and the changes after it lose nothing, and a reader notices what it missed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.errors import MatcherError
from matcher.model import ContactEvent, Hold, PoolPolicy, StreamPlace
from matcher.model.lifecycle import AgentStatus, Cause, ContactState
from matcher.store.change_stream import (
    AgentChanged,
    Change,
    ChangeStream,
    ContactStepped,
    FellBehind,
    HoldAdded,
    HoldRemoved,
    PlaceRepaired,
    PoolChanged,
    Position,
    SiteRemoved,
    TimerSet,
    decode_change,
    event_number,
)
from matcher.store.contact_events import EventStore, Steps
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import ReservationStore, Reserved
from tests.store.stage import LIFETIMES, LONG_MS, Stage


@dataclass
class Reader:
    """A follower that only remembers the changes it read."""

    stage: Stage
    changes: ChangeStream
    position: Position
    read: list[Change] = field(default_factory=list)

    async def read_to_end(self) -> list[Change]:
        """Read to the present end of both streams; return the new changes."""
        end, new = await self.changes.end(), []
        if (self.position.roster, self.position.load) != (end.roster, end.load):
            async for reached, batch in self.changes.follow(self.position):
                new += batch
                self.position = reached
                if reached.roster >= end.roster and reached.load >= end.load:
                    break
        self.read += new
        return new


@asynccontextmanager
async def reading(stage: Stage, position: Position | None = None) -> AsyncIterator[Reader]:
    """Open a reader at a position, or at the end."""
    changes = ChangeStream(stage.connection, stage.site)
    try:
        yield Reader(stage, changes, position or await changes.end())
    finally:
        await changes.close()


async def test_every_change_is_read_once_and_in_order(stage: Stage) -> None:
    """Agents and pools written, holds added, extended and removed: each change has what a reader needs to follow."""
    async with reading(stage) as reader:
        written = await stage.put("ann", 2)
        await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
        away = await stage.roster.put_status(stage.site, "ann", AgentStatus.DRAINING)
        await stage.roster.put_status(stage.site, "ann", AgentStatus.DRAINING)
        await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
        held = await stage.hold("ann")
        accepted = await stage.routing.accept(stage.reference(held), 0, LONG_MS)
        done = await stage.routing.complete(stage.reference(held), 0, 0)
        declined = await stage.hold("ann")
        await stage.routing.decline(stage.reference(declined), 0, "", None)
        await stage.remove("ann")
        await stage.roster.delete_pool(stage.site, "night", None)
        changes = await reader.read_to_end()
        roster = [change for change in changes if isinstance(change, AgentChanged | PoolChanged)]
        load = [change for change in changes if isinstance(change, HoldAdded | HoldRemoved)]
        assert [
            (change.agent, change.version) if isinstance(change, AgentChanged) else change.pool for change in roster
        ] == [
            ("ann", written.version),
            "night",
            ("ann", away.version),
            ("ann", roster[3].version if isinstance(roster[3], AgentChanged) else 0),
            ("ann", 0),
            "night",
        ]
        assert load[:3] == [
            HoldAdded("ann", Hold(held.id, "chat", 1, held.deadline_ms), held.created_ms),
            HoldAdded("ann", Hold(held.id, "chat", 1, accepted.deadline_ms), accepted.accepted_ms),
            HoldRemoved("ann", held.id, done.ended_ms, done.ended_ms),
        ]
        assert [type(change) for change in load[3:]] == [HoldAdded, HoldRemoved]
        freed = load[4]
        assert isinstance(freed, HoldRemoved)
        assert freed.idle_since_ms == freed.at_ms
        events = [change.event for change in changes if isinstance(change, ContactStepped)]
        assert [(event.contact, event.sequence, event.cause) for event in events] == [
            (held.contact, 1, "OFFERED"),
            (held.contact, 2, "ACCEPTED"),
            (held.contact, 3, "COMPLETED"),
            (declined.contact, 1, "OFFERED"),
            (declined.contact, 2, "DECLINED"),
        ]
        assert await reader.read_to_end() == []


async def test_a_hold_names_its_own_event(stage: Stage) -> None:
    """The answer to a reserve has the id of its event, so that a replica recognizes its own event in the stream."""
    await stage.put("ann", 2)
    for _ in range(2):
        answer: Any = await stage.reserve(stage.claim("ann"))
        # The event after the hold is the step of its contact.
        assert answer.event == f"0-{(await stage.ends())[1] - 1}"


async def test_a_lapse_is_written_once_however_many_sweep(plain_stage: Stage) -> None:
    """Eight sweepers at once: one of them writes the lapse, and the stream has one release for each hold."""
    await plain_stage.put("ann", 9)
    offers = [await plain_stage.hold("ann", hold_ms=1) for _ in range(5)]
    await plain_stage.passed(max(offer.deadline_ms for offer in offers))
    async with reading(plain_stage) as reader:
        swept = await asyncio.gather(*(plain_stage.expire(offer.id) for offer in offers for _ in range(8)))
        changes = await reader.read_to_end()
    assert sorted(swept) == [""] * 35 + ["PENDING"] * 5
    released = [change.reservation for change in changes if isinstance(change, HoldRemoved)]
    assert sorted(released) == sorted(offer.id for offer in offers)
    events = [change.event for change in changes if isinstance(change, ContactStepped)]
    assert sorted((event.contact, event.cause) for event in events) == sorted(
        (offer.contact, "OFFER_EXPIRED") for offer in offers
    )
    assert len(changes) == 10


async def test_the_ids_of_a_stream_are_consecutive(stage: Stage) -> None:
    """No number is skipped, so a reader that finds a number missing knows that the stream was trimmed."""
    for number in range(20):
        await stage.put(f"a{number}")
        await stage.hold(f"a{number}")
    for key in (stage.keys.roster, stage.keys.load):
        events = await stage.raw("XREVRANGE", key, "+", "-")
        numbers = [event_number(event.decode()) for event, _ in reversed(events)]
        first = 1 if key == stage.keys.load else numbers[0]
        assert numbers == list(range(first, first + len(numbers)))


async def test_a_reader_behind_a_trimmed_stream_fails(stage: Stage, admin: Any) -> None:
    """A reader never skips trimmed events silently; a reader that is up to date goes on."""
    await stage.put("ann", 50)
    async with reading(stage) as current:
        behind = current.position
        for _ in range(20):
            await stage.hold("ann")
        await current.read_to_end()
        await admin.xtrim(stage.keys.load, maxlen=3, approximate=False)
        await stage.hold("ann")
        assert [type(change) for change in await current.read_to_end()] == [HoldAdded, ContactStepped]
    async with reading(stage, behind) as late:
        with pytest.raises(FellBehind):
            await late.read_to_end()


async def test_the_verbs_trim_the_streams_to_the_setting(plain_stage: Stage) -> None:
    """A stream does not grow without end."""
    stage, routing = plain_stage, ReservationStore(plain_stage.connection, replace(LIFETIMES, events_kept=100))
    await stage.put("ann", 1)
    for _ in range(200):
        asked = stage.claim("ann")
        held = await routing.reserve(asked.claim, asked.offer)
        assert isinstance(held, Reserved)
        await routing.cancel(stage.reference(held.reservation), 0)
    # Redis trims by whole nodes of 100 entries.
    assert 100 <= len(await stage.raw("XREVRANGE", stage.keys.load, "+", "-")) < 300


async def test_a_site_created_again_is_not_mistaken_for_the_old_site(stage: Stage) -> None:
    """A position in the old streams does not continue, however many events the new site has had by then."""
    for number in range(3):
        await stage.put(f"a{number}")
    async with reading(stage) as reader:
        assert await reader.changes.unbroken(reader.position)
        await stage.clear()
        await stage.set_up()
        assert not await reader.changes.unbroken(reader.position)
        for number in range(6):
            with pytest.raises(FellBehind):
                await anext(reader.changes.follow(reader.position))
            await stage.put(f"b{number}")


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("hold|ann|r1|chat|3|1000|900", HoldAdded("ann", Hold("r1", "chat", 3, 1000), 900)),
        ("free|ann|r1||900", HoldRemoved("ann", "r1", None, 900)),
        ("timer|1000|900", TimerSet(1000)),
        (
            "step|c|default|4|RESERVED|OFFERED|r1|ann||900",
            ContactStepped(
                ContactEvent("c", "default", 4, ContactState.RESERVED, Cause.OFFERED, "r1", "ann", 900), score=None
            ),
        ),
        (
            "step|c|night|1|QUEUED|NOBODY_FREE|||800|900",
            ContactStepped(
                ContactEvent("c", "night", 1, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", 900), score=800
            ),
        ),
        ("free|ann|r1|800|900", HoldRemoved("ann", "r1", 800, 900)),
        ("agent|ann|7|900", AgentChanged("ann", 7, 900)),
        ("agent|ann|0|900", AgentChanged("ann", 0, 900)),
        ("pool|north|0|900", PoolChanged("north", 900)),
        ("site|s|0|0", SiteRemoved()),
    ],
)
def test_an_event_decodes_to_its_change(event: str, change: Change) -> None:
    """The events are as the verbs write them."""
    assert decode_change(event) == change


def test_an_event_of_an_unknown_kind_is_an_error() -> None:
    """Decoding an event never guesses."""
    with pytest.raises(ValueError, match="unknown kind"):
        decode_change("dance|ann")


async def test_an_event_that_cannot_be_read_is_ignored_and_counted(stage: Stage, admin: Any) -> None:
    """A newer version may write other events: the follower goes on behind them, and says how many there were."""
    ignored: list[None] = []
    changes = ChangeStream(stage.connection, stage.site, lambda: ignored.append(None))
    begin = await changes.end()
    await stage.put("ann")
    for text in (b"dance|ann", b"step|c", b"\xff"):
        number = (await changes.end()).roster + 1
        await admin.xadd(stage.keys.roster, {"e": text}, id=f"0-{number}")
    await stage.put("bob")
    reader = Reader(stage, changes, begin)
    agents = [change.agent for change in await reader.read_to_end() if isinstance(change, AgentChanged)]
    assert (agents, len(ignored)) == (["ann", "bob"], 3)
    await changes.close()


@dataclass
class Picture:
    """The follower's copy of a site: the agents' versions, and their holds."""

    versions: dict[str, int] = field(default_factory=dict)
    holds: dict[str, dict[str, Hold]] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        """Apply a change."""
        match change:
            case AgentChanged(agent, 0):
                self.versions.pop(agent, None)
                self.holds.pop(agent, None)
            case AgentChanged(agent, version):
                self.versions[agent] = max(version, self.versions.get(agent, 0))
            case HoldAdded(agent, hold):
                self.holds.setdefault(agent, {})[hold.reservation] = hold
            case HoldRemoved(agent, reservation):
                self.holds.get(agent, {}).pop(reservation, None)

    def agents(self) -> dict[str, tuple[int, dict[str, Hold]]]:
        """Return the agents with their versions and holds."""
        return {agent: (version, self.holds.get(agent) or {}) for agent, version in self.versions.items()}


async def snapshot(stage: Stage) -> Picture:
    """Read the whole site, as slowly as a busy replica, so that writes come in between."""
    picture, now = Picture(), await stage.now_ms()
    for agent in (await stage.roster.agent_ids(stage.site, 100, "")).items:
        (record,) = await stage.roster.agents(stage.site, [agent])
        await asyncio.sleep(0)
        (holds,) = await stage.roster.holds(stage.site, [agent], now)
        if record is not None:
            picture.versions[agent] = record.version
            picture.holds[agent] = {hold.reservation: hold for hold in holds}
    return picture


async def write_at_random(stage: Stage, chance: random.Random, writes: int) -> None:
    """Write, reserve and release with a few agents; what the store refuses is ignored."""
    held: list[Any] = []
    for _ in range(writes):
        agent = f"a{chance.randrange(3)}"
        try:
            match chance.randrange(6):
                case 0:
                    await stage.put(agent, chance.randrange(4))
                case 1:
                    await stage.remove(agent)
                case 2 if held:
                    reservation = held.pop(chance.randrange(len(held)))
                    await stage.routing.cancel(stage.reference(reservation), 0)
                case 3 if held:
                    reservation = chance.choice(held)
                    await stage.routing.accept(stage.reference(reservation), 0, LONG_MS)
                case _:
                    held.append(await stage.hold("a0", "a1", "a2"))
        except (MatcherError, AssertionError):
            pass


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), writers=st.integers(1, 4), before=st.integers(0, 15))
async def test_a_snapshot_and_the_events_after_it_lose_nothing(
    product: StoreClient, seed: int, writers: int, before: int
) -> None:
    """Whatever is written before, during and after the snapshot: in the end the follower equals the store."""
    stage, chance = Stage(product), random.Random(seed)
    await stage.set_up()
    await write_at_random(stage, chance, before)
    writing = [asyncio.create_task(write_at_random(stage, random.Random(chance.random()), 15)) for _ in range(writers)]
    async with reading(stage) as reader:
        picture = await snapshot(stage)
        for change in await reader.read_to_end():
            picture.apply(change)
        await asyncio.gather(*writing)
        for change in await reader.read_to_end():
            picture.apply(change)
    assert picture.agents() == (await snapshot(stage)).agents()
    await stage.clear()


async def test_a_watcher_reads_past_an_event_of_an_unknown_kind(plain_stage: Stage) -> None:
    """A later version wrote it: the events before and after it are read, and the place moves past it."""
    stage, events = plain_stage, EventStore(plain_stage.connection)
    await stage.put("ann", 5)
    first = await stage.hold("ann")
    await stage.raw("XADD", stage.keys.load, "0-*", "e", "newer-kind|x|1764505800000")
    second = await stage.hold("ann")
    steps = await events.after(stage.site, StreamPlace(0, 0), 100)
    assert isinstance(steps, Steps)
    assert [event.reservation for event in steps.events] == [first.id, second.id]
    assert steps.place.number == (await stage.ends())[1]


def test_a_repaired_place_is_read_as_it_was_written() -> None:
    """With a score the contact is in the queue, without one it is not."""
    assert decode_change("place|c|night|12|1764505800000") == PlaceRepaired("c", "night", 12)
    assert decode_change("place|c|night||1764505800000") == PlaceRepaired("c", "night", None)
