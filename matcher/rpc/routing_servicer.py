"""matcher.v1.RoutingService: each method checks, calls what is behind it and converts."""

# ruff: noqa: N802 - the methods have the names they have on the wire

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache
from typing import Final

from matcher.model import Outcome, QueuedOutcome, Unmatched
from matcher.model.requests import RouteRequest, SuggestRequest, TransferRequest
from matcher.rpc import convert, route_messages
from matcher.rpc.interceptors.admission import step_aside
from matcher.rpc.interceptors.errors import Context
from matcher.rpc.ports import Services
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import contacts as check_contacts
from matcher.rpc.validation import routing as check
from matcher.rpc.validation.violations import page_token
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc

_RESERVATIONS: Final = "reservations"
_CONTACTS: Final = "contacts"
_EVENTS: Final = "events"


class RoutingServicer(routing_pb2_grpc.RoutingServiceServicer):
    """Finds the free agent with the closest affinity to a message, and holds a slot."""

    def __init__(self, services: Services, telemetry: Telemetry) -> None:
        self._router = services.router
        self._gathering = services.gathering
        self._reservations = services.reservations
        self._contacts = services.contacts
        self._streams = services.streams
        self._routes = cache(telemetry.routes.labels)

    async def RouteMessage(self, request: pb.RouteMessageRequest, context: Context) -> pb.RouteMessageResponse:
        """Decide which agent takes a message and hold a slot for it."""
        routable = check.route(request)
        asked = RouteRequest(
            routable.message,
            contact_id=request.contact_id,
            request_id=request.request_id,
            digest=_digest(request),
            auto_accept=request.auto_accept,
            explain_unmatched=request.explain_unmatched,
            wait=routable.wait,
        )
        outcome = await self._gathering.route(
            routable.site, asked, seconds_left=context.time_remaining(), on_wait=step_aside
        )
        self._count(outcome)
        return convert.route_response(routable.site, outcome)

    async def RouteMessages(self, request: pb.RouteMessagesRequest, _context: Context) -> pb.RouteMessagesResponse:
        """Decide several messages at once."""
        return await route_messages.answers(self._gathering, request, _digest, self._count)

    async def TransferContact(self, request: pb.TransferContactRequest, _context: Context) -> pb.RouteMessageResponse:
        """Hand a contact on that an agent has accepted."""
        transfer = check.transfer(request)
        outcome = await self._router.transfer(
            transfer.site,
            TransferRequest(
                transfer.contact,
                pool_id=transfer.pool,
                agent=transfer.agent,
                message=transfer.message,
                request_id=request.request_id,
                digest=_digest(request),
                wait=transfer.wait,
            ),
        )
        return convert.route_response(transfer.site, outcome)

    async def LinkCustomer(self, request: pb.LinkCustomerRequest, _context: Context) -> pb.LinkCustomerResponse:
        """Join the handles of one customer."""
        site, handles = check.link(request)
        return pb.LinkCustomerResponse(handles=await self._router.link(site, handles))

    async def SuggestAgents(self, request: pb.SuggestAgentsRequest, _context: Context) -> pb.SuggestAgentsResponse:
        """Rank agents for a message and hold nothing."""
        routable, most = check.suggest(request)
        ranking = await self._router.suggest(
            routable.site,
            SuggestRequest(
                routable.message,
                most,
                ignore_availability=request.ignore_availability,
                explain_left_out=request.explain_left_out,
            ),
        )
        return convert.suggestions(routable.site, ranking)

    async def AcceptReservation(self, request: pb.AcceptReservationRequest, _context: Context) -> pb.Reservation:
        """Take an offer."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.accept(step.site, step.reservation, step.fence))

    async def DeclineReservation(self, request: pb.DeclineReservationRequest, _context: Context) -> pb.Reservation:
        """Turn an offer down."""
        step, retry_after_ms = check.decline(request)
        declined = await self._reservations.decline(
            step.site, step.reservation, step.fence, request.reason, retry_after_ms
        )
        return convert.reservation(step.site, declined)

    async def RenewReservation(self, request: pb.RenewReservationRequest, _context: Context) -> pb.Reservation:
        """Move the deadline of an accepted reservation on."""
        step, duration_ms = check.renew(request)
        renewed = await self._reservations.renew(step.site, step.reservation, step.fence, duration_ms)
        return convert.reservation(step.site, renewed)

    async def CompleteReservation(self, request: pb.CompleteReservationRequest, _context: Context) -> pb.Reservation:
        """End a conversation."""
        step, experience = check.complete(request)
        completed = await self._reservations.complete(step.site, step.reservation, step.fence, experience)
        return convert.reservation(step.site, completed)

    async def CancelReservation(self, request: pb.CancelReservationRequest, _context: Context) -> pb.Reservation:
        """Give a slot back without a conversation."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.cancel(step.site, step.reservation, step.fence))

    async def TouchReservation(self, request: pb.TouchReservationRequest, _context: Context) -> pb.Reservation:
        """Note that a conversation goes on."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.touch(step.site, step.reservation, step.fence))

    async def GetReservation(self, request: pb.GetReservationRequest, _context: Context) -> pb.Reservation:
        """Read a reservation."""
        site, reservation = check.named(request.name, Kind.RESERVATION)
        return convert.reservation(site, await self._reservations.reservation(site, reservation))

    async def ListReservations(
        self, request: pb.ListReservationsRequest, _context: Context
    ) -> pb.ListReservationsResponse:
        """List the live reservations of a site, or of one agent."""
        site, agent, most, after = check.reservations(request, _RESERVATIONS)
        page = await self._reservations.reservations(site, agent, most, after)
        return pb.ListReservationsResponse(
            reservations=(convert.reservation(site, one) for one in page.items),
            next_page_token=page_token(page.next, _RESERVATIONS),
        )

    async def GetContact(self, request: pb.GetContactRequest, _context: Context) -> pb.Contact:
        """Read a contact."""
        site, contact = check.named(request.name, Kind.CONTACT)
        return convert.contact(site, await self._contacts.contact(site, contact))

    async def ListContacts(self, request: pb.ListContactsRequest, _context: Context) -> pb.ListContactsResponse:
        """List the contacts that have not ended."""
        site, pool, state, most, after = check_contacts.contacts(request, _CONTACTS)
        page = await self._contacts.contacts(site, pool, state, most, after)
        return pb.ListContactsResponse(
            contacts=(convert.contact(site, one) for one in page.items),
            next_page_token=page_token(page.next, _CONTACTS),
        )

    async def CancelContact(self, request: pb.CancelContactRequest, _context: Context) -> pb.Contact:
        """End a contact."""
        site, contact = check.named(request.name, Kind.CONTACT)
        return convert.contact(site, await self._contacts.cancel(site, contact))

    async def WatchContact(
        self, request: pb.WatchContactRequest, _context: Context
    ) -> AsyncGenerator[pb.ContactEvent, None]:
        """Tell a contact's steps until it has ended."""
        site, contact, after = check_contacts.watch_contact(request)
        async with aclosing(self._streams.contact(site, contact, after)) as steps:
            async for step in steps:
                yield convert.contact_event(site, step)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, _context: Context
    ) -> AsyncGenerator[pb.WatchEventsResponse, None]:
        """Tell the steps of all contacts of a pool, or of a site."""
        site, pool, resume = check_contacts.watch_events(request, _EVENTS)
        async with aclosing(self._streams.events(site, pool, resume)) as steps:
            async for step, place in steps:
                yield pb.WatchEventsResponse(
                    event=convert.contact_event(site, step) if step else None,
                    resume_token=page_token(check_contacts.resume_token(place), _EVENTS),
                )

    async def GetDecision(self, request: pb.GetDecisionRequest, _context: Context) -> pb.Decision:
        """Read the record of a decision."""
        site, decision = check.named(request.name, Kind.DECISION)
        return convert.decision(site, await self._reservations.decision(site, decision))

    def _count(self, outcome: Outcome) -> None:
        if isinstance(outcome, Unmatched):
            self._routes("unmatched", "NONE").inc()
        elif isinstance(outcome, QueuedOutcome):
            self._routes("replayed" if outcome.replayed else "queued", "NONE").inc()
        else:
            how = "replayed" if outcome.replayed else "held"
            self._routes(how, outcome.reservation.basis.value).inc()


def _digest(request: pb.RouteMessageRequest | pb.TransferContactRequest) -> bytes:
    """Return what is asked for as bytes: the same for the same request, however its answer is to be explained."""
    if not request.request_id:
        # A request id of our own making comes back with the same request only.
        return b""
    bare = type(request)()
    bare.CopyFrom(request)  # type: ignore[arg-type]  # it is of the same type
    bare.ClearField("request_id")
    if isinstance(bare, pb.RouteMessageRequest):
        bare.ClearField("explain_unmatched")
    return bare.SerializeToString(deterministic=True)
