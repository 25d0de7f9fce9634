"""The bundle of all stores, on one client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from matcher.store.agent_traces import AgentTraceStore
from matcher.store.audit import AuditStore
from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore
from matcher.store.customer_records import CustomerRecordStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.listening import ListeningStore
from matcher.store.models import ModelStore
from matcher.store.outbox import OutboxStore
from matcher.store.outcomes import OutcomeStore
from matcher.store.praise import PraiseStore
from matcher.store.presence import PresenceStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes, ReservationStore
from matcher.store.rewriting import RewriteStore
from matcher.store.roster import RosterStore
from matcher.store.sites import SiteStore
from matcher.store.traces import TraceStore
from matcher.store.trail import TrailStore
from matcher.store.unreadable import Unreadable


@dataclass(frozen=True, slots=True)
class Stores:
    """All stores of the service."""

    models: ModelStore
    sites: SiteStore
    roster: RosterStore
    routing: ReservationStore
    contacts: ContactStore
    customers: CustomerStore
    customer_records: CustomerRecordStore
    traces: TraceStore
    agent_traces: AgentTraceStore
    rewrites: RewriteStore
    presence: PresenceStore
    events: EventStore
    audit: AuditStore
    listening: ListeningStore
    outcomes: OutcomeStore
    praise: PraiseStore
    outbox: OutboxStore
    trail: TrailStore

    @classmethod
    def on(
        cls,
        connection: StoreClient,
        lifetimes: Lifetimes,
        keys: ServiceKeys,
        on_unreadable: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Create every store on one client.

        keys: make the digests of customers' handles. on_unreadable: called with the kind of each record that is left
        out because it cannot be read.
        """
        unreadable = Unreadable(on_unreadable)
        customers = CustomerStore(connection, keys, unreadable)
        traces = TraceStore(connection, customers, keys, lifetimes.events_kept)
        return cls(
            models=ModelStore(connection),
            sites=SiteStore(connection, lifetimes.events_kept),
            roster=RosterStore(connection, lifetimes.events_kept, unreadable, lifetimes.quotas, lifetimes.own_quotas),
            routing=ReservationStore(connection, lifetimes, unreadable, keys),
            contacts=ContactStore(
                connection,
                keep_ms=lifetimes.keep_ms,
                events_kept=lifetimes.events_kept,
                outbox_kept=lifetimes.outbox_kept,
                unreadable=unreadable,
            ),
            customers=customers,
            customer_records=CustomerRecordStore(
                connection, customers, keys, request_window_ms=lifetimes.request_window_ms
            ),
            traces=traces,
            agent_traces=AgentTraceStore(connection, traces),
            rewrites=RewriteStore(connection),
            presence=PresenceStore(connection, lifetimes.events_kept),
            events=EventStore(connection),
            audit=AuditStore(connection, lifetimes.events_kept),
            listening=ListeningStore(connection, RewriteStore(connection)),
            outcomes=OutcomeStore(connection, kept_ms=lifetimes.keep_ms, outbox_kept=lifetimes.outbox_kept),
            praise=PraiseStore(connection, keys, kept_ms=lifetimes.praise_ms, events_kept=lifetimes.events_kept),
            outbox=OutboxStore(connection, lifetimes.outbox_kept),
            trail=TrailStore(connection),
        )
