"""matcher.v1.CustomerService: each method validates its request, calls a service and converts the answer."""

# ruff: noqa: N802 - the methods have their names on the wire

from __future__ import annotations

from typing import Final

from google.protobuf.empty_pb2 import Empty

from matcher.model.customers import Consent, Customer
from matcher.rpc.grpc_types import Context
from matcher.rpc.page_bytes import fitting
from matcher.rpc.ports import Services
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import timestamp
from matcher.rpc.validation import customers as check
from matcher.rpc.validation.violations import resource
from matcher.v1 import customers_pb2 as pb
from matcher.v1 import customers_pb2_grpc

_CUSTOMERS: Final = "customers"


class CustomerServicer(customers_pb2_grpc.CustomerServiceServicer):
    """Serves what is remembered of customers."""

    def __init__(self, services: Services) -> None:
        self._customers = services.customers
        self._forgetting = services.forgetting

    async def PutCustomer(self, request: pb.PutCustomerRequest, _context: Context) -> pb.Customer:
        """Remember a customer's interests until the consent ends."""
        site, write = check.put(request)
        return customer(site, await self._customers.put_customer(site, write))

    async def GetCustomer(self, request: pb.GetCustomerRequest, _context: Context) -> pb.Customer:
        """Read everything that is remembered of a customer."""
        site, identifier = resource(request.name, Kind.CUSTOMER)
        return customer(site, await self._customers.customer(site, identifier, with_ended=request.with_ended_contacts))

    async def LookupCustomer(self, request: pb.LookupCustomerRequest, _context: Context) -> pb.Customer:
        """Read everything that is remembered of a handle's customer."""
        site, handle = check.lookup(request)
        found = await self._customers.customer_of(site, handle, with_ended=request.with_ended_contacts)
        return customer(site, found)

    async def ListCustomers(self, request: pb.ListCustomersRequest, _context: Context) -> pb.ListCustomersResponse:
        """List the customers of whom anything is remembered."""
        site, most, after = check.customers(request, _CUSTOMERS)
        page = await self._customers.customers(site, most, after)
        listed, token = fitting(page, _CUSTOMERS, lambda record: customer(site, record))
        return pb.ListCustomersResponse(customers=listed, next_page_token=token)

    async def LinkCustomers(self, request: pb.LinkCustomersRequest, _context: Context) -> pb.Customer:
        """Join the handles of one customer."""
        site, handles = check.link(request)
        return customer(site, await self._customers.link_customers(site, handles))

    async def ForgetCustomer(self, request: pb.ForgetCustomerRequest, _context: Context) -> Empty:
        """Remove every trace of a customer."""
        site, identifier, handle = check.forget(request)
        if handle:
            await self._forgetting.forget_handle(site, handle, force=request.force)
        else:
            await self._forgetting.forget_customer(site, identifier, force=request.force)
        return Empty()


def customer(site: str, record: Customer) -> pb.Customer:
    """Convert a customer."""
    return pb.Customer(
        name=name(Kind.CUSTOMER, site, record.id),
        handles=record.handles,
        interests=(pb.CustomerInterest(text=one.text, source=one.source, id=one.id) for one in record.interests),
        consent=_consent(record.consent) if record.consent else None,
        relationship_notes=(
            pb.RelationshipNote(
                agent=name(Kind.AGENT, site, note.agent),
                good=note.good,
                time=timestamp(note.at_ms),
                expire_time=timestamp(note.until_ms),
            )
            for note in record.notes
        ),
        open_contacts=(name(Kind.CONTACT, site, contact) for contact in record.open_contacts),
        unnamed_handles=record.unnamed_handles,
        expire_time=timestamp(record.expires_ms),
        ended_contacts=(name(Kind.CONTACT, site, contact) for contact in record.ended_contacts),
        decisions=(name(Kind.DECISION, site, decision) for decision in record.decisions),
    )


def _consent(record: Consent) -> pb.Consent:
    return pb.Consent(
        basis=record.basis,
        time=timestamp(record.time_ms),
        expire_time=timestamp(record.expires_ms),
        shareable=record.shareable,
    )
