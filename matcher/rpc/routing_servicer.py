"""matcher.v1.RoutingService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from matcher.model import ContactEvent, Outcome, QueuedOutcome, Unmatched
from matcher.rpc import convert, route_messages
from matcher.rpc.convert_suggestion import suggestions
from matcher.rpc.encoded_events import EVENTS, EncodedEvents
from matcher.rpc.grpc_types import Context
from matcher.rpc.interceptors.admission import leave_admission
from matcher.rpc.open_streams import OpenStreams
from matcher.rpc.page_bytes import fitting
from matcher.rpc.ports import Services
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import contacts as check_contacts
from matcher.rpc.validation import routing as check
from matcher.rpc.validation.violations import resource
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc

_RESERVATIONS: Final = "reservations"
_CONTACTS: Final = "contacts"


class RoutingServicer(routing_pb2_grpc.RoutingServiceServicer):
    """Serves decisions, and the reservations and contacts that follow from them."""

    def __init__(self, services: Services, telemetry: Telemetry, streams: OpenStreams) -> None:
        self._router = services.router
        self._customers = services.customers
        self._assigner = services.assigner
        self._windows = services.windows
        self._reservations = services.reservations
        self._contacts = services.contacts
        self._watch = services.watch
        self._streams = streams
        self._telemetry = telemetry
        self.encoded_events = EncodedEvents()

    async def RouteMessage(self, request: pb.RouteMessageRequest, context: Context) -> pb.RouteMessageResponse:
        """Decide which agent takes a message, and reserve the agent."""
        site, routed = check.route(request)
        outcome = await self._windows.route(
            site, routed, seconds_left=context.time_remaining(), on_wait=leave_admission
        )
        self._count(site, outcome)
        return convert.route_response(site, outcome)

    async def RouteMessages(self, request: pb.RouteMessagesRequest, context: Context) -> pb.RouteMessagesResponse:
        """Decide several messages at once."""
        return await route_messages.answers(self._windows, request, self._count, context.time_remaining())

    async def TransferContact(self, request: pb.TransferContactRequest, _context: Context) -> pb.RouteMessageResponse:
        """Move an accepted contact to another pool or agent."""
        site, transfer = check.transfer(request)
        return convert.route_response(site, await self._router.transfer(site, transfer))

    async def AssignContact(self, request: pb.AssignContactRequest, _context: Context) -> pb.RouteMessageResponse:
        """Assign a contact to one agent by hand."""
        site, assigned = check.assign(request)
        return convert.route_response(site, await self._assigner.assign(site, assigned))

    async def LinkCustomer(self, request: pb.LinkCustomerRequest, _context: Context) -> pb.LinkCustomerResponse:
        """Join the handles of one customer."""
        site, handles = check.link(request)
        return pb.LinkCustomerResponse(handles=await self._customers.link(site, handles))

    async def SuggestAgents(self, request: pb.SuggestAgentsRequest, _context: Context) -> pb.SuggestAgentsResponse:
        """Rank agents for a message and hold nothing."""
        site, suggested = check.suggest(request)
        return suggestions(site, await self._router.suggest(site, suggested))

    async def AcceptReservation(self, request: pb.AcceptReservationRequest, _context: Context) -> pb.Reservation:
        """Accept an offer."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.accept(step.site, step.reservation, step.fence))

    async def DeclineReservation(self, request: pb.DeclineReservationRequest, _context: Context) -> pb.Reservation:
        """Decline an offer."""
        step, retry_after_ms = check.decline(request)
        declined = await self._reservations.decline(
            step.site, step.reservation, step.fence, request.reason, retry_after_ms
        )
        return convert.reservation(step.site, declined)

    async def RenewReservation(self, request: pb.RenewReservationRequest, _context: Context) -> pb.Reservation:
        """Extend the deadline of an accepted reservation."""
        step, duration_ms = check.renew(request)
        renewed = await self._reservations.renew(step.site, step.reservation, step.fence, duration_ms)
        return convert.reservation(step.site, renewed)

    async def CompleteReservation(self, request: pb.CompleteReservationRequest, _context: Context) -> pb.Reservation:
        """End a conversation."""
        step, experience = check.complete(request)
        completed = await self._reservations.complete(step.site, step.reservation, step.fence, experience)
        return convert.reservation(step.site, completed)

    async def EndWrapUp(self, request: pb.EndWrapUpRequest, _context: Context) -> pb.Reservation:
        """End a wrap-up before its time."""
        step = check.step(request)
        wrapped_up = await self._reservations.end_wrap_up(step.site, step.reservation, step.fence)
        return convert.reservation(step.site, wrapped_up)

    async def CancelReservation(self, request: pb.CancelReservationRequest, _context: Context) -> pb.Reservation:
        """Release the agent without a conversation."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.cancel(step.site, step.reservation, step.fence))

    async def TouchReservation(self, request: pb.TouchReservationRequest, _context: Context) -> pb.Reservation:
        """Record that the conversation is active."""
        step = check.step(request)
        return convert.reservation(step.site, await self._reservations.touch(step.site, step.reservation, step.fence))

    async def GetReservation(self, request: pb.GetReservationRequest, _context: Context) -> pb.Reservation:
        """Read a reservation."""
        site, reservation = resource(request.name, Kind.RESERVATION)
        return convert.reservation(site, await self._reservations.reservation(site, reservation))

    async def ListReservations(
        self, request: pb.ListReservationsRequest, _context: Context
    ) -> pb.ListReservationsResponse:
        """List the live reservations of a site, or of one agent."""
        site, agent, most, after = check.reservations(request, _RESERVATIONS)
        page = await self._reservations.reservations(site, agent, most, after)
        listed, token = fitting(page, _RESERVATIONS, lambda reservation: convert.reservation(site, reservation))
        return pb.ListReservationsResponse(reservations=listed, next_page_token=token)

    async def GetContact(self, request: pb.GetContactRequest, _context: Context) -> pb.Contact:
        """Read a contact."""
        site, contact = resource(request.name, Kind.CONTACT)
        return convert.contact(site, await self._contacts.contact(site, contact))

    async def ListContacts(self, request: pb.ListContactsRequest, _context: Context) -> pb.ListContactsResponse:
        """List the contacts that have not ended."""
        site, pool, state, most, after = check_contacts.contacts(request, _CONTACTS)
        page = await self._contacts.contacts(site, pool, state, most, after)
        listed, token = fitting(page, _CONTACTS, lambda contact: convert.contact(site, contact))
        return pb.ListContactsResponse(contacts=listed, next_page_token=token)

    async def CancelContact(self, request: pb.CancelContactRequest, _context: Context) -> pb.Contact:
        """End a contact."""
        site, contact = resource(request.name, Kind.CONTACT)
        return convert.contact(site, await self._contacts.cancel(site, contact))

    async def WatchContact(
        self, request: pb.WatchContactRequest, context: Context
    ) -> AsyncGenerator[pb.ContactEvent, None]:
        """Stream a contact's events until the contact has ended."""
        site, contact, after = check_contacts.watch_contact(request)
        progress, begun = request.include_progress, False
        with self._streams.of_site(site):
            async with aclosing(self._watch.contact(site, contact, after, progress=progress)) as events:
                async for event in events:
                    if isinstance(event, ContactEvent):
                        yield convert.contact_event(site, event)
                    elif progress:
                        yield convert.contact_sign(site, event)
                    elif not begun:  # the caller, and a proxy between, see that the stream is open
                        await context.send_initial_metadata(())
                    begun = True

    async def WatchEvents(  # type: ignore[override]  # the error interceptor sends bytes as they are
        self, request: pb.WatchEventsRequest, _context: Context
    ) -> AsyncGenerator[bytes, None]:
        """Stream the events of all contacts of a pool, or of a site; each answer is encoded already."""
        site, pool, resume, last = check_contacts.watch_events(request, EVENTS)
        with self._streams.of_site(site):
            async with aclosing(self._watch.events(site, pool, resume, last)) as events:
                async for event, place in events:
                    yield self.encoded_events.answer(site, event, place)

    async def GetDecision(self, request: pb.GetDecisionRequest, _context: Context) -> pb.Decision:
        """Read the record of a decision."""
        site, decision = resource(request.name, Kind.DECISION)
        return convert.decision(site, await self._reservations.decision(site, decision))

    def _count(self, site: str, outcome: Outcome) -> None:
        label, routes = self._telemetry.sites.routed(site), self._telemetry.routes.labels
        if isinstance(outcome, Unmatched):
            routes(label, "unmatched", "NONE").inc()
        elif isinstance(outcome, QueuedOutcome):
            routes(label, "replayed" if outcome.replayed else "queued", "NONE").inc()
        else:
            if outcome.degraded and not outcome.replayed:
                self._telemetry.routes_degraded.labels(label, outcome.degraded).inc()
            routes(label, "replayed" if outcome.replayed else "held", outcome.reservation.basis.value).inc()
