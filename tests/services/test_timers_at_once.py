"""Timers that are due together are written together: none waits for the answers to those before it."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest

from matcher.errors import StoreUnavailable
from matcher.services.expiry import AT_ONCE, Expiry, ExpiryObserver
from matcher.store.presence import Timer, TimerKind


class Contacts:
    """Contacts whose waits end: each answer comes only when so many are asked for."""

    def __init__(self, together: int) -> None:
        self.asked: list[str] = []
        self._together = together
        self._all = asyncio.Event()

    async def leave(self, _site: str, contact: str, _cause: Any) -> None:
        """End a wait."""
        self.asked.append(contact)
        if len(self.asked) % self._together == 0:
            self._all.set()
        async with asyncio.timeout(60):
            await self._all.wait()
        if contact == "away":
            raise StoreUnavailable("acme", "the connection was closed")


def expiry_of(contacts: Contacts, timers: list[Timer]) -> Any:
    """Return the expiry of a site whose store has these timers."""

    async def read(_site: str, _most: int) -> list[Timer]:
        return [timer for timer in timers if timer.id not in contacts.asked]

    replica: Any = SimpleNamespace(site="acme", removed=True, timers_moved=True)
    presence: Any = SimpleNamespace(timers=read)
    clock: Any = SimpleNamespace(now_ms=lambda: 10_000)
    store: Any = None
    return Expiry(replica, store, contacts, presence, clock, ExpiryObserver())  # type: ignore[arg-type]


def due(*names: str) -> list[Timer]:
    """Return timers of waits that have passed."""
    return [Timer(TimerKind.CONTACT, name, 1) for name in names]


async def test_sixteen_waits_end_at_once() -> None:
    """The store is asked for all of them before it answers one."""
    contacts = Contacts(AT_ONCE)
    expiry = expiry_of(contacts, due(*(f"c-{number}" for number in range(AT_ONCE))))
    assert not await expiry._settle_timers()
    assert len(contacts.asked) == AT_ONCE
    assert expiry._timer_ms == math.inf


async def test_a_store_that_is_away_is_told_when_all_have_been_answered() -> None:
    """The fault of one is the fault of the sweep, which is tried again; no other is left running."""
    contacts = Contacts(3)
    with pytest.raises(StoreUnavailable):
        await expiry_of(contacts, due("c-1", "away", "c-2"))._settle_timers()
    assert contacts.asked == ["c-1", "away", "c-2"]
