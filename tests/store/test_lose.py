"""What the store has lost of a contact is told once, by whichever process saw it first."""

from __future__ import annotations

import time
from unittest.mock import AsyncMock

import pytest
from msgspec import structs

from matcher.errors import StoreUnavailable
from matcher.model import ContactEvent
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.event_hub import EventHub
from matcher.replica.losses import Losses
from matcher.store.keys import Keys
from matcher.store.reservations import Enqueued, Reserved
from matcher.store.standing import Standing
from tests.store.stage import Stage


def seen(contact: str, sequence: int, state: ContactState, cause: Cause, reservation: str = "r-lost") -> ContactEvent:
    """Return a step that a process saw; the store has no such reservation, unless another one is named."""
    return ContactEvent(contact, "default", sequence, state, cause, reservation, "ann", 1, 99)


async def test_a_contact_that_is_gone_is_returned_and_told_once(lawful: Stage) -> None:
    """Its steps go on after the last one that was seen, and a second process tells nothing."""
    stage = lawful
    await stage.put("ann")
    event = seen("c", 4, ContactState.ASSIGNED, Cause.ACCEPTED)
    assert await stage.contacts.standings(stage.site, [event]) == [Standing.LOST]
    assert await stage.contacts.lose(stage.site, event) is ContactState.RETURNED
    assert await stage.contacts.lose(stage.site, event) is None
    contact = await stage.contact("c")
    assert (contact.state, contact.cause, contact.sequence) == (ContactState.RETURNED, Cause.LOST, 5)
    (step,) = await stage.contacts.history(stage.site, "c")
    assert (step.reservation, step.agent, step.sequence) == ("r-lost", "ann", 5)
    offer = await stage.hold("ann", contact="c")
    assert (await stage.contact("c")).reservation == offer.id


async def test_a_contact_of_which_a_step_is_gone_stays_as_the_store_has_it(stage: Stage) -> None:
    """It keeps its offer, and the number of the lost step is not given again."""
    await stage.put("ann")
    offer = await stage.hold("ann", contact="c")
    kept = seen("c", 1, ContactState.RESERVED, Cause.OFFERED, offer.id)
    assert await stage.contacts.lose(stage.site, kept) is None
    assert await stage.contacts.lose(stage.site, seen("c", 2, ContactState.ASSIGNED, Cause.ACCEPTED)) is not None
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.sequence) == (ContactState.RESERVED, offer.id, 3)
    lost = seen("c", 2, ContactState.ASSIGNED, Cause.ACCEPTED)
    assert await stage.contacts.lose(stage.site, lost) is None
    assert await stage.contacts.standings(stage.site, [lost]) == [Standing.BEFORE]


async def test_a_hold_whose_step_no_process_had_read_is_told_when_the_store_lost_it(stage: Stage) -> None:
    """The caller was told of it, then the primary died; what the new one has, or has gone on from, is not told."""
    await stage.put("ann", 3)
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    for contact in ("gone", "kept", "accepted"):
        asked = stage.claim("ann", contact=contact)
        answer = await stage.reserve(asked)
        assert isinstance(answer, Reserved)
        assert answer.sequence == 1
        losses.note_reserved(asked.claim, answer)
        # The stream tells the offer only now: it takes nothing back.
        if contact == "accepted":
            losses.note_accepted(answer.reservation)
        losses.note(seen(contact, 1, ContactState.RESERVED, Cause.OFFERED, answer.reservation.id))
    await stage.raw("DEL", Keys(stage.site).contact("gone"))
    await losses.compare(time.monotonic(), another=True)
    assert len(told) == 2
    states = {contact: (await stage.contact(contact)).state for contact in ("gone", "kept", "accepted")}
    assert states == {
        "gone": ContactState.RETURNED,
        "kept": ContactState.RESERVED,
        "accepted": ContactState.RESERVED,
    }
    causes = {contact: (await stage.contact(contact)).cause for contact in ("gone", "kept", "accepted")}
    assert causes == {"gone": Cause.LOST, "kept": Cause.OFFERED, "accepted": Cause.LOST}


async def test_what_the_same_server_does_not_have_any_more_is_not_told_as_lost(stage: Stage) -> None:
    """This process missed events, and the contact went with its customer: nothing of it is written again."""
    await stage.put("ann")
    await stage.hold("ann", contact="c")
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    losses.note(seen("c", 1, ContactState.RESERVED, Cause.OFFERED))
    await stage.raw("DEL", Keys(stage.site).contact("c"))
    await losses.compare(time.monotonic(), another=False)
    assert told == []
    assert await stage.fields("c") == {}
    await losses.compare(time.monotonic(), another=True)
    assert told == []


async def test_a_loss_is_told_after_a_comparison_that_the_store_cut_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server answers, goes away during the comparison, and answers again: it is the same server by then."""
    await stage.put("ann")
    await stage.hold("ann", contact="c")
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    losses.note(seen("c", 1, ContactState.RESERVED, Cause.OFFERED))
    await stage.raw("DEL", Keys(stage.site).contact("c"))
    with monkeypatch.context() as away:
        away.setattr(stage.contacts, "standings", AsyncMock(side_effect=StoreUnavailable("store", "it died")))
        with pytest.raises(StoreUnavailable):
            await losses.compare(time.monotonic(), another=True)
    await losses.compare(time.monotonic(), another=False)
    assert len(told) == 1


async def test_a_wait_whose_step_no_process_had_read_is_told_when_the_store_lost_it(stage: Stage) -> None:
    """The caller was told that the contact waits, also where the store gives a number of its stream once more."""
    await stage.put("ann", 0)
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    for contact in ("gone", "kept", "again", "ended"):
        asked = stage.claim("ann", contact=contact, waiting=stage.waiting())
        answer = await stage.reserve(asked, or_wait=True)
        assert isinstance(answer, Enqueued)
        if contact == "again":
            losses.note(structs.replace(seen("other", 2, ContactState.CLOSED, Cause.COMPLETED), number=1 << 40))
        losses.note_enqueued(asked.claim, answer, await stage.now_ms())
    await stage.contacts.leave(stage.site, "ended", Cause.CANCELED)
    for contact in ("gone", "again"):
        await stage.raw("DEL", Keys(stage.site).contact(contact))
    await losses.compare(time.monotonic(), another=True)
    assert len(told) == 2
    stood = {contact: await stage.contact(contact) for contact in ("gone", "kept", "again", "ended")}
    assert {contact: (one.cause, one.sequence) for contact, one in stood.items()} == {
        "gone": (Cause.LOST, 2),
        "kept": (Cause.NOBODY_FREE, 1),
        "again": (Cause.LOST, 2),
        "ended": (Cause.CANCELED, 2),
    }


async def test_a_loss_is_told_again_where_the_store_loses_that_step_too(stage: Stage) -> None:
    """A second server takes over before the first one's last writes have reached it; a third has all of them."""
    await stage.put("ann")
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    losses.note(seen("c", 3, ContactState.ASSIGNED, Cause.ACCEPTED))
    await losses.compare(time.monotonic(), another=True)
    lost = await stage.contact("c")
    assert (lost.cause, lost.sequence, len(told)) == (Cause.LOST, 4, 1)
    losses.note(seen("c", 4, ContactState.RETURNED, Cause.LOST))
    await stage.raw("DEL", Keys(stage.site).contact("c"))
    await losses.compare(time.monotonic(), another=True)
    lost = await stage.contact("c")
    assert (lost.cause, lost.sequence, len(told)) == (Cause.LOST, 5, 2)
    await losses.compare(time.monotonic(), another=True)
    assert len(told) == 2


async def test_what_is_noted_during_a_comparison_is_told_after_the_next_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contact is let wait while the contacts of before are compared; then the store loses it."""
    await stage.put("ann", 0)
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    await stage.line_up("before")
    losses.note(seen("before", 1, ContactState.QUEUED, Cause.NOBODY_FREE, ""))
    asked = stage.claim("ann", contact="meanwhile", waiting=stage.waiting())
    compared = stage.contacts.standings

    async def standings(site: str, events: list[ContactEvent]) -> list[Standing]:
        answer = await stage.reserve(asked, or_wait=True)
        assert isinstance(answer, Enqueued)
        losses.note_enqueued(asked.claim, answer, await stage.now_ms())
        return await compared(site, events)

    with monkeypatch.context() as busy:
        busy.setattr(stage.contacts, "standings", standings)
        await losses.compare(time.monotonic(), another=True)
    assert told == []
    await stage.raw("DEL", Keys(stage.site).contact("meanwhile"))
    await losses.compare(time.monotonic(), another=True)
    assert len(told) == 1
    assert (await stage.contact("meanwhile")).cause is Cause.LOST


@pytest.mark.parametrize("state", [ContactState.RESERVED, ContactState.ASSIGNED])
async def test_a_hold_is_told_as_lost_though_the_contact_has_gone_on_to_another_agent(
    stage: Stage, state: ContactState
) -> None:
    """Before anybody compares, the contact is offered again, and its steps have the numbers of the lost ones."""
    await stage.put("ann")
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    losses.note(seen("c", 1, state, Cause.OFFERED))
    offer = await stage.hold("ann", contact="c")
    await losses.compare(time.monotonic(), another=True)
    contact = await stage.contact("c")
    assert (len(told), contact.cause, contact.reservation, contact.sequence) == (1, Cause.LOST, offer.id, 2)
    assert [step.reservation for step in await stage.contacts.history(stage.site, "c")] == [offer.id, "r-lost"]
    losses.note(seen("c", 1, state, Cause.OFFERED))
    await losses.compare(time.monotonic(), another=True)
    assert len(told) == 1


async def test_a_hold_of_a_contact_that_has_ended_is_not_told_as_lost(stage: Stage) -> None:
    """The watches were told the end."""
    await stage.put("ann")
    told: list[str] = []
    losses = Losses(stage.site, stage.contacts, EventHub(stage.site), lambda: told.append(""))
    losses.note(seen("c", 1, ContactState.RESERVED, Cause.OFFERED))
    await stage.line_up("c")
    await stage.contacts.leave(stage.site, "c", Cause.CANCELED)
    await losses.compare(time.monotonic(), another=True)
    assert told == []
