"""The client's streams through connections that are cut, and what it says of calls without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial

import grpc
import pytest
from redis.asyncio import Redis

from matcher.client import MatcherCallError, MatcherClient
from matcher.client.resuming import may_resume, resuming
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import Keys
from matcher.v1 import roster_pb2
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person
from tests.processes import Server
from tests.tcp_proxy import TcpProxy

BEES = "My bees swarm in May."


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Yield a client of a site where Bea is free for three chats."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"bea": person("I keep bees.", most=3)})
        yield client


@pytest.fixture
async def proxy(service: Server) -> AsyncIterator[TcpProxy]:
    """Yield a proxy of the service."""
    async with TcpProxy(service.target) as proxy:
        yield proxy


async def test_no_event_is_lost_or_doubled_when_the_connection_is_cut(desk: MatcherClient, proxy: TcpProxy) -> None:
    """Events of the time without a connection come after it, in order, and each comes once."""
    breaks: list[MatcherCallError] = []
    async with (
        MatcherClient(proxy.address, site=desk.site) as client,
        aclosing(client.watch_events(on_break=breaks.append)) as stream,
        aclosing(client.watch_contact("c-0")) as contact,
    ):
        await anext(stream)
        held = await desk.route(BEES, contact_id="c-0", auto_accept=True)
        assert (await _next_event(stream)).cause == pb.CAUSE_ACCEPTED
        assert (await anext(contact)).sequence == 1
        proxy.refusing = True
        await proxy.cut()
        await desk.complete(held.reservation.name)
        await desk.route(BEES, contact_id="c-1")
        proxy.refusing = False
        heard = [await _next_event(stream) for _ in range(2)]
        assert [event.cause for event in heard] == [pb.CAUSE_COMPLETED, pb.CAUSE_OFFERED]
        assert [event.sequence async for event in contact] == [2]
    assert breaks
    assert all(may_resume(error) for error in breaks)


async def test_a_desk_hears_of_what_ended_while_it_was_cut_off(desk: MatcherClient, proxy: TcpProxy) -> None:
    """After the break come the reservation that ended and the new one; the unchanged one does not come again."""
    kept, gone = [(await desk.route(BEES, contact_id=contact)).reservation for contact in ("c-0", "c-1")]
    async with (
        MatcherClient(proxy.address, site=desk.site) as client,
        aclosing(client.watch_reservations("bea")) as own,
    ):
        assert {(await anext(own)).reservation.name for _ in range(2)} == {kept.name, gone.name}
        assert not (await anext(own)).HasField("reservation")
        proxy.refusing = True
        await proxy.cut()
        await desk.cancel(gone.name)
        new = (await desk.route(BEES, contact_id="c-2")).reservation
        proxy.refusing = False
        told = {(answer := (await anext(own)).reservation).name: answer.state for _ in range(2)}
        assert told == {new.name: pb.PENDING, gone.name: pb.CANCELED}


async def test_a_desk_stays_when_the_record_of_what_ended_has_expired(
    desk: MatcherClient, proxy: TcpProxy, service: Server
) -> None:
    """Nothing can be told of it any more; the stream goes on with what happens now."""
    gone = (await desk.route(BEES, contact_id="c-0")).reservation
    async with (
        MatcherClient(proxy.address, site=desk.site) as client,
        aclosing(client.watch_reservations("bea")) as own,
    ):
        assert (await anext(own)).reservation.name == gone.name
        assert not (await anext(own)).HasField("reservation")
        proxy.refusing = True
        await proxy.cut()
        await desk.cancel(gone.name)
        embedded = await EmbeddedStore.open(EmbeddedSettings(service.data_dir))
        redis = Redis.from_url(embedded.url)
        assert await redis.delete(Keys(desk.site).reservation(gone.name.rpartition("/")[2])) == 1
        await redis.aclose()
        await embedded.close()
        proxy.refusing = False
        assert not (await anext(own)).HasField("reservation")
        new = (await desk.route(BEES, contact_id="c-1")).reservation
        assert (await anext(own)).reservation.name == new.name


async def test_a_stream_that_never_began_and_a_refusal_are_not_repeated() -> None:
    """Where no service answers at first, and where the service says no, the caller gets the error at once."""
    begun = 0

    async def fails(code: grpc.StatusCode, reason: str, answers: int) -> AsyncGenerator[int, None]:
        nonlocal begun
        begun += 1
        for answer in range(answers):
            yield answer
        raise MatcherCallError(code, reason, "")

    for code, reason, answers in (
        (grpc.StatusCode.UNAVAILABLE, "", 0),
        (grpc.StatusCode.NOT_FOUND, "SITE_NOT_FOUND", 1),
    ):
        begun = 0
        with pytest.raises(MatcherCallError):
            _ = [answer async for answer in resuming(partial(fails, code, reason, answers))]
        assert begun == 1


async def test_a_stream_comes_back_to_a_server_that_had_no_place_for_it_at_once() -> None:
    """The streams of a server that stopped come to the others all together; who is told when to come again does so."""
    begun = 0

    async def crowded() -> AsyncGenerator[int, None]:
        nonlocal begun
        begun += 1
        yield begun
        if begun < 3:
            raise MatcherCallError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", "", retry_after=0.01 if begun == 1 else None
            )

    stream = resuming(crowded)
    assert [await anext(stream), await anext(stream)] == [1, 2]
    with pytest.raises(MatcherCallError, match="TOO_MANY_STREAMS"):
        await anext(stream)


async def test_a_route_that_timed_out_names_the_request_id_that_gives_its_answer(desk: MatcherClient) -> None:
    """The client made the id; the same call with it gives one reservation, not two."""
    with pytest.raises(MatcherCallError) as failed:
        await desk.route(BEES, contact_id="c-0", deadline=1e-9)
    assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(failed.value.request_id) == 32
    first = await desk.route(BEES, contact_id="c-0", request_id=failed.value.request_id)
    again = await desk.route(BEES, contact_id="c-0", request_id=failed.value.request_id)
    assert first.reservation.name == again.reservation.name
    assert (await desk.agent("bea")).load == 1


async def test_the_error_of_the_callers_own_rows_arrives_as_it_was(desk: MatcherClient) -> None:
    """A file that breaks in the middle of an import says so itself; the caller is not cancelled."""

    def rows() -> Iterator[roster_pb2.ImportRow]:
        yield roster_pb2.ImportRow(agent_id="cy", agent=person("I sail."))
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="the file ends here"):
        _ = [answer async for answer in desk.import_agents(rows())]
    assert not (task := asyncio.current_task()) or not task.cancelling()


async def test_a_client_of_another_event_loop_says_where_to_open_it(desk: MatcherClient) -> None:
    """One sentence in place of gRPC's own words."""

    def call() -> None:
        with pytest.raises(RuntimeError, match="opened in another event loop: open it in the loop that calls it"):
            asyncio.run(desk.agent("bea"))

    await asyncio.to_thread(call)


async def _next_event(stream: AsyncGenerator[pb.WatchEventsResponse, None]) -> pb.ContactEvent:
    async for answer in stream:
        if answer.HasField("event"):
            return answer.event
    raise AssertionError
