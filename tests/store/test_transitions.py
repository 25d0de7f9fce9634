"""The life of a reservation: the answer of each verb in each state, and what it writes."""

from __future__ import annotations

from typing import Any, Final

import pytest

from matcher.errors import FenceStale, ReservationLapsed, ReservationNotFound, ReservationStateWrong
from matcher.model import ChannelCapacity, Reservation
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.store import reservations
from matcher.store.codecs import fields_of
from matcher.store.reservations import ReservationRef
from tests.store.stage import KEEP_MS, LONG_MS, Stage

ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "accept": {"accepted_ms": LONG_MS, "idle_ms": 0, "first_ms": 0, "handed_on": None},
    "decline": {"reason": "lunch", "retry_after_ms": "", "max_declined": 0},
    "renew": {"duration_ms": LONG_MS, "idle_ms": 0},
    "complete": {"wrap_up_ms": LONG_MS, "good": "", "second_ends": "", "write_id": "w2"},
    "end_wrap_up": {},
    "cancel": {"wrap_up_ms": 0},
    "withdraw": {"cause": "AGENT_LEFT"},
    "touch": {"idle_ms": 0},
}
"""A verb → its own arguments."""
EXPIRE: Final = {"max_missed": 0, "wrap_up_ms": 0}

WRAPPED_UP: Final = {"complete": "COMPLETED", "end_wrap_up": "COMPLETED"}
"""What answers after a wrap-up, whether or not its end is written."""

# The state of a reservation → the answer of each verb: the state after it, or the refusal.
LAWS: Final = {
    "PENDING": {
        "accept": "ACCEPTED",
        "decline": "DECLINED",
        "renew": "state PENDING",
        "complete": "state PENDING",
        "end_wrap_up": "state PENDING",
        "cancel": "CANCELED",
        "withdraw": "CANCELED",
        "touch": "state PENDING",
    },
    "ACCEPTED": {
        "accept": "ACCEPTED",
        "decline": "state ACCEPTED",
        "renew": "ACCEPTED",
        "complete": "WRAPPING",
        "end_wrap_up": "state ACCEPTED",
        "cancel": "CANCELED",
        "withdraw": "state ACCEPTED",
        "touch": "ACCEPTED",
    },
    "WRAPPING": {
        "accept": "state WRAPPING",
        "decline": "state WRAPPING",
        "renew": "state WRAPPING",
        "complete": "WRAPPING",
        "end_wrap_up": "COMPLETED",
        "cancel": "state WRAPPING",
        "withdraw": "state WRAPPING",
        "touch": "state WRAPPING",
    },
    "COMPLETED": {
        "accept": "state COMPLETED",
        "decline": "state COMPLETED",
        "renew": "state COMPLETED",
        "complete": "COMPLETED",
        "end_wrap_up": "COMPLETED",
        "cancel": "state COMPLETED",
        "withdraw": "state COMPLETED",
        "touch": "state COMPLETED",
    },
    "DECLINED": {
        "accept": "state DECLINED",
        "decline": "DECLINED",
        "renew": "state DECLINED",
        "complete": "state DECLINED",
        "end_wrap_up": "state DECLINED",
        "cancel": "state DECLINED",
        "withdraw": "state DECLINED",
        "touch": "state DECLINED",
    },
    "CANCELED": {
        "accept": "state CANCELED",
        "decline": "state CANCELED",
        "renew": "state CANCELED",
        "complete": "state CANCELED",
        "end_wrap_up": "state CANCELED",
        "cancel": "CANCELED",
        "withdraw": "CANCELED",
        "touch": "state CANCELED",
    },
    "PENDING, lapsed": dict.fromkeys(ARGUMENTS, "lapsed EXPIRED"),
    "PENDING, swept": dict.fromkeys(ARGUMENTS, "lapsed EXPIRED"),
    "ACCEPTED, lapsed": dict.fromkeys(ARGUMENTS, "lapsed EXPIRED"),
    "ACCEPTED, swept": dict.fromkeys(ARGUMENTS, "lapsed EXPIRED"),
    "WRAPPING, lapsed": dict.fromkeys(ARGUMENTS, "lapsed COMPLETED") | WRAPPED_UP,
    "WRAPPING, swept": dict.fromkeys(ARGUMENTS, "state COMPLETED") | WRAPPED_UP,
}
CONTACTS: Final = {
    "ACCEPTED": ContactState.ASSIGNED,
    "DECLINED": ContactState.RETURNED,
    "WRAPPING": ContactState.CLOSED,
    "COMPLETED": ContactState.CLOSED,
    "CANCELED": ContactState.CANCELED,
}
"""The state of a contact without `wait` by the state of its reservation; after a withdrawn offer it is RETURNED."""


async def brought_to(stage: Stage, standing: str) -> Reservation:
    """Bring a reservation of ann for the contact c to a state of LAWS."""
    state, _, then = standing.partition(", ")
    await stage.put("ann", 5)
    short = 1 if then else LONG_MS
    held = await stage.hold("ann", contact="c", hold_ms=short if state == "PENDING" else LONG_MS)
    if state in {"ACCEPTED", "WRAPPING", "COMPLETED"}:
        accepted_ms = short if state == "ACCEPTED" else LONG_MS
        await stage.verb("accept", held, **{**ARGUMENTS["accept"], "accepted_ms": accepted_ms})
    if state in {"WRAPPING", "COMPLETED"}:
        wrap_up_ms = {"WRAPPING": short, "COMPLETED": 0}[state]
        await stage.verb("complete", held, **{**ARGUMENTS["complete"], "wrap_up_ms": wrap_up_ms})
    if state in {"DECLINED", "CANCELED"}:
        verb = {"DECLINED": "decline", "CANCELED": "cancel"}[state]
        await stage.verb(verb, held, **ARGUMENTS[verb])
    if then:
        await stage.passed((await stage.reservation(held.id)).deadline_ms)
    if then == "swept":
        assert await stage.expire(held.id) == state
    return await stage.reservation(held.id)


@pytest.mark.parametrize(("standing", "verb"), [(standing, verb) for standing in LAWS for verb in ARGUMENTS])
async def test_each_verb_answers_each_state_as_the_table_says(stage: Stage, standing: str, verb: str) -> None:
    """A verb that fits leaves its state; a verb that does not fit changes nothing and names the state."""
    before = await brought_to(stage, standing)
    contact, stored, told = await stage.contact("c"), await stage.everything(), await stage.ends()
    answer = await stage.verb(verb, before, **ARGUMENTS[verb], fence=before.fence)
    law = LAWS[standing][verb]
    if " " in law:
        assert b" ".join(answer).decode() == law
        assert await stage.everything() == stored
        return
    after = await stage.reservation(before.id)
    assert (answer[0], after.state) == (b"ok", law)
    assert fields_of(answer[1])["fence"] == str(before.fence).encode()
    if law == before.state and verb != "renew":
        # A repeat: the same answer, and nothing is written again.
        assert after == before
        assert await stage.contact("c") == contact
        assert await stage.ends() == told
    elif verb != "renew":
        wanted = ContactState.RETURNED if verb == "withdraw" else CONTACTS[law]
        assert (await stage.contact("c")).state is wanted
    holds = law in {"ACCEPTED", "WRAPPING"}
    assert await stage.held_by("ann") == ([before.id] if holds else [])
    assert await stage.due() == ([before.id] if holds or standing.endswith("lapsed") else [])


@pytest.mark.parametrize("verb", [*ARGUMENTS, "expire"])
async def test_a_reservation_that_is_not_there_is_gone(stage: Stage, verb: str) -> None:
    """Gone: nothing is written; an expiry has nothing to do."""
    await stage.put("ann")
    held = await stage.hold("ann")
    await stage.raw("UNLINK", stage.keys.reservation(held.id))
    stored = await stage.everything()
    answer = await stage.verb(verb, held, **ARGUMENTS.get(verb, EXPIRE))
    if verb == "expire":
        assert answer == [b"done"]
        assert await stage.due() == []
    else:
        assert answer == [b"gone"]
        assert await stage.everything() == stored


@pytest.mark.parametrize("verb", ARGUMENTS)
async def test_another_fence_is_refused_whatever_the_state(stage: Stage, verb: str) -> None:
    """A fence that is older or newer than the reservation's own changes nothing."""
    for standing in ("PENDING", "ACCEPTED", "WRAPPING", "COMPLETED", "PENDING, lapsed"):
        held = await brought_to(stage, standing)
        stored = await stage.everything()
        for fence in (held.fence - 1, held.fence + 1):
            assert await stage.verb(verb, held, **ARGUMENTS[verb], fence=fence) == [b"fence"]
        assert await stage.everything() == stored
        await stage.raw("UNLINK", stage.keys.contact("c"))


async def test_refusals_reach_callers_as_errors_with_the_reservations_name(stage: Stage) -> None:
    """The words of the verbs become the reasons of the API."""
    held = await brought_to(stage, "ACCEPTED")
    ref = await stage.routing.reference(stage.site, held.id)
    assert ref == stage.reference(held)
    with pytest.raises(FenceStale):
        await stage.routing.renew(ref, held.fence + 1, LONG_MS)
    with pytest.raises(ReservationStateWrong):
        await stage.routing.decline(ref, 0, "", None)
    with pytest.raises(ReservationNotFound):
        await stage.routing.reference(stage.site, "other")
    with pytest.raises(ReservationNotFound):
        await stage.routing.cancel(ReservationRef(stage.site, "other", "ann", "c", "default"), 0)
    renewed = await stage.routing.renew(ref, 0, 1)
    await stage.passed(renewed.deadline_ms)
    with pytest.raises(ReservationLapsed):
        await stage.routing.complete(ref, 0, 0)


async def test_accept_and_renew_move_the_deadline_everywhere(stage: Stage) -> None:
    """Reservation, hold, deadlines and contact agree on one time, counted from the store's clock."""
    await stage.put("ann")
    held = await stage.hold("ann", contact="c", hold_ms=5_000)
    for move, length in ((stage.routing.accept, 70_000), (stage.routing.renew, 90_000)):
        before = await stage.now_ms()
        moved = await move(stage.reference(held), held.fence, length)
        after = await stage.now_ms()
        assert before + length <= moved.deadline_ms <= after + length
        at = str(moved.deadline_ms).encode()
        assert list((await stage.lease("ann")).values()) == [float(at)]
        assert float(await stage.raw("ZSCORE", stage.keys.due, f"reservation|{held.id}")) == float(at)
        assert fields_of(await stage.raw("HGETALL", stage.keys.contact("c")))["until"] == at
        assert length < await stage.raw("PTTL", stage.keys.reservation(held.id)) <= length + KEEP_MS
        assert length < await stage.raw("PTTL", stage.keys.contact("c")) <= length + KEEP_MS


async def test_completing_after_the_wrap_up_is_answered_as_completed(stage: Stage) -> None:
    """After its deadline a wrap-up reads COMPLETED, whether or not it was swept."""
    held = await brought_to(stage, "WRAPPING, lapsed")
    assert held.state is ReservationState.COMPLETED
    answered = await stage.routing.complete(stage.reference(held), 0, LONG_MS)
    assert answered.state is ReservationState.COMPLETED
    assert answered == await stage.reservation(held.id)


@pytest.mark.parametrize("state", ["PENDING", "ACCEPTED", "WRAPPING"])
async def test_a_lapsed_reservation_reads_the_same_before_and_after_the_sweep(stage: Stage, state: str) -> None:
    """A reservation and its contact do not show whether the sweep has come."""
    read = await brought_to(stage, f"{state}, lapsed")
    contact = await stage.contact("c")
    assert read.ended_ms == read.deadline_ms
    assert await stage.expire(read.id) == state
    assert await stage.reservation(read.id) == read
    swept = await stage.contact("c")
    assert (swept.state, swept.excluded, swept.reservation) == (contact.state, contact.excluded, contact.reservation)


async def test_expire_writes_the_consequence_once_and_not_early(stage: Stage) -> None:
    """Early: the deadline is to come. Lapsed: this call wrote it. Done: another call wrote it before."""
    await stage.put("ann", 5)
    held = await stage.hold("ann", contact="c")
    stored = await stage.everything()
    assert await stage.verb("expire", held, **EXPIRE) == [b"early"]
    assert await stage.everything() == stored
    await stage.passed((await stage.routing.accept(stage.reference(held), 0, 1)).deadline_ms)
    assert await stage.verb("expire", held, **EXPIRE) == [b"lapsed", b"ACCEPTED", b""]
    stored, told = await stage.everything(), await stage.ends()
    assert await stage.verb("expire", held, **EXPIRE) == [b"done"]
    assert await stage.everything() == stored
    assert await stage.ends() == told
    assert await stage.lease("ann") == {}
    assert await stage.due() == []


async def test_the_removal_from_due_decides_which_call_writes_the_consequence(stage: Stage) -> None:
    """If another call removed the deadline from `due`, an expiry writes nothing: the other call writes it."""
    held = await brought_to(stage, "PENDING, lapsed")
    await stage.raw("ZREM", stage.keys.due, f"reservation|{held.id}")
    stored = await stage.everything()
    assert await stage.verb("expire", held, **EXPIRE) == [b"done"]
    assert await stage.everything() == stored


async def test_an_old_offer_that_is_swept_late_does_not_touch_the_contact_s_new_life(stage: Stage) -> None:
    """The contact was offered again meanwhile: its state and its lifetime are those of the new reservation."""
    await stage.put("ann")
    await stage.put("bob")
    old = await stage.hold("ann", contact="c", hold_ms=1)
    await stage.passed(old.deadline_ms)
    await stage.hold("ann", "bob", contact="c", hold_ms=LONG_MS, accepted=True)
    contact = await stage.contact("c")
    lifetime = await stage.raw("PTTL", stage.keys.contact("c"))
    assert await stage.expire(old.id) == "PENDING"
    assert await stage.contact("c") == contact
    assert await stage.raw("PTTL", stage.keys.contact("c")) > lifetime - 5_000 > LONG_MS


async def test_an_old_reservation_s_cancel_does_not_touch_the_contact_s_new_life(stage: Stage) -> None:
    """A late cancel of a declined offer is refused, and the contact stays with its agent."""
    await stage.put("ann")
    await stage.put("bob")
    old = await stage.hold("ann", contact="c")
    await stage.routing.decline(stage.reference(old), 0, "", None)
    new = await stage.hold("ann", "bob", contact="c")
    with pytest.raises(ReservationStateWrong):
        await stage.routing.cancel(stage.reference(old), 0)
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation) == (ContactState.RESERVED, new.id)


async def test_every_transition_that_ends_a_reservation_ends_its_hold(stage: Stage) -> None:
    """Every end finds the member of holds again, whatever channel and cost it has."""
    for verb in ("decline", "cancel"):
        await stage.put("ann", 1)
        held = await stage.hold("ann")
        # The terms of the channel change while it is held.
        await stage.put("ann", 7, {"chat": ChannelCapacity(3, 2)})
        await stage.verb(verb, held, **ARGUMENTS[verb])
        assert await stage.lease("ann") == {}


async def test_live_reservations_are_listed_page_by_page_by_deadline(stage: Stage) -> None:
    """Each live reservation is listed once, the next to lapse first; those that lapsed or ended are not listed."""
    await stage.put("ann", 20)
    await stage.put("bob", 20)
    holds = [await stage.hold("ann" if n % 2 else "bob", hold_ms=LONG_MS + n // 3) for n in range(12)]
    await stage.routing.cancel(stage.reference(holds.pop()), 0)
    lapsed = await stage.hold("ann", hold_ms=1)
    await stage.passed(lapsed.deadline_ms)
    wanted = [held.id for held in sorted(holds, key=lambda held: (held.deadline_ms, held.id))]

    async def listed(agent: str | None) -> list[str]:
        found, after = [], ""
        while True:
            now = await stage.now_ms()
            if agent is None:
                page = await stage.routing.reservations(stage.site, 2, after, now)
            else:
                page = await stage.routing.reservations_of(stage.site, agent, 2, after, now)
            found += [one.id for one in page.items]
            if not page.next:
                return found
            after = page.next

    assert await listed(None) == wanted
    assert await listed("ann") == [one for one in wanted if (await stage.reservation(one)).agent == "ann"]


async def test_a_process_ends_its_own_hold_without_a_read_and_another_process_reads_first(plain_stage: Stage) -> None:
    """A reference never changes: the process that made the hold asks the store once, another process twice."""
    await plain_stage.put("ann", 2)
    first, second = [await plain_stage.hold("ann", accepted=True) for _ in range(2)]
    elsewhere = Stage(plain_stage.connection, plain_stage.site)
    for stage, held, trips in ((plain_stage, first, 1), (elsewhere, second, 2)):
        before = plain_stage.connection.round_trips
        ref = await stage.routing.reference(stage.site, held.id)
        assert ref == stage.reference(held)
        assert (await stage.routing.complete(ref, 0, 0)).state is ReservationState.COMPLETED
        assert plain_stage.connection.round_trips == before + trips


async def test_a_remembered_reference_does_not_outlive_its_reservation(plain_stage: Stage) -> None:
    """If the store has forgotten the reservation, it is not found, whichever process made it."""
    await plain_stage.put("ann")
    held = await plain_stage.hold("ann", accepted=True)
    await plain_stage.raw("DEL", plain_stage.keys.reservation(held.id))
    ref = await plain_stage.routing.reference(plain_stage.site, held.id)
    with pytest.raises(ReservationNotFound):
        await plain_stage.routing.complete(ref, 0, 0)


async def test_remembered_references_are_bounded(plain_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest references are evicted first, and then read from the store."""
    monkeypatch.setattr(reservations, "MOST_REFS", 2)
    await plain_stage.put("ann", 3)
    held = [await plain_stage.hold("ann") for _ in range(3)]
    before = plain_stage.connection.round_trips
    assert [await plain_stage.routing.reference(plain_stage.site, one.id) for one in held] == [
        *map(plain_stage.reference, held)
    ]
    assert plain_stage.connection.round_trips == before + 1
