"""Page tokens that a caller makes up: each is a wrong field of the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from matcher.rpc.validation.violations import page_token
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.conftest import Service, failure

SITE = "sites/default"
FORGED = ["now|c-1", "|c-1", "12", "12|", "1" * 40 + "|c-1", "12|c-1|", "\n", "9|c\0", "no id", "M" * 64]


@pytest.mark.parametrize("key", FORGED)
@pytest.mark.parametrize("listing", ["agents", "pools", "sites", "contacts", "reservations", "customers"])
async def test_a_token_that_somebody_made_is_a_wrong_field(service: Service, listing: str, key: str) -> None:
    """A token is no secret: one that holds no key of its list gets FIELDS_INVALID, and reaches no service."""
    token = page_token(key, listing)
    calls: dict[str, Callable[[], Any]] = {
        "agents": lambda: service.people.ListAgents(people.ListAgentsRequest(parent=SITE, page_token=token)),
        "pools": lambda: service.people.ListPools(people.ListPoolsRequest(parent=SITE, page_token=token)),
        "sites": lambda: service.people.ListSites(people.ListSitesRequest(page_token=token)),
        "contacts": lambda: service.routing.ListContacts(routing.ListContactsRequest(parent=SITE, page_token=token)),
        "customers": lambda: service.customers.ListCustomers(
            customers.ListCustomersRequest(parent=SITE, page_token=token)
        ),
        "reservations": lambda: service.routing.ListReservations(
            routing.ListReservationsRequest(parent=SITE, page_token=token)
        ),
    }
    call = calls[listing]
    if key == "12" and listing in {"agents", "pools", "sites"}:
        await call()  # "12" is an id
        return
    assert set((await failure(call())).violations) == {"page_token"}
    assert service.calls() == []
