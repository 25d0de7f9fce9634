"""Offers of an agent who has gone: taken back, so that somebody else gets them."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from matcher.errors import ReservationLapsed, ReservationNotFound, ReservationStateWrong
from matcher.model.lifecycle import Cause, ReservationState
from matcher.store.reservations import ReservationRef, ReservationStore

PAGE: Final = 500


async def withdraw_pending(store: ReservationStore, site: str, agent: str, cause: Cause, now_ms: int) -> int:
    """Take back what an agent was offered and has not answered; return how many there were.

    The agent must take nothing new by now. What is answered meanwhile, or lapses, stays as it is.
    """
    after, withdrawn = "", 0
    while True:
        page = await store.reservations_of(site, agent, PAGE, after, now_ms)
        for one in page.items:
            if one.state is ReservationState.PENDING:
                with suppress(ReservationLapsed, ReservationNotFound, ReservationStateWrong):
                    await store.withdraw(ReservationRef(site, one.id, agent, one.contact, one.pool), cause)
                    withdrawn += 1
        if not page.next:
            return withdrawn
        after = page.next
