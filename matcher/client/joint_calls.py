"""The call that routes several messages at once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from matcher.client.connection import Connection
from matcher.v1 import routing_pb2 as pb


class JointCalls(Connection):
    """Decisions for several messages together."""

    async def route_many(
        self, requests: Iterable[pb.RouteMessageRequest], *, deadline: float | None = None
    ) -> list[pb.RouteMessagesResult]:
        """Decide several messages, at most 256, by the jointly best assignment; return their results in their order.

        The requests stay as they are; where one has no contact_id or no request_id one is made, and ids of pools and
        agents are completed to whole names. An item that fails has a `status` in the place of a `response`.
        """
        asked = pb.RouteMessagesRequest(parent=self.parent, requests=map(self._completed, requests))
        answer = await self._call(self._routing.RouteMessages, asked, deadline or self.deadlines.write)
        return list(answer.results)

    def _completed(self, given: pb.RouteMessageRequest) -> pb.RouteMessageRequest:
        request = pb.RouteMessageRequest()
        request.CopyFrom(given)
        request.pool = self.name("pools", request.pool)
        request.contact_id = request.contact_id or uuid.uuid4().hex
        request.request_id = request.request_id or uuid.uuid4().hex
        message = request.message
        message.excluded_agents[:] = [self.name("agents", agent) for agent in message.excluded_agents]
        for preferred in message.preferred_agents:
            preferred.agent = self.name("agents", preferred.agent)
        return request
