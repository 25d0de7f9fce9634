"""The first paint of Live: what a browser has while the service still reads the roster, by order and not by clocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from matcher.v1.roster_pb2 import ONLINE, Agent, ListAgentsRequest, ListAgentsResponse
from matcher.web.bindings import Method, table
from tests.web.gateway import SECONDS, open_gateway

POOL = "sites/default/pools/default"


@dataclass(slots=True)
class SlowRoster(grpc.GenericRpcHandler):
    """A service that gives a page of agents when it is told to, an agent at once, and for all else empty answers."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method."""
        method = table().methods.get(details.method)
        if method is None:
            return None
        make = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
        handler = _silent if method.streams else self._answered(method)
        made: grpc.RpcMethodHandler[Any, Any] = make(
            handler, method.request.FromString, method.answer.SerializeToString
        )
        return made

    def _answered(self, method: Method) -> Any:
        async def answer(request: Message, _: object) -> Message:
            if isinstance(request, ListAgentsRequest):
                if request.page_size > 1:
                    await self.may_answer.wait()
                name = f"{request.parent}/agents/fiona"
                return ListAgentsResponse(agents=[Agent(name=name, display_name="Fiona", status=ONLINE, pools=[POOL])])
            return method.answer()

        return answer


async def _silent(_request: Message, _context: object) -> AsyncIterator[Message]:
    await asyncio.Event().wait()
    yield _request


async def test_the_head_of_the_page_comes_before_the_roster() -> None:
    """The navigation is there to paint while the agents are read; the same answer has them then, without a script."""
    roster = SlowRoster()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((roster,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_gateway(f"127.0.0.1:{port}") as gateway, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(f"GET /console/sites/default/live HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n\r\n".encode())
        head = (await reader.readuntil(b"</header>")).decode()
        assert head.startswith("HTTP/1.1 200")
        assert 'aria-current="page">Live</a>' in head
        assert "Fiona" not in head
        roster.may_answer.set()
        rest = (await reader.readuntil(b"</html>")).decode()
        assert rest.count("<main") == 1
        assert "Fiona" in rest
        writer.close()
    await server.stop(None)
