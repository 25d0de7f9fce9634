"""The streaming commands through a connection that dies, and across a restart of the service."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.cli.command import printed, running
from tests.conftest import StartServer
from tests.people import hire, person
from tests.tcp_proxy import TcpProxy


async def test_watch_events_and_desk_go_on_through_a_dead_connection_and_a_restart(
    store_url: str, launch: StartServer
) -> None:
    """Nobody types a command again: what happened meanwhile is printed, each step once; stderr says why it was late."""
    server = await launch({"MATCHER_STORE_URL": store_url})
    site = await server.site()
    async with TcpProxy(server.target) as proxy, AsyncExitStack() as stack:
        async with server.client(site) as client:
            await hire(client, {"bea": person("I keep honey bees.")})
            token = (await anext(client.watch_events())).resume_token
            held = (await client.route("My bees swarm in May.", contact_id="c-1")).reservation
            commands = (("contacts", "watch", "c-1"), ("events", "--resume", token), ("desk", "bea"))
            options = ("--server", proxy.address, "--site", site)
            watch, events, desk = [await stack.enter_async_context(running(*command, *options)) for command in commands]
            assert (await printed(watch.stdout)).split()[1:4] == ["c-1", "1", "RESERVED"]
            assert (await printed(events.stdout)).split()[1:4] == ["c-1", "1", "RESERVED"]
            assert (await printed(desk.stdout)).split()[1] == "PENDING"
            proxy.freeze()
            await client.accept(held.name)
            assert (await printed(watch.stdout)).split()[1:4] == ["c-1", "2", "ASSIGNED"]
            assert (await printed(events.stdout)).split()[1:4] == ["c-1", "2", "ASSIGNED"]
            assert (await printed(desk.stdout)).split()[1] == "ACCEPTED"
        await server.kill()
        server = await launch({"MATCHER_STORE_URL": store_url})
        proxy.target = server.target
        async with server.client(site) as client:
            await client.complete(held.name)
        assert (await printed(watch.stdout)).split()[1:4] == ["c-1", "3", "CLOSED"]
        assert (await printed(events.stdout)).split()[1:4] == ["c-1", "3", "CLOSED"]
        assert (await printed(desk.stdout)).split()[1] in {"WRAPPING", "COMPLETED"}
        assert await asyncio.wait_for(watch.wait(), 60) == 0
        for command in (watch, events, desk):
            assert (await printed(command.stderr)).endswith(": resuming")
