"""Departures: agents who have gone, by themselves or set AWAY by the service; their offers are withdrawn."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import Final

import structlog

from matcher.errors import ReservationLapsed, ReservationNotFound, ReservationStateWrong
from matcher.model.lifecycle import Cause, ReservationState
from matcher.store.pages import every_page
from matcher.store.reservations import ReservationRef, ReservationStore

log = structlog.get_logger(__name__)

PAGE: Final = 500


class AwayReason(StrEnum):
    """Why the service set an agent AWAY."""

    MISSED = "missed"
    """The agent missed as many offers in a row as the pool allows."""
    DECLINED = "declined"
    """The agent declined as many offers in a row as the pool allows."""
    SILENT = "silent"
    """The heartbeat of the agent's desk stopped."""


async def withdraw_pending(
    store: ReservationStore, site: str, agent: str, cause: Cause, now_ms: int, *, made_until_ms: int | None = None
) -> int:
    """Withdraw the offers of an agent, so that other agents get them; return how many there were.

    The agent must be unavailable for new offers. An offer that is answered or lapses meanwhile stays as it is.
    made_until_ms: leave later offers, which a supervisor has made since; None: there are none.
    """
    withdrawn = 0
    async for page in every_page(lambda after: store.reservations_of(site, agent, PAGE, after, now_ms)):
        for reservation in page.items:
            is_later = made_until_ms is not None and reservation.created_ms > made_until_ms
            if reservation.state is ReservationState.PENDING and not is_later:
                with suppress(ReservationLapsed, ReservationNotFound, ReservationStateWrong):
                    ref = ReservationRef(site, reservation.id, agent, reservation.contact, reservation.pool)
                    await store.withdraw(ref, cause)
                    withdrawn += 1
    return withdrawn


async def handle_away(
    store: ReservationStore,
    site: str,
    agent: str,
    reason: AwayReason,
    now_ms: int,
    *,
    made_until_ms: int | None = None,
) -> None:
    """Withdraw the offers of an agent whom the service has set AWAY; made_until_ms: as of `withdraw_pending`."""
    withdrawn = await withdraw_pending(store, site, agent, Cause.AGENT_LEFT, now_ms, made_until_ms=made_until_ms)
    log.info("agent set away", site=site, agent=agent, why=reason.value, offers_withdrawn=withdrawn)
