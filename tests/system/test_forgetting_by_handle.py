"""Forgetting by a handle that only contacts have: nothing was remembered of the customer, and every trace goes."""

from __future__ import annotations

import uuid

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as routing
from tests.cli.command import Result, matcher
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server
from tests.system.test_forgetting import every_byte, keys_of, left_in, rewritten, store_of
from tests.system.test_ledger import export, has_steps


async def served(client: MatcherClient, contact: str, customer: str) -> routing.Reservation:
    """Let a customer talk with the agent in a pool that remembers nobody, to a good end; return the reservation."""
    routed = await client.route("I sail.", contact_id=contact, customer=customer, auto_accept=True)
    await client.complete(routed.reservation.name, resolved=True, rating=5)
    return routed.reservation


async def is_unknown(client: MatcherClient, handle: str) -> None:
    """Wait until the ledger has done what the forgetting asks of it: it follows within about a second."""

    async def gone() -> bool:
        try:
            await client.lookup_customer(handle, with_ended_contacts=True)
        except MatcherCallError as unknown:
            return unknown.reason == "CUSTOMER_NOT_FOUND"
        return False

    await wait_until(gone, "nobody is found by the handle")


async def test_a_customer_whom_only_contacts_know_is_shown_and_forgotten_to_the_last_byte(launch: StartServer) -> None:
    """The store, its files, the logs and the ledger lose the handle, its digest and the ids of what came of it."""
    server = await launch({"MATCHER_FORGET_REWRITE_SECONDS": "1"})
    tag = f"canary{uuid.uuid4().hex[:8]}x"
    anna, site, tool = f"{tag}anna@example.com", await server.site(), {"MATCHER_DATA_DIR": str(server.data_dir)}
    async with server.client(site) as client:
        await hire(client, {"bea": person("I sail.", most=9)})
        hers = await served(client, f"{tag}c-1", anna)
        his = await served(client, "c-2", "bob@example.com")
        await has_steps(tool, site, 4)
        async with store_of(server) as redis:
            held = await keys_of(redis)
        digests = {
            parts[at + 1]
            for key, parts in held.items()
            if hers.decision.rpartition("/")[2].encode() in key
            for at in range(0, len(parts), 2)
            if parts[at] == b"customer"
        }
        assert len(digests) == 1
        secrets = [tag.encode(), *digests, *(one.rpartition("/")[2].encode() for one in (hers.name, hers.decision))]
        assert len(left_in(await every_byte(server), secrets)) == len(secrets) == 4

        with pytest.raises(MatcherCallError) as unnamed:
            await client.lookup_customer(anna)
        assert "`with_ended_contacts` tells" in unnamed.value.message
        found = await client.lookup_customer(anna, with_ended_contacts=True)
        assert (found.name, list(found.handles)) == ("", [anna])
        assert list(found.ended_contacts) == [client.name("contacts", f"{tag}c-1")]
        assert list(found.decisions) == [hers.decision]

        await client.forget_handle(anna)
        with pytest.raises(MatcherCallError) as gone:
            await client.contact(f"{tag}c-1")
        assert gone.value.reason == "CONTACT_NOT_FOUND"
        await has_steps(tool, site, 2)
        assert [row["contact"] for row in await export("contacts", tool)] == ["c-2"]
        for again in (client.lookup_customer(anna, with_ended_contacts=True), client.forget_handle(anna)):
            with pytest.raises(MatcherCallError) as unknown:
                await again
            assert (unknown.value.code, unknown.value.reason) == (grpc.StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND")
            assert "no contact, no decision and no row of the ledger has it" in unknown.value.message
            assert tag not in str(unknown.value)
        assert (await client.contact("c-2")).customer == "bob@example.com"
        assert (await client.decision(his.decision)).contact == client.name("contacts", "c-2")
        await rewritten(server)

        async def is_left_nowhere() -> bool:
            return left_in(await every_byte(server), secrets) == []

        await wait_until(is_left_nowhere, "the ledger's write-ahead log is empty, too")


async def test_a_handle_that_only_the_ledger_has_is_shown_and_forgotten(launch: StartServer) -> None:
    """The store keeps a contact for a day, and the ledger its row for 400, with a digest of the handle."""
    server = await launch({})
    site, tool = await server.site(), {"MATCHER_DATA_DIR": str(server.data_dir)}
    async with server.client(site) as client:
        await hire(client, {"bea": person("I sail.", most=9)})
        for contact in ("c-1", "c-2"):
            await served(client, contact, "anna@example.com")
        await served(client, "c-3", "bob@example.com")
        await has_steps(tool, site, 6)
        async with store_of(server) as redis:  # as when their time in the store is over
            for kind in ("contact", "decision", "resv", "once"):
                names = [key async for key in redis.scan_iter(f"m:{{{site}}}:{kind}:*")]
                assert names
                await redis.delete(*names)
        found = await client.lookup_customer("anna@example.com", with_ended_contacts=True)
        assert list(found.ended_contacts) == [client.name("contacts", contact) for contact in ("c-1", "c-2")]
        await client.forget_handle("anna@example.com")
        await has_steps(tool, site, 2)
        assert [row["contact"] for row in await export("contacts", tool)] == ["c-3"]


async def test_whom_only_contacts_know_is_forgotten_in_contact_by_force_only(service: Server) -> None:
    """Without `force` the refusal counts the contacts and does not repeat the handle; with it they go on alone."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I sail.")})
        talks = await client.route("I sail.", contact_id="talks", customer="anna@example.com", auto_accept=True)
        await client.route("I sail.", contact_id="waits", customer="anna@example.com", wait=True)
        with pytest.raises(MatcherCallError) as refused:
            await client.forget_handle("anna@example.com")
        assert (refused.value.code, refused.value.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "CUSTOMER_IN_CONTACT",
        )
        assert "the customer of this handle has 2 contacts that have not ended" in refused.value.message
        found = await client.lookup_customer("anna@example.com", with_ended_contacts=True)
        assert len(found.open_contacts) == 2
        await client.forget_handle("anna@example.com", force=True)
        for contact, state in (("talks", routing.CONTACT_ASSIGNED), ("waits", routing.CONTACT_QUEUED)):
            kept = await client.contact(contact)
            assert (kept.state, kept.customer) == (state, "")
        await client.complete(talks.reservation.name, resolved=True)
        await is_unknown(client, "anna@example.com")


async def test_what_is_remembered_goes_by_any_handle_and_ended_contacts_are_shown_by_name(service: Server) -> None:
    """One handle has the customer's record and the other's contacts go with it."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I sail.", most=9)})
        customer = await client.link_customers("anna@example.com", "+49 30/123456")
        hers = await served(client, "c-1", "+49 30/123456")
        assert not (await client.customer(customer.name)).ended_contacts
        found = await client.customer(customer.name, with_ended_contacts=True)
        assert found == await client.lookup_customer("anna@example.com", with_ended_contacts=True)
        assert (list(found.ended_contacts), list(found.decisions)) == (
            [client.name("contacts", "c-1")],
            [hers.decision],
        )
        await client.forget_handle("anna@example.com")
        await is_unknown(client, "+49 30/123456")


async def test_a_person_at_the_command_line_shows_and_forgets_whom_only_contacts_know(service: Server) -> None:
    """As a stranger does: route, complete, get, forget; then nothing prints the customer any more."""
    site = await service.site()

    async def run(*words: str) -> Result:
        return await matcher(*words, "--server", service.target, "--site", site)

    async with service.client(site) as client:
        await hire(client, {"bea": person("I sail.", most=9)})
        await served(client, "c-1", "anna@example.com")
    shown = await run("customers", "get", "--handle", "anna@example.com")
    assert shown.code == 0, shown.err
    assert "c-1" in shown.out
    forgotten = await run("customers", "forget", "--handle", "anna@example.com")
    assert (forgotten.code, forgotten.out.strip()) == (0, "forgot anna@example.com")
    async with service.client(site) as client:
        await is_unknown(client, "anna@example.com")
    assert (await run("contacts", "show", "c-1")).code == 1
    again = await run("customers", "forget", "--handle", "anna@example.com")
    assert again.code == 1
    assert "no contact, no decision and no row of the ledger has it" in again.err
