"""The bundle of all stores, on one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.models import ModelStore
from matcher.store.presence import PresenceStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes, ReservationStore
from matcher.store.roster import RosterStore
from matcher.store.sites import SiteStore


@dataclass(frozen=True, slots=True)
class Stores:
    """All stores of the service."""

    models: ModelStore
    sites: SiteStore
    roster: RosterStore
    routing: ReservationStore
    contacts: ContactStore
    customers: CustomerStore
    presence: PresenceStore
    events: EventStore

    @classmethod
    def on(cls, connection: StoreClient, lifetimes: Lifetimes, secret: bytes) -> Self:
        """Create every store on one client; `secret` keys the digests of customers' handles."""
        return cls(
            models=ModelStore(connection),
            sites=SiteStore(connection, lifetimes.events_kept),
            roster=RosterStore(connection, lifetimes.events_kept),
            routing=ReservationStore(connection, lifetimes),
            contacts=ContactStore(connection, keep_ms=lifetimes.keep_ms, events_kept=lifetimes.events_kept),
            customers=CustomerStore(connection, secret),
            presence=PresenceStore(connection, lifetimes.events_kept),
            events=EventStore(connection),
        )
