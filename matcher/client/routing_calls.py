"""Calls of RoutingService: decisions and reservations."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta

from matcher.client.connection import Connection
from matcher.client.failure import MatcherCallError
from matcher.client.messages import message_of
from matcher.client.retry import OUTCOME_UNKNOWN
from matcher.client.spans import duration as duration_of
from matcher.v1 import routing_pb2 as pb


class RoutingCalls(Connection):
    """Routes, suggests and transfers, and moves reservations through their states."""

    async def route(
        self,
        text: str,
        *,
        pool: str = "",
        customer: str = "",
        channel: str = "",
        language: str = "",
        required_skills: Mapping[str, int] | None = None,
        excluded_agents: Iterable[str] = (),
        contact_id: str = "",
        request_id: str = "",
        auto_accept: bool = False,
        explain_unmatched: bool = False,
        wait: bool = False,
        wait_duration: timedelta | None = None,
        skills_expire: Mapping[str, timedelta] | None = None,
        language_expires: timedelta | None = None,
        preferred_agents: Mapping[str, timedelta | None] | None = None,
        media_type: str = "",
        customer_interests: Iterable[str] = (),
        customer_interests_shareable: bool = False,
        deadline: float | None = None,
    ) -> pb.RouteMessageResponse:
        """Decide which agent takes a message, and reserve the agent. Without a request_id the client makes one.

        wait: where no agent can take the contact, it waits, at most for `wait_duration` (None: the pool's).
        skills_expire, language_expires: how long after the contact's creation a waiting contact requires them.
        preferred_agents: the agents to choose first, and how long a waiting contact is kept for each (None: not kept).
        Without `wait` these three durations change nothing: the decision is made at once.
        media_type: "text/plain" or "text/html", for mails; "": a text of at most 8,000 characters.
        customer_interests: what the customer cares about, for this contact alone; with them the text may be "", as in a
        call. customer_interests_shareable: whether an agent's desk may be told which of the agent's interests they met.
        """
        request = pb.RouteMessageRequest(
            parent=self.parent,
            pool=self.name("pools", pool),
            wait=wait,
            wait_duration=duration_of(wait_duration),
            message=message_of(
                self._agent_name,
                text,
                customer=customer,
                channel=channel,
                language=language,
                media_type=media_type,
                required_skills=required_skills,
                excluded_agents=excluded_agents,
                preferred_agents=preferred_agents,
                skills_expire=skills_expire,
                language_expires=language_expires,
                customer_interests=customer_interests,
                customer_interests_shareable=customer_interests_shareable,
            ),
            contact_id=contact_id,
            request_id=request_id or uuid.uuid4().hex,
            auto_accept=auto_accept,
            explain_unmatched=explain_unmatched,
        )
        return await self._call(self._routing.RouteMessage, request, deadline or self.deadlines.route)

    async def suggest(
        self,
        text: str,
        *,
        pool: str = "",
        customer: str = "",
        channel: str = "",
        language: str = "",
        required_skills: Mapping[str, int] | None = None,
        excluded_agents: Iterable[str] = (),
        preferred_agents: Iterable[str] = (),
        max_candidates: int = 0,
        ignore_availability: bool = False,
        explain_left_out: bool = False,
        media_type: str = "",
        customer_interests: Iterable[str] = (),
        affinity_floor: float | None = None,
        affinity_tolerance: float | None = None,
        profile_weight: float | None = None,
        deadline: float | None = None,
    ) -> pb.SuggestAgentsResponse:
        """Rank agents for a message and hold nothing: the preferred ones first, then as `route` would choose.

        media_type, customer_interests: as in `route`.
        affinity_floor, affinity_tolerance, profile_weight: rank as if the pool had these, 0 to 1; None: its own.
        """
        request = pb.SuggestAgentsRequest(
            parent=self.parent,
            pool=self.name("pools", pool),
            message=message_of(
                self._agent_name,
                text,
                customer=customer,
                channel=channel,
                language=language,
                media_type=media_type,
                required_skills=required_skills,
                excluded_agents=excluded_agents,
                preferred_agents=dict.fromkeys(preferred_agents),
                customer_interests=customer_interests,
            ),
            max_candidates=max_candidates,
            ignore_availability=ignore_availability,
            explain_left_out=explain_left_out,
            affinity_floor=affinity_floor,
            affinity_tolerance=affinity_tolerance,
            profile_weight=profile_weight,
        )
        return await self._call(self._routing.SuggestAgents, request, deadline or self.deadlines.route)

    async def accept(self, reservation: str, *, fence: int = 0, deadline: float | None = None) -> pb.Reservation:
        """Accept an offer. A repeat gives the same answer."""
        request = pb.AcceptReservationRequest(name=self.name("reservations", reservation), fence=fence)
        return await self._call(self._routing.AcceptReservation, request, deadline or self.deadlines.write)

    async def decline(
        self,
        reservation: str,
        *,
        fence: int = 0,
        reason: str = "",
        retry_after: timedelta | None = None,
        deadline: float | None = None,
    ) -> pb.Reservation:
        """Decline an offer; the contact may be offered to the agent again after `retry_after`, None: never."""
        request = pb.DeclineReservationRequest(
            name=self.name("reservations", reservation),
            fence=fence,
            reason=reason,
            retry_after=duration_of(retry_after),
        )
        return await self._call(self._routing.DeclineReservation, request, deadline or self.deadlines.write)

    async def renew(
        self,
        reservation: str,
        *,
        fence: int = 0,
        duration: timedelta | None = None,
        deadline: float | None = None,
    ) -> pb.Reservation:
        """Extend the deadline of an accepted reservation to `duration` from now, None: the pool's accepted_duration."""
        request = pb.RenewReservationRequest(
            name=self.name("reservations", reservation), fence=fence, duration=duration_of(duration)
        )
        return await self._call(self._routing.RenewReservation, request, deadline or self.deadlines.write)

    async def complete(
        self,
        reservation: str,
        *,
        fence: int = 0,
        resolved: bool | None = None,
        rating: int = 0,
        deadline: float | None = None,
    ) -> pb.Reservation:
        """End a conversation; a repeat changes nothing, see `end_wrap_up`.

        resolved: whether the customer was helped, None: not known. rating: the customer's, 1 to 5, 0: none. Of a
        reservation the first report counts, for its agent, also after the conversation.

        Where the answer is lost, the client reads the reservation before it repeats the call: where a pool keeps
        `second_complete_ends_wrap_up`, a repeat would cut short the wrap-up that the first call began.
        """
        request = pb.CompleteReservationRequest(
            name=self.name("reservations", reservation), fence=fence, resolved=resolved, rating=rating
        )
        seconds = deadline or self.deadlines.write
        try:
            return await self._call(self._routing.CompleteReservation, request, seconds)
        except MatcherCallError as error:
            if error.code not in OUTCOME_UNKNOWN:
                raise
        now = await self.reservation(reservation, deadline=deadline)
        if now.state != pb.ACCEPTED:
            return now
        return await self._call(self._routing.CompleteReservation, request, seconds)

    async def end_wrap_up(self, reservation: str, *, fence: int = 0, deadline: float | None = None) -> pb.Reservation:
        """End a wrap-up before its time. A repeat gives the same answer."""
        request = pb.EndWrapUpRequest(name=self.name("reservations", reservation), fence=fence)
        return await self._call(self._routing.EndWrapUp, request, deadline or self.deadlines.write)

    async def cancel(self, reservation: str, *, fence: int = 0, deadline: float | None = None) -> pb.Reservation:
        """End an offer, or a conversation before it is complete, and its contact."""
        request = pb.CancelReservationRequest(name=self.name("reservations", reservation), fence=fence)
        return await self._call(self._routing.CancelReservation, request, deadline or self.deadlines.write)

    async def reservation(self, reservation: str, *, deadline: float | None = None) -> pb.Reservation:
        """Read a reservation."""
        request = pb.GetReservationRequest(name=self.name("reservations", reservation))
        return await self._call(self._routing.GetReservation, request, deadline or self.deadlines.read)

    async def list_reservations(
        self,
        *,
        agent: str = "",
        page_size: int = 0,
        page_token: str = "",
        deadline: float | None = None,
    ) -> pb.ListReservationsResponse:
        """Read a page of the live reservations of the site, or of one agent."""
        request = pb.ListReservationsRequest(
            parent=self.parent, agent=self.name("agents", agent), page_size=page_size, page_token=page_token
        )
        return await self._call(self._routing.ListReservations, request, deadline or self.deadlines.read)

    async def reservations(self, *, agent: str = "") -> AsyncIterator[pb.Reservation]:
        """Read all live reservations of the site, or of one agent, page by page."""
        token = ""
        while True:
            page = await self.list_reservations(agent=agent, page_size=1000, page_token=token)
            for reservation in page.reservations:
                yield reservation
            if not (token := page.next_page_token):
                return

    async def decision(self, decision: str, *, deadline: float | None = None) -> pb.Decision:
        """Read the record of a decision."""
        request = pb.GetDecisionRequest(name=self.name("decisions", decision))
        return await self._call(self._routing.GetDecision, request, deadline or self.deadlines.read)

    async def transfer(
        self,
        contact: str,
        *,
        pool: str = "",
        agent: str = "",
        text: str = "",
        language: str = "",
        required_skills: Mapping[str, int] | None = None,
        excluded_agents: Iterable[str] = (),
        request_id: str = "",
        wait: bool = False,
        wait_duration: timedelta | None = None,
        release: pb.Release.ValueType = pb.RELEASE_UNSPECIFIED,
        skills_expire: Mapping[str, timedelta] | None = None,
        language_expires: timedelta | None = None,
        preferred_agents: Mapping[str, timedelta | None] | None = None,
        media_type: str = "",
        customer_interests: Iterable[str] = (),
        customer_interests_shareable: bool = False,
        deadline: float | None = None,
    ) -> pb.RouteMessageResponse:
        """Move an accepted contact to a pool, to an agent, or to the agent closest to a new text (`media_type`).

        The new agent must meet the requirements, also where there is no text; the other arguments: as in `route`.
        release: ON_HOLD (the default) frees the old agent once the new one is reserved, ON_ACCEPT once it accepts.
        """
        message = message_of(
            self._agent_name,
            text,
            language=language,
            media_type=media_type,
            required_skills=required_skills,
            excluded_agents=excluded_agents,
            preferred_agents=preferred_agents,
            skills_expire=skills_expire,
            language_expires=language_expires,
            customer_interests=customer_interests,
            customer_interests_shareable=customer_interests_shareable,
        )
        request = pb.TransferContactRequest(
            name=self.name("contacts", contact),
            pool=self.name("pools", pool),
            agent=self.name("agents", agent),
            message=message if message.ByteSize() else None,
            request_id=request_id or uuid.uuid4().hex,
            wait=wait,
            wait_duration=duration_of(wait_duration),
            release=release,
        )
        return await self._call(self._routing.TransferContact, request, deadline or self.deadlines.route)

    async def assign(
        self,
        contact: str,
        agent: str,
        *,
        pool: str = "",
        text: str = "",
        customer: str = "",
        channel: str = "",
        language: str = "",
        required_skills: Mapping[str, int] | None = None,
        excluded_agents: Iterable[str] = (),
        media_type: str = "",
        over_capacity: bool = False,
        ignore_constraints: Iterable[pb.Constraint.ValueType] = (),
        accepted: bool = False,
        actor: str = "",
        reason: str = "",
        request_id: str = "",
        customer_interests: Iterable[str] = (),
        customer_interests_shareable: bool = False,
        deadline: float | None = None,
    ) -> pb.RouteMessageResponse:
        """Assign a contact to one agent by hand: it waits, is offered, was returned, or is not known so far.

        over_capacity: also where the agent is full. ignore_constraints: what the agent need not meet. accepted: the
        agent need not accept. actor, reason: who assigns, and why, in the caller's words. The message and its
        requirements: of a contact that is not known, or new ones.
        """
        message = message_of(
            self._agent_name,
            text,
            customer=customer,
            channel=channel,
            language=language,
            media_type=media_type,
            required_skills=required_skills,
            excluded_agents=excluded_agents,
            customer_interests=customer_interests,
            customer_interests_shareable=customer_interests_shareable,
        )
        request = pb.AssignContactRequest(
            name=self.name("contacts", contact),
            agent=self.name("agents", agent),
            pool=self.name("pools", pool),
            message=message if message.ByteSize() else None,
            over_capacity=over_capacity,
            ignore_constraints=ignore_constraints,
            accepted=accepted,
            actor=actor,
            reason=reason,
            request_id=request_id or uuid.uuid4().hex,
        )
        return await self._call(self._routing.AssignContact, request, deadline or self.deadlines.route)

    async def link_customer(self, *customers: str, deadline: float | None = None) -> int:
        """Join several handles of one customer; return how many there are now. Deprecated: `link_customers`."""
        request = pb.LinkCustomerRequest(parent=self.parent, customers=customers)
        return (await self._call(self._routing.LinkCustomer, request, deadline or self.deadlines.write)).handles

    def _agent_name(self, agent: str) -> str:
        return self.name("agents", agent)
