"""The audit trail of the process: its follower, with the metrics that it feeds, and what it does before a site goes."""

from __future__ import annotations

from matcher.server.store import OpenStore
from matcher.services.ledger import Ledger
from matcher.services.trail_follower import TrailFollower, TrailObserver
from matcher.store.sites import Deletion
from matcher.telemetry import Telemetry


def trail_follower(store: OpenStore, telemetry: Telemetry, ledger: Ledger) -> TrailFollower:
    """Return what chains the changes of all sites, and moves them into the ledger."""
    observer = TrailObserver(
        on_waiting=telemetry.trail_waiting.set,
        on_head=telemetry.trail_head.set,
        on_lost=lambda site, lost: telemetry.trail_lost.labels(telemetry.sites.of(site)).inc(lost),
    )
    return TrailFollower(store.stores.trail, store.stores.sites, store.key_watch.keys, observer, ledger)


async def note_removal(store: OpenStore, follower: TrailFollower, deletion: Deletion) -> None:
    """Bring what a site's changes wrote into the audit trail before its keys go, and ask for its rows to go."""
    await follower.drain(deletion.site)
    await store.stores.outbox.note_gone(deletion.uid)
