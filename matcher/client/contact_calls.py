"""Calls of RoutingService about contacts, and its streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from matcher.client.connection import Connection
from matcher.client.failure import MatcherCallError
from matcher.client.resuming import resuming
from matcher.v1 import routing_pb2 as pb


class ContactCalls(Connection):
    """Reads, lists, cancels and watches contacts."""

    async def contact(self, contact: str, *, deadline: float | None = None) -> pb.Contact:
        """Read a contact; a contact that waits has its place in the queue."""
        request = pb.GetContactRequest(name=self.name("contacts", contact))
        return await self._call(self._routing.GetContact, request, deadline or self.deadlines.read)

    async def list_contacts(
        self,
        *,
        pool: str = "",
        state: pb.ContactState.ValueType = pb.CONTACT_STATE_UNSPECIFIED,
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> pb.ListContactsResponse:
        """Read a page of the contacts that have not ended."""
        request = pb.ListContactsRequest(
            parent=self.parent,
            pool=self.name("pools", pool),
            state=state,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(self._routing.ListContacts, request, deadline or self.deadlines.read)

    async def contacts(
        self, *, pool: str = "", state: pb.ContactState.ValueType = pb.CONTACT_STATE_UNSPECIFIED
    ) -> AsyncIterator[pb.Contact]:
        """Read all contacts that have not ended, page by page, the oldest first."""
        token = ""
        while True:
            page = await self.list_contacts(pool=pool, state=state, page_size=1000, page_token=token)
            for contact in page.contacts:
                yield contact
            if not (token := page.next_page_token):
                return

    async def cancel_contact(self, contact: str, *, deadline: float | None = None) -> pb.Contact:
        """End a contact: it leaves the queue, and an agent reserved for it is released."""
        request = pb.CancelContactRequest(name=self.name("contacts", contact))
        return await self._call(self._routing.CancelContact, request, deadline or self.deadlines.write)

    async def touch(self, reservation: str, *, fence: int = 0, deadline: float | None = None) -> pb.Reservation:
        """Record that the conversation is active."""
        request = pb.TouchReservationRequest(name=self.name("reservations", reservation), fence=fence)
        return await self._call(self._routing.TouchReservation, request, deadline or self.deadlines.write)

    async def watch_contact(
        self,
        contact: str,
        *,
        after_sequence: int = 0,
        include_progress: bool = False,
        on_break: Callable[[MatcherCallError], None] = lambda _: None,
    ) -> AsyncGenerator[pb.ContactEvent, None]:
        """Yield a contact's events after a sequence number, until the contact has ended.

        The stream resumes by itself without a gap. include_progress: also yield the signs of life, events without a
        cause, with the contact's place in the queue while it waits. on_break: called with the error each time that the
        stream breaks off.
        """
        # The client always asks for signs of life: without them a dead connection looks like a quiet contact.
        request = pb.WatchContactRequest(
            name=self.name("contacts", contact), after_sequence=after_sequence, include_progress=True
        )
        silence = self.deadlines.watch_silence
        events = resuming(lambda: self._watch(self._routing.WatchContact, request, silence), on_break)
        async with aclosing(events) as stream:
            async for event in stream:
                request.after_sequence = event.sequence
                if include_progress or event.cause != pb.CAUSE_UNSPECIFIED:
                    yield event

    async def watch_events(
        self,
        *,
        pool: str = "",
        resume_token: str = "",
        last_events: int = 0,
        on_break: Callable[[MatcherCallError], None] = lambda _: None,
    ) -> AsyncGenerator[pb.WatchEventsResponse, None]:
        """Yield the events of all contacts of the site, or of a pool; an answer without an event is a sign of life.

        The stream resumes by itself without a gap. Another process goes on with the resume_token of the last answer.
        last_events: without a token, begin with this number of the site's last changes; at most 10,000.
        on_break: called with the error each time that the stream breaks off.
        """
        request = pb.WatchEventsRequest(
            parent=self.parent, pool=self.name("pools", pool), resume_token=resume_token, last_events=last_events
        )
        silence = self.deadlines.watch_silence
        answers = resuming(lambda: self._watch(self._routing.WatchEvents, request, silence), on_break)
        async with aclosing(answers) as stream:
            async for answer in stream:
                request.resume_token = answer.resume_token
                yield answer
