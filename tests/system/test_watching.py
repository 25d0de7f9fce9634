"""Watches of platforms and desks: every event once, none missed, also after the caller was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import roster_pb2_grpc, routing_pb2_grpc
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, metric
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."
Step = tuple[str, str, str]
"""A contact, its state, its cause."""


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a new site with a bee keeper with one chat."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees.")})
        yield client


def said(step: pb.ContactEvent) -> Step:
    """Return the contact, the state and the cause of an event."""
    state = pb.ContactState.Name(step.state).removeprefix("CONTACT_")
    return step.contact.rpartition("/")[2], state, pb.Cause.Name(step.cause).removeprefix("CAUSE_")


async def steps(stream: AsyncGenerator[pb.WatchEventsResponse, None], count: int) -> list[pb.WatchEventsResponse]:
    """Read so many events of a stream, without the signs of life."""
    found: list[pb.WatchEventsResponse] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            answer = await anext(stream)
            if answer.HasField("event"):
                found.append(answer)
    return found


async def a_life(client: MatcherClient, contact: str) -> None:
    """Let a contact be offered, accepted and completed."""
    held = (await client.route(BEES, contact_id=contact)).reservation.name
    await client.accept(held)
    await client.complete(held)


LIFE = [("RESERVED", "OFFERED"), ("ASSIGNED", "ACCEPTED"), ("CLOSED", "COMPLETED")]


async def test_a_contact_is_watched_from_its_beginning_to_its_end(desk: MatcherClient) -> None:
    """Its events come in order, numbered without a gap, with causes; the stream ends when the contact has ended."""
    held = (await desk.route(BEES, contact_id="c-1")).reservation
    async with aclosing(desk.watch_contact("c-1")) as stream:
        first = await anext(stream)
        assert (said(first), first.sequence) == (("c-1", "RESERVED", "OFFERED"), 1)
        assert (first.reservation, first.agent) == (held.name, desk.name("agents", "bea"))
        await desk.accept(held.name)
        assert said(await anext(stream)) == ("c-1", "ASSIGNED", "ACCEPTED")
        await desk.complete(held.name)
        rest = [step async for step in stream]
    assert [(said(step), step.sequence) for step in rest] == [(("c-1", "CLOSED", "COMPLETED"), 3)]
    # A later watcher reads the same events, or those after a sequence number.
    assert [said(step)[1:] async for step in desk.watch_contact("c-1")] == LIFE
    assert [step.sequence async for step in desk.watch_contact("c-1", after_sequence=2)] == [3]
    assert [step async for step in desk.watch_contact("c-1", after_sequence=3)] == []


async def test_what_does_not_exist_cannot_be_watched(desk: MatcherClient) -> None:
    """A contact, a pool or an agent that does not exist is not found."""
    for stream, reason in (
        (desk.watch_contact("nobody"), "CONTACT_NOT_FOUND"),
        (desk.watch_events(pool="nowhere"), "POOL_NOT_FOUND"),
        (desk.watch_reservations("nobody"), "AGENT_NOT_FOUND"),
    ):
        with pytest.raises(MatcherCallError) as failed:
            await anext(stream)
        assert failed.value.reason == reason


async def test_a_platform_gets_every_event_of_its_pool(desk: MatcherClient) -> None:
    """First a sign of life; then each event of the pool's contacts as it happens, and of no other pool."""
    pool = await desk.create_pool("other", roster.Pool())
    await hire(desk, {"otto": person("I keep honey bees.", pools=[pool.name])})
    async with aclosing(desk.watch_events(pool="default")) as stream:
        sign = await anext(stream)
        assert (sign.HasField("event"), bool(sign.resume_token)) == (False, True)
        await desk.route(BEES, pool="other", contact_id="o-1")
        await a_life(desk, "c-1")
        heard = [said(answer.event) for answer in await steps(stream, 3)]
    assert heard == [("c-1", *step) for step in LIFE]


async def test_a_watcher_resumes_at_any_server_without_a_gap(pair: Pair) -> None:
    """From each token the stream continues with exactly the events that followed it, also at the other server."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"bea": person("I keep honey bees.")})
        async with aclosing(one.watch_events()) as stream:
            start = await anext(stream)
            for number in range(4):
                await a_life(one, f"c-{number}")
            heard = await steps(stream, 12)
        for place, answer in enumerate([start, *heard[:-1]]):
            async with aclosing(other.watch_events(resume_token=answer.resume_token)) as again:
                sign = await anext(again)
                assert sign.resume_token == answer.resume_token
                assert [one.event for one in await steps(again, 12 - place)] == [one.event for one in heard[place:]]
        async with aclosing(other.watch_events(resume_token=heard[-1].resume_token)) as last:
            await anext(last)
            await one.route(BEES, contact_id="c-9")
            assert said((await steps(last, 1))[0].event) == ("c-9", "RESERVED", "OFFERED")


async def test_a_watcher_begins_with_what_has_just_happened(service: Server) -> None:
    """With more changes than the site has had every step comes, with one the last; then what happens next."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I keep honey bees.")})
        async with aclosing(client.watch_events(last_events=5)) as empty:
            assert not (await anext(empty)).HasField("event")
            await a_life(client, "c-1")
            assert [said(answer.event) for answer in await steps(empty, 3)] == [("c-1", *step) for step in LIFE]
        async with aclosing(client.watch_events(last_events=10_000)) as whole:
            heard = await steps(whole, 3)
            assert [said(answer.event) for answer in heard] == [("c-1", *step) for step in LIFE]
            await client.route(BEES, contact_id="c-2")
            assert said((await steps(whole, 1))[0].event) == ("c-2", "RESERVED", "OFFERED")
        async with aclosing(client.watch_events(last_events=1)) as newest:
            assert said((await steps(newest, 1))[0].event) == ("c-2", "RESERVED", "OFFERED")
        token = heard[1].resume_token
        async with aclosing(client.watch_events(resume_token=token, last_events=10_000)) as resumed:
            assert [said(answer.event)[0] for answer in await steps(resumed, 2)] == ["c-1", "c-2"]


async def test_a_token_of_another_life_of_the_site_is_refused(service: Server) -> None:
    """After the site was removed and created again, and had as many events, an old token is refused."""
    site = await service.site()
    tokens = []
    async with service.client(site) as client:
        for _ in range(2):
            await hire(client, {"bea": person("I keep honey bees.")})
            await a_life(client, "c-1")
            async with aclosing(client.watch_events()) as stream:
                tokens.append((await anext(stream)).resume_token)
            if len(tokens) == 1:
                await client.delete_site(site, force=True)
                await client.create_site(site)
        assert tokens[0] != tokens[1]
        with pytest.raises(MatcherCallError) as failed:
            await anext(client.watch_events(resume_token=tokens[0]))
        assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.OUT_OF_RANGE, "EVENTS_FORGOTTEN")


async def test_a_token_whose_events_were_trimmed_is_refused(launch: StartServer) -> None:
    """The watch fails with OUT_OF_RANGE; a watch of new events works."""
    server = await launch({"MATCHER_EVENTS_KEPT": "1000"})
    async with server.client() as client:
        await client.create_agent("bea", person("I keep honey bees.", most=1_000))
        async with aclosing(client.watch_events()) as stream:
            await anext(stream)
            await client.route(BEES)
            token = (await steps(stream, 1))[0].resume_token
        for _ in range(20):
            await asyncio.gather(*(client.route(BEES, auto_accept=True) for _ in range(40)))
        with pytest.raises(MatcherCallError) as failed:
            await anext(client.watch_events(resume_token=token))
        assert failed.value.reason == "EVENTS_FORGOTTEN"
        async with aclosing(client.watch_events()) as stream:
            assert not (await anext(stream)).HasField("event")


async def test_a_desk_sees_its_offers_come_and_go(desk: MatcherClient) -> None:
    """The live reservations first, then a sign of life, then each reservation when it changes; none with its basis."""
    offered = (await desk.route(BEES, contact_id="c-1")).reservation
    offered.ClearField("basis")
    async with aclosing(desk.watch_reservations("bea")) as stream:
        assert (await anext(stream)).reservation == offered
        assert not (await anext(stream)).HasField("reservation")
        await desk.accept(offered.name)
        assert (await anext(stream)).reservation.state == pb.ACCEPTED
        await desk.renew(offered.name, duration=timedelta(hours=1))
        renewed = (await anext(stream)).reservation
        assert renewed.expire_time.seconds < offered.expire_time.seconds + 3_700
        await desk.complete(offered.name)
        assert (await anext(stream)).reservation.state == pb.COMPLETED
        declined = (await desk.route(BEES)).reservation
        declined.ClearField("basis")
        assert (await anext(stream)).reservation == declined
        await desk.decline(declined.name)
        assert (await anext(stream)).reservation.state == pb.DECLINED


async def test_a_stop_ends_every_stream_at_once(launch: StartServer) -> None:
    """Watchers get UNAVAILABLE when the server stops, and the stop waits for none of them."""
    server = await launch({"MATCHER_DRAIN_SECONDS": "600"})
    async with server.client() as client:
        await client.create_agent("bea", person("I keep honey bees."))
        await client.route(BEES, contact_id="c-1")
        async with grpc.aio.insecure_channel(server.target) as channel:
            routing: Any = routing_pb2_grpc.RoutingServiceStub(channel)
            people: Any = roster_pb2_grpc.RosterServiceStub(channel)
            streams = (
                routing.WatchContact(pb.WatchContactRequest(name=client.name("contacts", "c-1"))),
                routing.WatchEvents(pb.WatchEventsRequest(parent=client.parent)),
                people.WatchReservations(roster.WatchReservationsRequest(parent=client.name("agents", "bea"))),
            )
            for stream in (*streams, streams[2]):
                await stream.read()
            stopping = asyncio.create_task(server.stop())
            for stream in streams:
                with pytest.raises(grpc.aio.AioRpcError) as failed:
                    await stream.read()
                error = MatcherCallError.of_call(failed.value)
                assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            assert await stopping == 0


async def test_a_removed_site_ends_its_streams(service: Server) -> None:
    """A watcher of a site that is removed gets NOT_FOUND."""
    site = await service.site()
    async with service.client(site) as client, aclosing(client.watch_events()) as stream:
        await anext(stream)
        await client.delete_site(site, force=True)
        with pytest.raises(MatcherCallError) as failed:
            await anext(stream)
    assert failed.value.reason == "SITE_NOT_FOUND"


async def test_supervisors_list_the_contacts_that_have_not_ended(desk: MatcherClient, service: Server) -> None:
    """The oldest first, by pool and by state, each with its place in the queue and its cause."""
    await desk.create_pool("other", roster.Pool())
    held = await desk.route(BEES, contact_id="c-1", wait=True)
    for number in (2, 3):
        await desk.route(BEES, contact_id=f"c-{number}", wait=True)
    await desk.route(BEES, pool="other", contact_id="o-1", wait=True, wait_duration=timedelta(seconds=600))
    listed = [contact async for contact in desk.contacts()]
    assert [contact.name.rpartition("/")[2] for contact in listed] == ["c-1", "c-2", "c-3", "o-1"]
    assert [pb.Cause.Name(contact.cause) for contact in listed] == ["CAUSE_OFFERED", *["CAUSE_NOBODY_FREE"] * 3]
    assert [contact.queued.position for contact in listed] == [0, 1, 2, 1]
    waits = listed[3].queued.expire_time.ToMilliseconds() - listed[3].create_time.ToMilliseconds()
    assert waits == 600_000
    queued = [contact async for contact in desk.contacts(pool="default", state=pb.CONTACT_QUEUED)]
    assert queued == listed[1:3]
    assert (await desk.pool("default")).waiting == 2

    async def counted() -> bool:
        return await metric(service, "matcher_contacts_waiting", site=desk.site, pool="default") == 2

    await wait_until(counted, "the gauge says how many wait")
    page = await desk.list_contacts(page_size=3)
    rest = await desk.list_contacts(page_size=3, page_token=page.next_page_token)
    assert ([*page.contacts, *rest.contacts], rest.next_page_token) == (listed, "")
    await desk.complete((await desk.accept(held.reservation.name)).name)

    async def gone() -> bool:
        return [contact.name async for contact in desk.contacts(pool="default")] == [listed[1].name, listed[2].name]

    await wait_until(gone, "what has ended is listed no more")


async def test_a_plain_watch_is_open_before_there_is_anything_to_tell(desk: MatcherClient) -> None:
    """The headers come at once, so that a caller who knows all steps knows that the stream is open; then only steps."""
    await desk.route(BEES, contact_id="c-1")
    async with grpc.aio.insecure_channel(desk.target) as channel:
        stub: routing_pb2_grpc.RoutingServiceAsyncStub = routing_pb2_grpc.RoutingServiceStub(channel)
        watch: Any = stub.WatchContact(pb.WatchContactRequest(name=desk.name("contacts", "c-1"), after_sequence=1))
        async with asyncio.timeout(30):
            await watch.initial_metadata()
        await desk.cancel_contact("c-1")
        assert said(await watch.read()) == ("c-1", "CANCELED", "CANCELED")
        assert await watch.read() is grpc.aio.EOF


async def test_a_contact_is_canceled_in_every_state(desk: MatcherClient) -> None:
    """It leaves the queue, or its agent is free; a repetition is the same; a contact that has ended is refused."""
    offered = (await desk.route(BEES, contact_id="c-1", wait=True)).reservation
    await desk.route(BEES, contact_id="c-2", wait=True)
    canceled = await desk.cancel_contact("c-2")
    assert (canceled.state, canceled.cause) == (pb.CONTACT_CANCELED, pb.CAUSE_CANCELED)
    assert await desk.cancel_contact("c-2") == canceled
    assert (await desk.pool("default")).waiting == 0
    await desk.accept(offered.name)
    assert (await desk.cancel_contact("c-1")).state == pb.CONTACT_CANCELED
    assert (await desk.reservation(offered.name)).state == pb.CANCELED
    assert (await desk.agent("bea")).load == 0
    await a_life(desk, "c-3")
    for contact, reason in (("c-3", "CONTACT_STATE_WRONG"), ("nobody", "CONTACT_NOT_FOUND")):
        with pytest.raises(MatcherCallError) as failed:
            await desk.cancel_contact(contact)
        assert failed.value.reason == reason
