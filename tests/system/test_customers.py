"""Customers as persons: what they agreed to leave is remembered, given back, and the same at every replica."""

from __future__ import annotations

import time

import grpc
import pytest

from matcher.client import MatcherCallError
from matcher.v1 import customers_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person
from tests.processes import Server

REEFS = "I dive in coral reefs."
BREAD = "I bake dark rye."


def ann(*interests: str, lasts: int = 3_600, **fields: object) -> pb.Customer:
    """Return a customer with two handles and with interests, whose consent lasts so many seconds."""
    customer = pb.Customer(
        handles=["ann@example.org", "+49 30/123456"],
        interests=[pb.CustomerInterest(text=text, source="crm") for text in interests],
        **fields,  # type: ignore[arg-type]  # the test's own fields
    )
    if interests:
        customer.consent.basis = "terms of 2026, asked on the phone"
        customer.consent.time.FromSeconds(int(time.time()) - 60)
        customer.consent.expire_time.FromSeconds(int(time.time()) + lasts)
        customer.consent.shareable = True
    return customer


async def test_a_customer_is_given_back_whole(service: Server) -> None:
    """GetCustomer and LookupCustomer answer the interests, the consent, the handles and the open contacts."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(REEFS)})
        given = ann(REEFS, BREAD)
        put = await client.put_customer(given)
        assert put.name.startswith(f"{client.parent}/customers/")
        await client.route("Where is my order?", customer="+49 30/123456", contact_id="c/1")
        found = await client.customer(put.name)
        assert found == await client.lookup_customer("ann@example.org")
        assert list(found.handles) == ["+49 30/123456", "ann@example.org"]
        assert [one.text for one in found.interests] == [REEFS, BREAD]
        assert found.consent == given.consent
        assert list(found.open_contacts) == [client.name("contacts", "c/1")]
        assert [one.name async for one in client.customers()] == [put.name]
        with pytest.raises(MatcherCallError) as nobody:
            await client.lookup_customer("bob@example.org")
        assert (nobody.value.code, nobody.value.reason) == (grpc.StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND")
        assert "nothing is remembered in" in nobody.value.message
        assert "bob" not in str(nobody.value)


async def test_a_repeated_request_changes_nothing_and_a_consent_that_ended_is_refused(service: Server) -> None:
    """The same request_id answers the customer as remembered now; another request under it is refused."""
    async with service.client(await service.site()) as client:
        given = ann(REEFS)  # made once: a second later the consent would be another
        first = await client.put_customer(given, request_id="crm-1")
        await client.put_customer(ann(BREAD), request_id="crm-2")
        again = await client.put_customer(given, request_id="crm-1")
        assert (again.name, [one.text for one in again.interests]) == (first.name, [BREAD])
        with pytest.raises(MatcherCallError) as reused:
            await client.put_customer(ann(BREAD), request_id="crm-1")
        assert reused.value.reason == "REQUEST_ID_REUSED"
        with pytest.raises(MatcherCallError) as ended:
            await client.put_customer(ann(REEFS, lasts=-1))
        assert (ended.value.code, ended.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CONSENT_MISSING")
        gone = await client.put_customer(ann())
        assert (gone.name, list(gone.interests), gone.HasField("consent")) == (first.name, [], False)


async def test_joined_customers_are_one_and_the_former_call_does_the_same(service: Server) -> None:
    """LinkCustomers answers the customer; LinkCustomer, which came before it, the number of handles."""
    async with service.client(await service.site()) as client:
        put = await client.put_customer(ann(REEFS))
        joined = await client.link_customers("ann-social", "ann@example.org")
        assert list(joined.handles) == ["+49 30/123456", "ann-social", "ann@example.org"]
        assert [one.text for one in joined.interests] == [REEFS]
        assert (await client.customer(put.name)).name == joined.name
        assert await client.link_customer("ann-fax", "ann-social") == 4


async def test_a_second_replica_hears_of_every_change(launch: StartServer, store_url: str) -> None:
    """What one replica has answered the other reads at once: neither keeps anything of customers for itself."""
    here, there = [await launch({"MATCHER_STORE_URL": store_url}) for _ in range(2)]
    site = await here.site()
    async with here.client(site) as writer, there.client(site) as reader:
        put = await writer.put_customer(ann(REEFS))
        await reader.customer(put.name)
        for texts in ((BREAD,), (REEFS, BREAD), ()):
            await writer.put_customer(ann(*texts))
            heard = await reader.customer(put.name)
            assert [one.text for one in heard.interests] == list(texts)
