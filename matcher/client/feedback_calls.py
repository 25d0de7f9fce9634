"""Calls of FeedbackService: what became of contacts afterwards, and what customers praise."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.client.connection import Connection
from matcher.client.failure import MatcherCallError
from matcher.client.resuming import resuming
from matcher.v1 import feedback_pb2 as pb


class FeedbackCalls(Connection):
    """Records and reads outcomes, and reads praise."""

    async def record_outcome(
        self,
        contact: str,
        outcome: pb.Outcome,
        *,
        praise: str = "",
        contact_created: datetime | None = None,
        validate_only: bool = False,
        deadline: float | None = None,
    ) -> pb.RecordOutcomeResponse:
        """Record outcomes of a contact. The same again changes nothing, so a repetition is safe.

        praise: the customer's words about the agent, where the customer agreed that the agent and the agent's manager
        read them. contact_created: which life of the contact; None: the latest that had begun when it was observed.
        """
        request = pb.RecordOutcomeRequest(
            contact=self.name("contacts", contact),
            contact_create_time=_timestamp(contact_created),
            outcome=outcome,
            praise=pb.GivenPraise(text=praise, agreed=True) if praise else None,
            validate_only=validate_only,
        )
        return await self._call(self._feedback.RecordOutcome, request, deadline or self.deadlines.write)

    async def record_outcomes(
        self,
        requests: Iterable[pb.RecordOutcomeRequest],
        *,
        validate_only: bool = False,
        deadline: float | None = None,
    ) -> list[pb.RecordOutcomesResult]:
        """Record outcomes of several contacts, at most 500; return their results in their order.

        The requests are copied; the id of a contact becomes its resource name. One that fails has a `status`.
        """
        batch = pb.RecordOutcomesRequest(parent=self.parent, requests=requests, validate_only=validate_only)
        for request in batch.requests:
            request.contact = self.name("contacts", request.contact)
        answer = await self._call(self._feedback.RecordOutcomes, batch, deadline or self.deadlines.write)
        return list(answer.results)

    async def outcomes(
        self, contact: str, *, contact_created: datetime | None = None, deadline: float | None = None
    ) -> pb.ContactOutcomes:
        """Read the outcomes of a contact: those that count, and all that were recorded."""
        request = pb.GetOutcomesRequest(
            contact=self.name("contacts", contact), contact_create_time=_timestamp(contact_created)
        )
        return await self._call(self._feedback.GetOutcomes, request, deadline or self.deadlines.read)

    async def list_praise(
        self,
        *,
        agent: str = "",
        manager: str = "",
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> pb.ListPraiseResponse:
        """Read a page of the praise of an agent, or of all agents whom a manager manages, the latest first."""
        request = pb.ListPraiseRequest(
            parent=self.parent,
            agent=self.name("agents", agent),
            manager=manager,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(self._feedback.ListPraise, request, deadline or self.deadlines.read)

    async def praise(self, *, agent: str = "", manager: str = "") -> AsyncIterator[pb.Praise]:
        """Read all praise of an agent, or of all agents whom a manager manages, the latest first, page by page."""
        token = ""
        while True:
            page = await self.list_praise(agent=agent, manager=manager, page_size=1000, page_token=token)
            for words in page.praise:
                yield words
            if not (token := page.next_page_token):
                return

    async def watch_praise(
        self,
        *,
        agent: str = "",
        manager: str = "",
        resume_token: str = "",
        on_break: Callable[[MatcherCallError], None] = lambda _: None,
    ) -> AsyncGenerator[pb.WatchPraiseResponse, None]:
        """Yield praise as it is recorded; an answer without praise is a sign of life.

        The stream resumes by itself without a gap. Another process goes on with the resume_token of the last answer.
        on_break: called with the error each time that the stream breaks off.
        """
        request = pb.WatchPraiseRequest(
            parent=self.parent, agent=self.name("agents", agent), manager=manager, resume_token=resume_token
        )
        silence = self.deadlines.watch_silence
        answers = resuming(lambda: self._watch(self._feedback.WatchPraise, request, silence), on_break)
        async with aclosing(answers) as stream:
            async for answer in stream:
                request.resume_token = answer.resume_token
                yield answer


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
