"""Call of RoutingService that routes several messages together."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from matcher.client.connection import Connection
from matcher.client.failure import MatcherCallError
from matcher.v1 import routing_pb2 as pb


class JointCalls(Connection):
    """Routes several messages together."""

    async def route_many(
        self, requests: Iterable[pb.RouteMessageRequest], *, deadline: float | None = None
    ) -> list[pb.RouteMessagesResult]:
        """Decide several messages, at most 256, by the jointly best assignment; return their results in their order.

        The requests are copied: a copy gets a contact_id and a request_id where it has none, and resource names for the
        ids of pools and agents. An item that fails has a `status` instead of a `response`. Raises MatcherCallError
        where the call as a whole fails; its `request_ids` are those of the copies.
        """
        batch = pb.RouteMessagesRequest(parent=self.parent, requests=map(self._completed, requests))
        try:
            answer = await self._call(self._routing.RouteMessages, batch, deadline or self.deadlines.write)
        except MatcherCallError as error:
            error.request_ids = {request.contact_id: request.request_id for request in batch.requests}
            raise
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
