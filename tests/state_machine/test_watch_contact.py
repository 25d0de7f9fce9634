"""A watch of a contact: every step from the beginning, or an answer that says that the first steps are forgotten."""

from __future__ import annotations

import pytest

from matcher.errors import EventsForgotten
from matcher.model import ContactEvent, Message, Requirements, Wait
from matcher.model.requests import RouteRequest
from matcher.services.watch import WatchService
from matcher.store.contact_events import EventStore
from matcher.store.keys import Keys
from matcher.store.roster import RosterStore
from tests.state_machine.pair import Pair
from tests.state_machine.service_instance import EVENTS_KEPT
from tests.store.stage import LONG_MS


async def watched(pair: Pair, after_sequence: int) -> list[ContactEvent]:
    """Watch the contact c after a step until it has ended."""
    server, connection = pair.slow, pair.connection
    roster = RosterStore(connection, EVENTS_KEPT)
    watches = WatchService(
        server.sites, server.queue, EventStore(connection), server.routing, roster, server.clock, sign_seconds=1.0
    )
    return [event async for event in watches.contact(pair.site, "c", after_sequence)]


async def test_a_watcher_of_a_very_long_contact_is_told_what_is_forgotten(pair: Pair) -> None:
    """From the beginning: EVENTS_FORGOTTEN with the first step there is; from that step on all steps come."""
    await pair.slow.router.route(
        pair.site, RouteRequest(Message("roses", "", Requirements()), contact_id="c", wait=Wait(LONG_MS))
    )
    long = "".join(f"{number}|QUEUED|NOBODY_FREE|{'r' * 32}||1764505800000;" for number in range(1, 1_001))
    await pair.connection.run("HSET", Keys(pair.site).contact("c"), "history", long, "sequence", 1_000)
    await pair.slow.contacts.cancel(pair.site, "c")
    with pytest.raises(EventsForgotten) as forgotten:
        await watched(pair, 0)
    metadata = forgotten.value.metadata
    assert metadata["contact"] == f"sites/{pair.site}/contacts/c"
    oldest = int(metadata["oldest"])
    steps = await watched(pair, oldest - 1)
    assert [step.sequence for step in steps] == list(range(oldest, 1_002))
