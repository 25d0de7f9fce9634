"""What the store has lost of a contact is told once, by whichever process saw it first."""

from __future__ import annotations

from matcher.model import ContactEvent
from matcher.model.lifecycle import Cause, ContactState
from tests.store.stage import Stage


def seen(contact: str, sequence: int, state: ContactState, cause: Cause) -> ContactEvent:
    """Return a step that a process saw and the store does not have."""
    return ContactEvent(contact, "default", sequence, state, cause, "r-lost", "ann", 1, 99)


async def test_a_contact_that_is_gone_is_returned_and_told_once(lawful: Stage) -> None:
    """Its steps go on after the last one that was seen, and a second process tells nothing."""
    stage = lawful
    await stage.put("ann")
    event = seen("c", 4, ContactState.ASSIGNED, Cause.ACCEPTED)
    assert await stage.contacts.sequences(stage.site, ["c"]) == [0]
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
    assert await stage.contacts.lose(stage.site, seen("c", 1, ContactState.RESERVED, Cause.OFFERED)) is None
    assert await stage.contacts.lose(stage.site, seen("c", 2, ContactState.ASSIGNED, Cause.ACCEPTED)) is not None
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.sequence) == (ContactState.RESERVED, offer.id, 3)
    assert await stage.contacts.sequences(stage.site, ["c"]) == [3]
