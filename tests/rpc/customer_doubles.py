"""Doubles of the services of customers and of forgetting."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from collections.abc import Sequence

from matcher.model import Page
from matcher.model.customers import Consent, Customer, CustomerInterest, CustomerNote, CustomerWrite
from tests.rpc.double import NOW_MS, Double

ANN = Customer(
    "c0ffee",
    ("ann@mail", "ann"),
    1,
    (CustomerInterest("0f3c", "I sail.", "crm"),),
    Consent("terms 3", NOW_MS, NOW_MS + 1_000, shareable=True),
    (CustomerNote("maya", good=True, at_ms=NOW_MS, until_ms=NOW_MS + 9),),
    ("c-1",),
    NOW_MS + 2_000,
)


class CustomersDouble(Double):
    """Answers as if there were one customer: Ann."""

    async def put_customer(self, site: str, write: CustomerWrite) -> Customer:
        arguments = (site, write.customer, write.handles, write.interests, write.consent, write.request_id)
        return self.record("put_customer", ANN, *arguments)

    async def customer(self, site: str, customer: str, *, with_ended: bool = False) -> Customer:
        return self.record("customer", ANN, site, customer, with_ended)

    async def customer_of(self, site: str, handle: str, *, with_ended: bool = False) -> Customer:
        return self.record("customer_of", ANN, site, handle, with_ended)

    async def customers(self, site: str, most: int, after: str) -> Page[Customer]:
        return self.record("customers", Page((ANN,), "9|c0ffee", ("9|c0ffee",)), site, most, after)

    async def link(self, site: str, handles: Sequence[str]) -> int:
        return self.record("link", 2, site, tuple(handles))

    async def link_customers(self, site: str, handles: Sequence[str]) -> Customer:
        return self.record("link_customers", ANN, site, tuple(handles))


class ForgettingDouble(Double):
    """Forgets every customer and agent it is asked to."""

    async def forget_customer(self, site: str, customer: str, *, force: bool) -> None:
        self.record("forget_customer", None, site, customer, force)

    async def forget_handle(self, site: str, handle: str, *, force: bool) -> None:
        self.record("forget_handle", None, site, handle, force)

    async def forget_agent(self, site: str, agent: str, *, force: bool) -> None:
        self.record("forget_agent", None, site, agent, force)
