"""Assignments by hand between two servers: what changes meanwhile, and a process of an earlier version beside."""

from __future__ import annotations

import pytest

from matcher.errors import ConstraintsUnmet
from matcher.model import AgentChange, Basis, Message, Preferred, Requirements, ReservedOutcome
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.model.requests import AssignRequest, RouteRequest
from matcher.store.contacts import ContactStore
from matcher.store.roster import RosterStore
from tests.people import wait_until
from tests.state_machine.pair import Pair


async def test_a_contact_that_is_offered_between_read_and_write_is_read_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other server offers it to bob meanwhile: that offer is withdrawn, and ann has the contact alone."""
    for agent in ("ann", "bob"):
        await pair.create(agent, capacity=1)
    await pair.catch_up()
    read, offered = ContactStore.contact, list[ReservedOutcome]()

    async def read_then_offer(self: ContactStore, site: str, contact: str, now_ms: int) -> object:
        try:
            return await read(self, site, contact, now_ms)
        finally:
            if not offered:
                message = Message("roses", "", Requirements(), (Preferred("bob", Basis.PREFERRED),))
                outcome = await pair.other.router.route(site, RouteRequest(message, contact_id="c"))
                assert isinstance(outcome, ReservedOutcome)
                offered.append(outcome)

    monkeypatch.setattr(ContactStore, "contact", read_then_offer)
    done = await pair.slow.assigner.assign(pair.site, AssignRequest("c", "ann", accepted=True))
    assert (done.reservation.agent, offered[0].reservation.agent) == ("ann", "bob")
    first = await pair.slow.reservations.reservation(pair.site, offered[0].reservation.id)
    assert first.state is ReservationState.CANCELED
    assert await pair.agrees()


async def test_a_skill_that_is_taken_away_between_read_and_write_is_missed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store notices that the agent has another profile than the one that was compared."""
    await pair.create("ann", capacity=1)
    skilled = AgentChange(skills={"law": 1})
    await pair.other.agents.update_agent(pair.site, "ann", skilled, "")
    await pair.catch_up()  # else a replica that reads the changed agent takes the place of the assignment's read
    read, changed = RosterStore.agents, list[str]()

    async def read_then_change(self: RosterStore, site: str, agents: list[str]) -> object:
        stored = await read(self, site, agents)
        if not changed:
            changed.append("law")
            await pair.other.agents.update_agent(site, "ann", AgentChange(skills={}), "")
        return stored

    monkeypatch.setattr(RosterStore, "agents", read_then_change)
    message = Message("", "", Requirements(skills={"law": 1}))
    with pytest.raises(ConstraintsUnmet, match="SKILL"):
        await pair.slow.assigner.assign(pair.site, AssignRequest("c", "ann", message=message))
    assert changed


async def test_beside_an_earlier_version_an_assignment_is_told_as_a_transfer(pair: Pair) -> None:
    """A process of schema 2 knows neither the basis nor the cause, and must read the records."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    pair.connection.schema.writes = 2
    done = await pair.slow.assigner.assign(pair.site, AssignRequest("c", "ann", actor="eva"))
    contact = await pair.slow.contacts.contact(pair.site, "c")
    assert (done.reservation.basis, done.reservation.actor) == (Basis.TRANSFER, "eva")
    assert (contact.state, contact.cause) == (ContactState.RESERVED, Cause.OFFERED)


async def test_whose_offer_lapsed_stays_excluded_where_nobody_has_written_the_lapse(pair: Pair) -> None:
    """The contact is assigned to bob before the sweep: ann, who did not answer, is not offered it again."""
    for agent in ("ann", "bob"):
        await pair.create(agent, capacity=1)
    await pair.other.pools.update_pool(pair.site, "default", {"offer_ms": 1}, "")
    await pair.catch_up()
    message = Message("roses", "", Requirements(), (Preferred("ann", Basis.PREFERRED),))
    await pair.other.router.route(pair.site, RouteRequest(message, contact_id="c"))

    async def lapsed() -> bool:
        return (await pair.other.contacts.contact(pair.site, "c")).state is ContactState.RETURNED

    await wait_until(lapsed, "the offer has lapsed")
    await pair.other.pools.update_pool(pair.site, "default", {"offer_ms": 600_000}, "")
    done = await pair.other.assigner.assign(pair.site, AssignRequest("c", "bob"))
    assert done.reservation.agent == "bob"
    assert (await pair.other.contacts.contact(pair.site, "c")).excluded == ("ann",)
