"""Quotas of a site and the scope of a caller in the verbs: exact for every process, and repeated without harm."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from matcher.auth.principal import NOBODY, Principal, PrincipalKind, digest_of, set_principal
from matcher.errors import AgentNotFound, SiteQuotaExceeded
from matcher.model import PoolPolicy
from matcher.model.lifecycle import AgentStatus, Cause, ContactState
from matcher.model.quotas import NO_CALLER_QUOTAS, NO_QUOTAS, CallerQuotas, SiteQuotas
from matcher.model.scope import Scope
from matcher.store.contacts import LeaveOutcome
from matcher.store.reservations import Enqueued, Refusal, Refused, Replayed, ReservationStore, Reserved
from matcher.store.roster import RosterStore
from tests.store.stage import EVENTS_KEPT, LIFETIMES, LONG_MS, Stage

BILLING = Scope(frozenset({"billing"}))


async def test_of_many_agents_at_once_exactly_the_quota_comes_in(stage: Stage) -> None:
    """The others are refused by the quota's name, and nothing of them is written; an agent who is there is changed."""
    stage.roster = RosterStore(stage.connection, EVENTS_KEPT, quotas=SiteQuotas(agents=3))
    answers = await asyncio.gather(*(stage.put(f"a{number}") for number in range(8)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, SiteQuotaExceeded)]
    assert len(refused) == 5
    assert refused[0].metadata == {"site": f"sites/{stage.site}", "quota": "agents", "limit": "3"}
    there = (await stage.roster.agent_ids(stage.site, 100, "")).items
    assert len(there) == 3
    await stage.put(there[0], total=5)
    await stage.remove(there[0])
    await stage.put("next")


async def test_a_site_has_as_many_pools_as_it_may(stage: Stage) -> None:
    """The default pool is one of them; a pool that is there is changed."""
    roster = RosterStore(stage.connection, EVENTS_KEPT, quotas=SiteQuotas(pools=2))
    await roster.put_pool(stage.site, "billing", PoolPolicy(), 0)
    with pytest.raises(SiteQuotaExceeded, match="the quota pools of"):
        await roster.put_pool(stage.site, "sales", PoolPolicy(), 0)
    await roster.put_pool(stage.site, "billing", PoolPolicy(display_name="Billing"), None)
    assert [pool.id for pool in (await roster.pools(stage.site, 100, "")).items] == ["billing", "default"]


async def test_as_many_contacts_wait_as_may_and_a_repeat_is_answered_as_before(stage: Stage) -> None:
    """One too many is refused and leaves nothing; where one leaves the queue, the next may wait."""
    stage.routing = ReservationStore(stage.connection, replace(LIFETIMES, quotas=SiteQuotas(waiting_contacts=2)))
    for contact in ("c-1", "c-2"):
        await stage.line_up(contact)
    third = stage.claim(contact="c-3", waiting=stage.waiting())
    before = await stage.everything()
    assert await stage.reserve(third, or_wait=True) == Refused(Refusal.QUOTA, "waiting_contacts|2")
    assert await stage.everything() == before
    again = stage.claim(contact="c-2", waiting=stage.waiting())
    assert isinstance(await stage.reserve(again, or_wait=True), Enqueued), "a contact that waits may be routed again"
    assert isinstance(await stage.reserve(again, or_wait=True), Replayed)
    await stage.contacts.leave(stage.site, "c-1", Cause.CANCELED)
    assert isinstance(await stage.reserve(third, or_wait=True), Enqueued)


async def test_the_usage_of_a_site_is_what_the_store_counts(stage: Stage) -> None:
    """With and without quotas."""
    await stage.put("ana")
    await stage.line_up("c-1")
    bounded = RosterStore(stage.connection, EVENTS_KEPT, quotas=SiteQuotas(5, 6, 7, 8))
    used = {"agents": 1, "pools": 1, "waiting_contacts": 1, "open_offers": 0}
    assert {one.quota: one.used for one in await stage.roster.usage(stage.site)} == used
    assert [one.limit for one in await stage.roster.usage(stage.site)] == [0, 0, 0, 0]
    assert [one.limit for one in await bounded.usage(stage.site)] == [5, 6, 7, 8]


async def test_a_contact_that_an_agent_is_held_for_needs_no_place_in_the_queue(stage: Stage) -> None:
    """A full queue keeps nobody from a free agent, and a contact whose offer is declined waits all the same."""
    stage.routing = ReservationStore(stage.connection, replace(LIFETIMES, quotas=SiteQuotas(waiting_contacts=1)))
    await stage.put("ana", total=2)
    asked = stage.claim("ana", contact="c-1", waiting=stage.waiting())
    held = await stage.reserve(asked, or_wait=True)
    assert isinstance(held, Reserved)
    await stage.line_up("c-2")
    ref = await stage.routing.reference(stage.site, held.reservation.id)
    await stage.routing.decline(ref, 0, "", None)
    states = [(await stage.contacts.contact(stage.site, contact, 0)).state for contact in ("c-1", "c-2")]
    assert states == [ContactState.QUEUED, ContactState.QUEUED]


async def test_what_another_pool_has_is_not_there_for_a_scope_and_nothing_is_written(stage: Stage) -> None:
    """A status, a heartbeat, an end and a reserve of another pool answer as for what does not exist."""
    await stage.put("ana")
    await stage.line_up("c-1")
    before = await stage.everything()
    with pytest.raises(AgentNotFound):
        await stage.roster.put_status(stage.site, "ana", AgentStatus.AWAY, BILLING)
    with pytest.raises(AgentNotFound):
        await stage.presence.beat(stage.site, "ana", 1_000, 1_000, BILLING)
    left = await stage.contacts.leave(stage.site, "c-1", Cause.CANCELED, BILLING)
    assert left.how is LeaveOutcome.GONE
    for contact in ("c-1", "c-new"):
        asked = stage.claim("ana", contact=contact, scope=BILLING.packed(), waiting=stage.waiting())
        assert await stage.reserve(asked, or_wait=True) == Refused(Refusal.FOREIGN)
    assert await stage.everything() == before


async def test_an_own_desk_needs_no_pool(stage: Stage) -> None:
    """The agent of a desk sets the own status and beats, whatever the pools."""
    await stage.put("ana")
    desk = Scope(frozenset(), frozenset({"ana"}))
    assert (await stage.roster.put_status(stage.site, "ana", AgentStatus.AWAY, desk)).status is AgentStatus.AWAY
    assert (await stage.presence.beat(stage.site, "ana", 1_000, 1_000, desk)).until_ms


def counting(stage: Stage, site: SiteQuotas = NO_QUOTAS, own: CallerQuotas = NO_CALLER_QUOTAS) -> None:
    """Let the stage's reserves and its usage hold these quotas."""
    stage.routing = ReservationStore(stage.connection, replace(LIFETIMES, quotas=site, own_quotas=own))
    stage.roster = RosterStore(stage.connection, EVENTS_KEPT, quotas=site, own_quotas=own)


async def used(stage: Stage, quota: str, by: Principal = NOBODY) -> int:
    """Return how much of a quota is used, as a caller reads it."""
    set_principal(by)
    found = {one.quota: one.used for one in await stage.roster.usage(stage.site)}
    set_principal(NOBODY)
    return found[quota]


async def test_of_many_offers_at_once_exactly_the_quota_of_the_site_is_made(stage: Stage) -> None:
    """A refused one leaves nothing; an offer that is accepted at once is none."""
    counting(stage, SiteQuotas(open_offers=3))
    await stage.put("ana", total=50)
    answers = await asyncio.gather(*(stage.reserve(stage.claim("ana")) for _ in range(8)))
    assert [answer for answer in answers if not isinstance(answer, Reserved)] == [
        Refused(Refusal.QUOTA, "open_offers|3")
    ] * 5
    before = await stage.everything()
    assert await stage.reserve(stage.claim("ana")) == Refused(Refusal.QUOTA, "open_offers|3")
    assert await stage.everything() == before
    await stage.hold("ana", accepted=True)
    assert await used(stage, "open_offers") == 3


@pytest.mark.parametrize("end", ["accept", "decline", "cancel", "expire", "withdraw"])
async def test_an_offer_that_is_answered_makes_place_for_the_next(stage: Stage, end: str) -> None:
    """Whatever becomes of it; and nothing is left of what was counted."""
    crm = CallerQuotas(open_offers=1)
    counting(stage, SiteQuotas(open_offers=1), crm)
    await stage.put("ana", total=50)
    held = await stage.hold("ana", by="crm", hold_ms=30 if end == "expire" else LONG_MS)
    assert isinstance(await stage.reserve(stage.claim("ana", by="crm", accepted=True)), Reserved)
    if end != "expire":
        assert await stage.reserve(stage.claim("ana", by="shop")) == Refused(Refusal.QUOTA, "open_offers|1")
    else:
        await stage.passed(held.deadline_ms)
    more = {
        "accept": {"accepted_ms": LONG_MS, "idle_ms": 0, "first_ms": 0, "handed_on": None},
        "decline": {"reason": "", "retry_after_ms": "", "max_declined": 0},
        "cancel": {"wrap_up_ms": 0},
        "expire": {"max_missed": 0, "wrap_up_ms": 0},
        "withdraw": {"cause": "AGENT_LEFT"},
    }
    assert (await stage.verb(end, held, **more[end]))[0] in {b"ok", b"lapsed"}  # type: ignore[arg-type]
    assert {stage.keys.offers.encode(), stage.keys.asked.encode()}.isdisjoint(await stage.everything())
    assert isinstance(await stage.reserve(stage.claim("ana", by="shop")), Reserved)


async def test_a_caller_with_as_many_open_offers_as_it_may_have_takes_none_from_others(stage: Stage) -> None:
    """The quota is each caller's own; offers to contacts that waited count, and are made all the same."""
    counting(stage, own=CallerQuotas(open_offers=2))
    await stage.put("ana", total=50)
    await stage.line_up("c-1", by="crm")
    await stage.served("c-1", "ana")
    await stage.hold("ana", by="crm")
    assert await stage.reserve(stage.claim("ana", by="crm")) == Refused(Refusal.QUOTA, "own_open_offers|2")
    await stage.hold("ana", by="shop")
    await stage.line_up("c-2", by="crm")
    await stage.served("c-2", "ana")
    crm = Principal("crm", PrincipalKind.KEY, ())
    await stage.hold("ana", by=digest_of(crm))
    assert await used(stage, "own_open_offers", crm) == 1


async def test_a_caller_lets_as_many_contacts_wait_as_it_may(stage: Stage) -> None:
    """One that leaves makes place; one that comes back from an agent waits beyond the quota."""
    counting(stage, own=CallerQuotas(waiting_contacts=2))
    await stage.put("ana", total=50)
    for contact in ("c-1", "c-2"):
        await stage.line_up(contact, by="crm")
    third = stage.claim(contact="c-3", waiting=stage.waiting(), by="crm")
    assert await stage.reserve(third, or_wait=True) == Refused(Refusal.QUOTA, "own_waiting_contacts|2")
    await stage.line_up("s-1", by="shop")
    held = await stage.served("c-1", "ana")
    assert isinstance(await stage.reserve(third, or_wait=True), Enqueued)
    await stage.routing.decline(stage.reference(held), 0, "", None)
    assert set(await stage.in_line()) == {"c-1", "c-2", "c-3", "s-1"}
    for contact in ("c-1", "c-2"):
        await stage.contacts.leave(stage.site, contact, Cause.CANCELED)
    fourth = stage.claim(contact="c-4", waiting=stage.waiting(), by="crm")
    assert isinstance(await stage.reserve(fourth, or_wait=True), Enqueued)
    fifth = stage.claim(contact="c-5", waiting=stage.waiting(), by="crm")
    assert isinstance(await stage.reserve(fifth, or_wait=True), Refused)


async def test_what_ended_while_no_process_ran_is_counted_no_more(stage: Stage) -> None:
    """Records that are forgotten, and deadlines that nobody wrote, keep nobody from the next offer."""
    counting(stage, SiteQuotas(open_offers=1), CallerQuotas(1, 1))
    await stage.put("ana", total=50)
    held = await stage.hold("ana", by="crm", hold_ms=30)
    await stage.line_up("c-1", by="crm")
    await stage.raw("DEL", stage.keys.reservation(held.id), stage.keys.contact("c-1"))
    await stage.passed(held.deadline_ms)
    await stage.contacts.leave(stage.site, "c-1", Cause.WAIT_EXPIRED)
    await stage.hold("ana", by="crm")
    await stage.line_up("c-2", by="crm")


async def test_without_quotas_nothing_is_counted(stage: Stage) -> None:
    """No key, and no field of a record."""
    await stage.put("ana", total=50)
    held = await stage.hold("ana", by="crm")
    await stage.line_up("c-1", by="crm")
    everything = await stage.everything()
    assert {stage.keys.offers.encode(), stage.keys.asked.encode()}.isdisjoint(everything)
    assert "by" not in everything[stage.keys.reservation(held.id).encode()]
    assert "by" not in everything[stage.keys.contact("c-1").encode()]
