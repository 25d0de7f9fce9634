"""The bundle of all stores, on one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from matcher.store.audit import AuditStore
from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.models import ModelStore
from matcher.store.presence import PresenceStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes, ReservationStore
from matcher.store.roster import RosterStore


@dataclass(frozen=True, slots=True)
class Stores:
    """All stores of the service."""

    models: ModelStore
    roster: RosterStore
    routing: ReservationStore
    contacts: ContactStore
    customers: CustomerStore
    presence: PresenceStore
    events: EventStore
    audit: AuditStore

    @classmethod
    def on(cls, connection: StoreClient, lifetimes: Lifetimes, keys: ServiceKeys) -> Self:
        """Create every store on one client; `keys` make the digests of customers' handles."""
        return cls(
            models=ModelStore(connection),
            roster=RosterStore(connection, lifetimes.events_kept),
            routing=ReservationStore(connection, lifetimes),
            contacts=ContactStore(connection, keep_ms=lifetimes.keep_ms, events_kept=lifetimes.events_kept),
            customers=CustomerStore(connection, keys),
            presence=PresenceStore(connection, lifetimes.events_kept),
            events=EventStore(connection),
            audit=AuditStore(connection, lifetimes.events_kept),
        )
