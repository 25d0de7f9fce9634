"""Audit of a site: each kind of damage is planted by hand, found by what is read, and repaired exactly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from matcher.model.lifecycle import ReservationState
from matcher.services.auditor import SLICE, Auditor
from matcher.store.audit import AuditStore, Repair, RepairKind
from tests.store.laws import Site, broken_laws
from tests.store.stage import EVENTS_KEPT, LONG_MS, Stage

OFF_MS: Final = 50_000
Damage = Callable[[Stage], Awaitable[Any]]


@dataclass
class Followed:
    """What an auditor asks of a replica."""

    site: str
    removed: bool = False
    caught_up: bool = True


@dataclass
class Counted:
    """An auditor whose passes and repairs are counted, as the metrics count them."""

    stage: Stage
    passes: int = 0
    kinds: list[RepairKind] = field(default_factory=list)

    async def audit(self) -> list[Repair]:
        """Make one pass."""
        replica: Any = Followed(self.stage.site)
        auditor = Auditor(
            replica, AuditStore(self.stage.connection, EVENTS_KEPT), self.stage.roster, self.kinds.append, self._pass
        )
        try:
            return await auditor.audit()
        finally:
            auditor._leads = True
            await auditor.close()

    def _pass(self) -> None:
        self.passes += 1


async def busy(stage: Stage) -> None:
    """Fill a site: ann has an offer and an idle conversation, bob a wrap-up; w waits, m waits for its transfer."""
    await stage.put("ann", 5)
    await stage.put("bob", 5)
    await stage.hold("ann", contact="o", reservation="offer", waiting=stage.waiting())
    talk = await stage.hold("ann", contact="t", reservation="talk", accepted=True, idle_ms=1)
    await stage.passed(talk.created_ms + 1)
    assert await stage.routing.rest(stage.reference(talk))
    wrap = await stage.hold("bob", contact="e", reservation="wrap", accepted=True)
    await stage.routing.complete(stage.reference(wrap), 0, LONG_MS)
    done = await stage.hold("bob", contact="d", reservation="done", accepted=True)
    await stage.routing.complete(stage.reference(done), 0, 0)
    moves = await stage.hold("bob", contact="m", reservation="moves", accepted=True)
    await stage.line_up("m", **stage.handing_on(moves))
    await stage.line_up("w", stage.waiting(head_start_ms=7))


async def later(stage: Stage, key: str, member: str) -> None:
    """Move a member of a sorted set to a later time."""
    score = int(float(await stage.raw("ZSCORE", key, member)))
    await stage.raw("ZADD", key, score + OFF_MS, member)


async def held(stage: Stage, reservation: str) -> None:
    """Hold bob for a reservation until long after now."""
    at = await stage.now_ms() + LONG_MS
    await stage.raw("ZADD", stage.keys.holds("bob"), at, f"{reservation}|chat|1")


async def closed_in_the_queue(stage: Stage) -> None:
    """Put a contact that has ended into the queue."""
    await stage.raw("ZADD", stage.keys.queue, 1, "d")
    await stage.raw("HSET", stage.keys.waiting, "|d", "default")
    await stage.raw("HSET", stage.keys.waiting, "default", 3)
    await stage.raw("HSET", stage.keys.contact("d"), "queued_in", "default", "score", 1)


async def nowhere(stage: Stage) -> None:
    """Forget a waiting contact's place everywhere but in its state."""
    await stage.raw("ZREM", stage.keys.queue, "w")
    await stage.raw("HDEL", stage.keys.waiting, "|w")
    await stage.raw("HSET", stage.keys.waiting, "default", 1)
    await stage.raw("HDEL", stage.keys.contact("w"), "queued_in", "score")


K = RepairKind
DAMAGES: Final[dict[str, tuple[Damage, list[Repair]]]] = {
    "a hold of a completed reservation": (lambda s: held(s, "done"), [Repair(K.HOLD_UNBACKED, "done")]),
    "a hold of a reservation that never was": (lambda s: held(s, "never"), [Repair(K.HOLD_UNBACKED, "never")]),
    "a hold of another agent's reservation": (lambda s: held(s, "offer"), [Repair(K.HOLD_UNBACKED, "offer")]),
    "a second hold of an idle conversation, at its cost": (
        lambda s: s.raw("ZADD", s.keys.holds("ann"), 9_999_999_999_999, "talk|chat|1"),
        [Repair(K.HOLD_UNBACKED, "talk")],
    ),
    "a hold that names nothing": (
        lambda s: s.raw("ZADD", s.keys.holds("ann"), 9_999_999_999_999, "junk"),
        [Repair(K.HOLD_UNREADABLE, "")],
    ),
    "a conversation without a hold": (
        lambda s: s.raw("ZREM", s.keys.holds("bob"), "moves|chat|1"),
        [Repair(K.HOLD_MISSING, "moves")],
    ),
    "a wrap-up that is held too long": (
        lambda s: later(s, s.keys.holds("bob"), "wrap|chat|1"),
        [Repair(K.HOLD_DEADLINE, "wrap")],
    ),
    "an offer that never lapses": (lambda s: s.raw("ZREM", s.keys.due, "reservation|offer"), [Repair(K.DUE, "offer")]),
    "an offer that lapses late": (lambda s: later(s, s.keys.due, "reservation|offer"), [Repair(K.DUE, "offer")]),
    "a deadline of a completed reservation": (
        lambda s: s.raw("ZADD", s.keys.due, 9_999_999_999_999, "reservation|done"),
        [Repair(K.DUE_UNBACKED, "done")],
    ),
    "a deadline of a reservation that never was": (
        lambda s: s.raw("ZADD", s.keys.due, 9_999_999_999_999, "reservation|never"),
        [Repair(K.DUE_UNBACKED, "never")],
    ),
    "a waiting contact that is not in the queue": (
        lambda s: s.raw("ZREM", s.keys.queue, "w"),
        [Repair(K.PLACE, "w")],
    ),
    "a waiting contact at a later place": (lambda s: later(s, s.keys.queue, "w"), [Repair(K.PLACE, "w")]),
    "a waiting contact that its pool does not know": (
        lambda s: s.raw("HDEL", s.keys.waiting, "|w"),
        [Repair(K.POOL, "w")],
    ),
    "a waiting contact that is nowhere": (
        nowhere,
        [Repair(K.PLACE_FORGOTTEN, "w"), Repair(K.POOL, "w"), Repair(K.PLACE, "w"), Repair(K.COUNT, "default")],
    ),
    "a contact that has ended and is in the queue": (
        closed_in_the_queue,
        [Repair(K.PLACE_UNBACKED, "d"), Repair(K.COUNT, "default")],
    ),
    "a contact in the queue that never was": (
        lambda s: s.raw("ZADD", s.keys.queue, 1, "never"),
        [Repair(K.PLACE_UNBACKED, "never")],
    ),
    "a wrong number of waiting contacts": (
        lambda s: s.raw("HSET", s.keys.waiting, "default", 7),
        [Repair(K.COUNT, "default")],
    ),
    "a number of waiting contacts in a pool where nobody waits": (
        lambda s: s.raw("HSET", s.keys.waiting, "night", 1),
        [Repair(K.COUNT, "night")],
    ),
    "a wait that nothing ends": (
        lambda s: s.raw("ZREM", s.keys.timers, "contact|w"),
        [Repair(K.WAIT_ENDLESS, "w")],
    ),
}
"""What is planted → what one pass repairs."""


async def records(stage: Stage) -> dict[str, Any]:
    """Return all records of a site but its streams, the audit lease and the earmarks that a freed hold leaves."""
    values = (await Site.read(stage)).values
    for agent in ("agent:ann", "agent:bob"):
        for name in ("earmark", "earmarked"):
            values.get(agent, {}).pop(name, None)
    return {name: value for name, value in values.items() if name not in {"load", "roster", "auditor"}}


@pytest.mark.parametrize("what", DAMAGES)
async def test_one_pass_repairs_exactly_what_is_wrong(stage: Stage, what: str) -> None:
    """All records are as before the damage, nothing else is counted, and the second pass repairs nothing."""
    damage, expected = DAMAGES[what]
    await busy(stage)
    before = await records(stage)
    await damage(stage)
    assert await records(stage) != before
    counted = Counted(stage)
    assert await counted.audit() == expected
    assert counted.kinds == [repair.kind for repair in expected]
    after = await records(stage)
    if what.startswith("a contact that has ended"):
        # Its record keeps no place in the queue.
        assert after["contact:d"].keys().isdisjoint({"queued_in", "score"})
    assert after == before
    assert await broken_laws(stage) == []
    assert await counted.audit() == []
    assert counted.passes == 2


async def test_a_healthy_site_needs_no_repair_and_no_verb_but_the_lease(stage: Stage) -> None:
    """What is read in pipelines raises no suspicion: after each slice one verb renews the lease."""
    await busy(stage)
    calls: list[str] = []
    run = stage.connection.verb

    async def noted(call: Any) -> list[Any]:
        calls.append(call.verb)
        return await run(call)

    stage.connection.verb = noted  # type: ignore[method-assign]  # calls are counted
    try:
        counted = Counted(stage)
        assert (await counted.audit(), counted.passes) == ([], 1)
    finally:
        stage.connection.verb = run  # type: ignore[method-assign]
    assert set(calls) == {"lead"}


async def test_lapsed_holds_are_left_to_the_sweep(stage: Stage) -> None:
    """An offer that lapsed is not repaired, whether or not the lapse is written: its contact goes back as ever."""
    await stage.put("ann", 2)
    offer = await stage.hold("ann", contact="c", hold_ms=1, waiting=stage.waiting())
    await stage.passed(offer.deadline_ms)
    counted = Counted(stage)
    assert await counted.audit() == []
    assert await stage.expire(offer.id) == ReservationState.PENDING
    assert await counted.audit() == []
    assert await stage.in_line() == ["c"]


async def test_a_hold_made_between_the_read_and_the_verb_is_left_alone(stage: Stage) -> None:
    """The verb judges only reservations that were named to it, by their records of that moment."""
    await stage.put("ann", 2)
    new = await stage.hold("ann")
    store = AuditStore(stage.connection, EVENTS_KEPT)
    assert await store.audit_agent(stage.site, "ann", []) == []
    await stage.routing.cancel(stage.reference(new), 0)
    assert await store.audit_agent(stage.site, "ann", [new.id]) == []
    assert await stage.held_by("ann") == []


async def test_a_large_site_is_read_in_slices(stage: Stage) -> None:
    """Three slices of agents, and a leaked hold in each: all are found, and no pipeline reads more than a slice."""
    sizes: list[int] = []
    names = [f"a{number:03}" for number in range(2 * SLICE + 1)]
    for name in names:
        await stage.put(name)
    at = await stage.now_ms() + LONG_MS
    for name in (names[0], names[SLICE], names[-1]):
        await stage.raw("ZADD", stage.keys.holds(name), at, f"gone-{name}|chat|1")
    run = stage.connection.pipeline

    async def noted(commands: Any, *, any_type: bool = False) -> list[Any]:
        sizes.append(len(commands))
        return await run(commands, any_type=any_type)

    stage.connection.pipeline = noted  # type: ignore[method-assign]  # sizes are counted
    try:
        repaired = await Counted(stage).audit()
    finally:
        stage.connection.pipeline = run  # type: ignore[method-assign]
    assert [repair.id for repair in repaired] == [f"gone-{name}" for name in (names[0], names[SLICE], names[-1])]
    assert max(sizes) <= SLICE


async def test_only_the_process_with_the_audit_lease_audits(stage: Stage) -> None:
    """Two auditors: the second stops after its first slice; when the first closes, the second has the lease at once."""
    store = AuditStore(stage.connection, EVENTS_KEPT)
    assert await store.lead(stage.site, "first", 60_000)
    assert not await store.lead(stage.site, "second", 60_000)
    counted = Counted(stage)
    assert await counted.audit() == []
    assert counted.passes == 0
    await store.lead(stage.site, "first", 1)
    await stage.passed(await stage.now_ms() + 2)
    assert await store.lead(stage.site, "second", 60_000)
