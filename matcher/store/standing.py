"""Standing: what a store makes of a step that was seen of a contact, as after a failover."""

from __future__ import annotations

from enum import Enum
from typing import Final

from matcher.model import ContactEvent
from matcher.model.lifecycle import Cause, ContactState

LIVE: Final = frozenset({ContactState.QUEUED, ContactState.RESERVED, ContactState.ASSIGNED})


class Standing(Enum):
    """What the store has of a step."""

    LAST = "last"
    """It is the contact's last step."""
    BEFORE = "before"
    """The contact has gone on, or has ended."""
    LOST = "lost"
    """The store does not have it; the contact may have gone on from an earlier step."""


def standing(event: ContactEvent, sequence: int, history: str) -> Standing:
    """Return the standing of a step; sequence, history: of the contact's record, 0 and "" where there is none.

    A contact whose reservation is lost may be offered to another agent before anybody compares. Then the numbers of its
    steps are given again, and the reservation is not in its history. The verb `lose` decides by the same rule.
    """
    if sequence < event.sequence:
        return Standing.LOST
    entries = [entry.split("|") for entry in history.split(";") if entry]
    if entries and event.reservation and int(entries[0][0]) <= event.sequence and entries[-1][1] in LIVE:
        told = any(
            reservation == event.reservation and (state == event.state or cause == Cause.LOST)
            for _, state, cause, reservation, _, _ in entries
        )
        if not told:
            return Standing.LOST
    return Standing.LAST if sequence == event.sequence else Standing.BEFORE
