"""Records that an earlier commit wrote: this tree's service serves them as the service of that commit did.

`tests/store/record_fixture.py` made the records, `tests/store/records.py` describes their format.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import wait_until
from tests.processes import Store, keys_without_lifetime, start_server
from tests.store import record_fixture as before
from tests.store.records import clock_ms, load


@dataclass(frozen=True)
class Served:
    """This tree's service on the earlier records, and its first answers."""

    client: MatcherClient
    fixture: dict[str, Any]
    instant_ms: int
    answers: dict[str, Any]

    def recorded(self, name: str) -> dict[str, Any]:
        """Return the earlier service's answer about "agents/bea" and the like."""
        return dict(self.fixture["answers"][f"{self.client.parent}/{name}"])

    async def reservation_of(self, contact: str) -> pb.Reservation:
        """Return a contact's live or last reservation."""
        return await self.client.reservation((await self.client.contact(contact)).reservation)

    async def offered(self, contact: str) -> pb.Reservation:
        """Wait until an agent is held for a contact by a reservation other than the earlier one."""

        async def is_held() -> bool:
            now = await self.client.contact(contact)
            return now.reservation != self.old(contact) and now.state == pb.CONTACT_RESERVED

        await wait_until(is_held, f"{contact} is offered")
        return await self.reservation_of(contact)

    def old(self, contact: str) -> str:
        """Return the reservation that a contact had in the fixture; empty for none."""
        name = self.client.name("contacts", contact)
        return str(self.fixture["answers"].get(name, {}).get("reservation", ""))


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    """Give this tree's service on a store with the earlier records, as if they had been written a moment ago."""
    fixture = json.loads(before.FIXTURE.read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            async with store.client() as redis:
                instant_ms = await clock_ms(redis)
                await load(redis, fixture["keys"], instant_ms)
            server = await start_server(Path(folder), {"MATCHER_STORE_URL": store.url})
            try:
                async with server.client(before.SITE) as client:
                    yield Served(client, fixture, instant_ms, await before.answers(client, instant_ms))
                assert await keys_without_lifetime(store.url) == []
                assert await server.stop() == 0
                assert server.faults() == []
            finally:
                await server.kill()
        finally:
            await store.end()


def test_no_time_in_the_fixture_is_absolute() -> None:
    """Thirteen digits would be a moment of the day on which the records were made."""
    assert re.findall(r"(?<![\w.])\d{13}(?![\w.])", before.FIXTURE.read_text("utf-8")) == []


async def test_everything_reads_as_it_did_before(served: Served) -> None:
    """Agents, pools, contacts, reservations, decisions and steps read as they did in the earlier commit.

    A pool has the defaults of the fields that came since.
    """
    assert served.answers == before.with_new_fields(served.fixture["answers"])


async def test_an_offer_is_accepted_with_its_fence_and_not_with_another(served: Served) -> None:
    """The fence in the fixture is the valid fence."""
    offer = await served.reservation_of("offered")
    assert offer.fence == int(served.fixture["answers"][offer.name]["fence"])
    with pytest.raises(MatcherCallError) as stale:
        await served.client.accept(offer.name, fence=offer.fence - 1)
    assert stale.value.reason == "FENCE_STALE"
    accepted = await served.client.accept(offer.name, fence=offer.fence)
    assert (accepted.state, accepted.fence) == (pb.ACCEPTED, offer.fence)
    assert (await served.client.contact("offered")).state == pb.CONTACT_ASSIGNED


async def test_a_wrap_up_is_ended_and_the_agent_gets_the_transferred_contact(served: Served) -> None:
    """The agent whom a transfer names is held for the contact; the old agent wraps up, and is free then."""
    wrapping = await served.reservation_of("wrapping")
    assert wrapping.state == pb.WRAPPING
    assert (await served.client.end_wrap_up(wrapping.name, fence=wrapping.fence)).state == pb.COMPLETED
    moved = await served.offered("handed-on")
    assert (moved.agent, moved.basis) == (served.client.name("agents", "zoe"), pb.TRANSFER)
    assert moved.fence > wrapping.fence
    former = await served.client.reservation(served.old("handed-on"))
    assert (former.state, (await served.client.agent("kim")).load) == (pb.WRAPPING, 1)
    assert (await served.client.end_wrap_up(former.name)).state == pb.COMPLETED
    assert (await served.client.agent("kim")).load == 0


async def test_a_wrap_up_ends_at_its_time_and_the_agent_gets_the_waiting_contact(served: Served) -> None:
    """No call ends it: the deadline of the fixture does, counted from the load."""
    brief = await served.reservation_of("brief")
    offer = await served.offered("next")
    assert (offer.agent, offer.basis) == (served.client.name("agents", "ivo"), pb.AFFINITY)
    over = await served.client.reservation(brief.name)
    assert over.state == pb.COMPLETED
    assert over.end_time == over.expire_time
    assert before.plain(over, served.instant_ms)["expire_time"] == served.fixture["brief"]["expire_time"]
    assert offer.create_time.ToMilliseconds() >= over.end_time.ToMilliseconds()


async def test_a_conversation_is_completed_and_the_agent_gets_the_waiting_contact(served: Served) -> None:
    """The waiting contact is offered by its earlier message, at its old age, after the wrap-up."""
    talking = await served.reservation_of("talking")
    assert (await served.client.complete(talking.name, fence=talking.fence)).state == pb.WRAPPING
    assert (await served.client.contact("talking")).state == pb.CONTACT_CLOSED
    assert (await served.client.contact("waiting")).state == pb.CONTACT_QUEUED
    assert (await served.client.end_wrap_up(talking.name, fence=talking.fence)).state == pb.COMPLETED
    offer = await served.offered("waiting")
    assert (offer.agent, offer.basis) == (served.client.name("agents", "tom"), pb.AFFINITY)
    assert offer.fence > talking.fence
    chosen = (await served.client.decision(offer.decision)).candidates[0]
    known = served.fixture["answers"][talking.decision]["candidates"][0]
    assert chosen.affinity == pytest.approx(known["affinity"], abs=0.02), "the same words met the same agent"
    waited = before.plain(await served.client.contact("waiting"), served.instant_ms)
    assert waited["create_time"] == served.recorded("contacts/waiting")["create_time"]
    assert (await served.client.accept(offer.name, fence=offer.fence)).state == pb.ACCEPTED


async def test_an_earlier_request_gets_its_earlier_answer(served: Served) -> None:
    """The earlier ids, marked as replayed; the same request_id with another message is refused."""
    for contact, text, asked in (
        ("offered", before.BEES, before.offered()),
        ("talking", before.TRAINS, before.talking()),
    ):
        again = await served.client.route(text, **asked)
        assert (again.replayed, again.reservation.name) == (True, served.old(contact))
    handed_on = await served.client.transfer("handed-on", **before.handed_on())
    assert (handed_on.replayed, handed_on.contact) == (True, served.client.name("contacts", "handed-on"))
    with pytest.raises(MatcherCallError) as reused:
        await served.client.route(before.CELLO, **before.talking())
    assert (reused.value.code, reused.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_an_earlier_customer_is_led_back(served: Served) -> None:
    """By either handle to the agent who served the customer well, whatever the message says."""
    answer = await served.client.route(before.TRAINS, pool="desk", customer="ann-phone", auto_accept=True)
    assert (answer.reservation.agent, answer.reservation.basis) == (
        served.client.name("agents", "eva"),
        pb.RELATIONSHIP,
    )


async def test_an_idle_conversation_counts_again_with_the_next_sign(served: Served) -> None:
    """It was idle in the fixture, and its agent was free for another contact."""
    resting = await served.reservation_of("resting")
    assert resting.HasField("idle_since")
    assert not (await served.client.touch(resting.name, fence=resting.fence)).HasField("idle_since")


async def test_an_agent_who_was_silent_is_back_with_the_next_heartbeat(served: Served) -> None:
    """The silence in the fixture had set the agent AWAY."""
    silent = served.recorded("agents/gus")
    assert (silent["status"], silent["status_reason"]) == ("AWAY", "no heartbeat")
    assert (await served.client.beat_agent("gus", ttl=before.HOUR)).status == roster.ONLINE
