"""Transfers between two steps of other calls: whatever comes between read and write, no hold outlives its contact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import pytest

from matcher.errors import MatcherError
from matcher.model import Experience, Message, Requirements, Reservation, ReservedOutcome
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.model.requests import RouteRequest, TransferRequest
from matcher.store.keys import Keys
from matcher.store.redis.verb_call import VerbCall
from tests.state_machine.pair import Pair
from tests.state_machine.stored import Stored
from tests.state_machine.strategies import LONG_PAST_MS
from tests.store.access import store_now_ms
from tests.store.laws import broken_laws
from tests.store.stage import Stage

OTHERS: Final = {
    "accept": "accept",
    "decline": "decline",
    "complete": "complete",
    "expire": "expire",
    "cancel": "cancel",
    "cancel the contact": "leave",
    "delete the agent": "delete_agent",
    "transfer": "reserve",
}
"""What comes between → the verb that writes it."""


async def let_lapse(pair: Pair, held: Reservation) -> None:
    """Move a reservation's deadline into the past, and write the lapse."""
    keys, past = Keys(pair.site), await store_now_ms(pair.connection) - LONG_PAST_MS
    await pair.connection.pipeline(
        [
            ("HSET", keys.reservation(held.id), "deadline", past),
            ("ZADD", keys.holds(held.agent), "XX", past, f"{held.id}|{held.channel}|{held.cost}"),
            ("ZADD", keys.due, "XX", past, f"reservation|{held.id}"),
        ]
    )
    if await pair.connection.run("HGET", keys.contact(held.contact), "reservation") == held.id.encode():
        await pair.connection.run("HSET", keys.contact(held.contact), "until", past)
    await pair.other.routing.expire(await pair.other.routing.reference(pair.site, held.id), 0)


def call(pair: Pair, what: str, held: Reservation) -> Awaitable[Any]:
    """Return a call at the second server that changes a contact or its reservation."""
    desk, site = pair.other.reservations, pair.site
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "accept": lambda: desk.accept(site, held.id, 0),
        "decline": lambda: desk.decline(site, held.id, 0, "", None),
        "complete": lambda: desk.complete(site, held.id, 0, Experience()),
        "expire": lambda: let_lapse(pair, held),
        "cancel": lambda: desk.cancel(site, held.id, 0),
        "cancel the contact": lambda: pair.other.contacts.cancel(site, held.contact),
        "delete the agent": lambda: pair.other.agents.delete_agent(site, held.agent, "", force=True),
        "transfer": lambda: pair.other.router.transfer(site, TransferRequest("c")),
    }
    return calls[what]()


def come_between(pair: Pair, monkeypatch: pytest.MonkeyPatch, verb: str, other: Callable[[], Awaitable[Any]]) -> None:
    """Let another call run whole before the next call of a verb reaches the store."""
    run, waiting = pair.connection.verb, [other]

    async def verb_after(call: VerbCall) -> list[Any]:
        if call.verb == verb and waiting:
            await waiting.pop()()
        return await run(call)

    monkeypatch.setattr(pair.connection, "verb", verb_after)


async def refused(work: Awaitable[Any]) -> bool:
    """Return whether a call is refused."""
    with suppress(MatcherError):
        await work
        return False
    return True


async def offered(pair: Pair, accepted: bool) -> Reservation:
    """Offer the contact c to ann, beside whom bob and cy are free; let her accept."""
    for agent in ("ann", "bob", "cy"):
        await pair.create(agent, capacity=1)
    await pair.catch_up()
    request = RouteRequest(Message("roses", "", Requirements(only="ann")), contact_id="c")
    held = await pair.slow.router.route(pair.site, request)
    assert isinstance(held, ReservedOutcome)
    if accepted:
        await pair.slow.reservations.accept(pair.site, held.reservation.id, 0)
    return held.reservation


@pytest.mark.parametrize("keeps_agent", [False, True], ids=["on hold", "on accept"])
@pytest.mark.parametrize("accepted", [False, True], ids=["offered", "accepted"])
@pytest.mark.parametrize("first", ["transfer reads", "transfer runs"])
@pytest.mark.parametrize("what", OTHERS)
async def test_whatever_comes_between_a_transfer_s_read_and_its_reserve_leaks_no_hold(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, what: str, first: str, accepted: bool, keeps_agent: bool
) -> None:
    """Every hold has a live reservation; a contact has one hold, and one more while its agent awaits an answer."""
    held = await offered(pair, accepted)

    async def transfer() -> None:
        await refused(pair.slow.router.transfer(pair.site, TransferRequest("c", keeps_agent=keeps_agent)))

    async def other() -> None:
        await refused(call(pair, what, held))

    if first == "transfer reads":
        come_between(pair, monkeypatch, "reserve", other)
        await transfer()
    else:
        come_between(pair, monkeypatch, OTHERS[what], transfer)
        await other()
    stored = await Stored.read(pair.connection, pair.site)
    assert stored.live() == stored.leases
    busy = stored.contact("c").state in {ContactState.RESERVED, ContactState.ASSIGNED}
    is_offered = "offered" in stored.hashes["contact"]["c"]
    assert sum(len(holds) for holds in stored.leases.values()) == busy + is_offered
    assert busy or not is_offered
    assert await broken_laws(Stage(pair.connection, pair.site)) == []
    assert await pair.agrees()


async def test_a_transfer_that_read_an_offer_hands_on_the_conversation_that_it_became(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accept comes between: the transfer reads again, the old reservation is COMPLETED, and its agent is free."""
    held = await offered(pair, accepted=False)
    come_between(pair, monkeypatch, "reserve", lambda: call(pair, "accept", held))
    outcome = await pair.slow.router.transfer(pair.site, TransferRequest("c"))
    assert isinstance(outcome, ReservedOutcome)
    stored = await Stored.read(pair.connection, pair.site)
    assert stored.reservation(held.id).state is ReservationState.COMPLETED
    assert {agent: list(holds) for agent, holds in stored.leases.items()} == {
        outcome.reservation.agent: [outcome.reservation.id]
    }


async def test_a_transfer_that_read_another_conversation_hands_on_the_one_that_there_is(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another transfer, accepted, comes between: the contact goes on from the agent who has it now."""
    held = await offered(pair, accepted=True)

    async def handed_on_before() -> None:
        before = await call(pair, "transfer", held)
        await pair.other.reservations.accept(pair.site, before.reservation.id, 0)

    come_between(pair, monkeypatch, "reserve", handed_on_before)
    outcome = await pair.slow.router.transfer(pair.site, TransferRequest("c"))
    assert isinstance(outcome, ReservedOutcome)
    stored = await Stored.read(pair.connection, pair.site)
    assert {agent: list(holds) for agent, holds in stored.leases.items()} == {
        outcome.reservation.agent: [outcome.reservation.id]
    }
    assert outcome.reservation.agent != held.agent


@pytest.mark.parametrize("answer", ["accept", "decline", "cancel", "expire", "delete the agent"])
@pytest.mark.parametrize("what", OTHERS)
async def test_whatever_meets_the_answer_to_an_offer_that_the_old_agent_awaits_leaks_no_hold(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, what: str, answer: str
) -> None:
    """Between any call of the old agent and its verb comes the new agent's answer, and nobody is held for nothing."""
    held = await offered(pair, accepted=True)
    outcome = await pair.slow.router.transfer(pair.site, TransferRequest("c", keeps_agent=True))
    assert isinstance(outcome, ReservedOutcome)

    async def answered() -> None:
        await refused(call(pair, answer, outcome.reservation))

    come_between(pair, monkeypatch, OTHERS[what], answered)
    await refused(call(pair, what, held))
    stored = await Stored.read(pair.connection, pair.site)
    assert stored.live() == stored.leases
    busy = stored.contact("c").state in {ContactState.RESERVED, ContactState.ASSIGNED}
    is_offered = "offered" in stored.hashes["contact"]["c"]
    assert sum(len(holds) for holds in stored.leases.values()) == busy + is_offered
    assert busy or not is_offered
    assert await broken_laws(Stage(pair.connection, pair.site)) == []
    assert await pair.agrees()
