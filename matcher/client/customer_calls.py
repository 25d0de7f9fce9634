"""Calls of CustomerService: what is remembered of customers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from matcher.client.connection import Connection
from matcher.v1 import customers_pb2 as pb


class CustomerCalls(Connection):
    """Remembers, reads, lists, joins and forgets customers."""

    async def put_customer(
        self,
        customer: pb.Customer,
        *,
        request_id: str = "",
        validate_only: bool = False,
        deadline: float | None = None,
    ) -> pb.Customer:
        """Remember a customer's interests until the consent ends; an id of the request is made where none is given.

        validate_only: nothing is written; the customer as remembered now, without a name where there is none.
        """
        request = pb.PutCustomerRequest(
            parent=self.parent,
            customer=customer,
            request_id=request_id or uuid.uuid4().hex,
            validate_only=validate_only,
        )
        request.customer.name = self.name("customers", customer.name)
        return await self._call(self._customers.PutCustomer, request, deadline or self.deadlines.write)

    async def customer(
        self, customer: str, *, with_ended_contacts: bool = False, deadline: float | None = None
    ) -> pb.Customer:
        """Read everything that is remembered of a customer; with_ended_contacts: ended contacts and decisions, too."""
        request = pb.GetCustomerRequest(name=self.name("customers", customer), with_ended_contacts=with_ended_contacts)
        lasts = self.deadlines.forget if with_ended_contacts else self.deadlines.read
        return await self._call(self._customers.GetCustomer, request, deadline or lasts)

    async def lookup_customer(
        self, handle: str, *, with_ended_contacts: bool = False, deadline: float | None = None
    ) -> pb.Customer:
        """Read everything that is remembered of the customer of a handle, as `customer` does.

        with_ended_contacts: also where nothing but contacts has the handle; that customer has no name.
        """
        request = pb.LookupCustomerRequest(parent=self.parent, handle=handle, with_ended_contacts=with_ended_contacts)
        lasts = self.deadlines.forget if with_ended_contacts else self.deadlines.read
        return await self._call(self._customers.LookupCustomer, request, deadline or lasts)

    async def list_customers(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> pb.ListCustomersResponse:
        """Read a page of the customers of whom anything is remembered."""
        request = pb.ListCustomersRequest(parent=self.parent, page_size=page_size, page_token=page_token)
        return await self._call(self._customers.ListCustomers, request, deadline or self.deadlines.read)

    async def customers(self) -> AsyncIterator[pb.Customer]:
        """Read all customers of whom anything is remembered, page by page."""
        token = ""
        while True:
            page = await self.list_customers(page_size=1000, page_token=token)
            for customer in page.customers:
                yield customer
            if not (token := page.next_page_token):
                return

    async def forget_customer(self, customer: str, *, force: bool = False, deadline: float | None = None) -> None:
        """Remove every trace of a customer; with `force` contacts that have not ended go on without a customer."""
        request = pb.ForgetCustomerRequest(name=self.name("customers", customer), force=force)
        await self._call(self._customers.ForgetCustomer, request, deadline or self.deadlines.forget)

    async def forget_handle(self, handle: str, *, force: bool = False, deadline: float | None = None) -> None:
        """Remove every trace of the customer of a handle, also where nothing but contacts has it."""
        request = pb.ForgetCustomerRequest(parent=self.parent, handle=handle, force=force)
        await self._call(self._customers.ForgetCustomer, request, deadline or self.deadlines.forget)

    async def link_customers(self, *handles: str, deadline: float | None = None) -> pb.Customer:
        """Join several handles of one customer; return the customer."""
        request = pb.LinkCustomersRequest(parent=self.parent, handles=handles)
        return await self._call(self._customers.LinkCustomers, request, deadline or self.deadlines.write)
