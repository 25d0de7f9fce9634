"""`matcher roles` and `matcher sites usage`: what callers may do and how much, as people and programs read it."""

from __future__ import annotations

from matcher.auth.table import TABLE
from tests.cli.command import matcher
from tests.processes import Server


async def test_the_table_of_roles_is_printed_without_a_service() -> None:
    """Every method has a line with its roles; one role alone has only what it may do."""
    whole, observer = await matcher("roles"), await matcher("roles", "observer")
    assert "RoutingService/AssignContact        platform, supervisor" in whole.out
    assert "RoutingService/AssignContact" not in observer.out
    assert "RoutingService/ListContacts" in observer.out
    assert "grpc.health.v1.Health/Check         all" in whole.out


async def test_programs_read_the_table_as_json() -> None:
    """A document for each method."""
    answer = await matcher("roles", "--json")
    documents = answer.documents()
    assert {document["method"] for document in documents} == set(TABLE)
    assert {"method": "/matcher.v1.RosterService/CreateSite", "roles": ["owner"], "reach": "SITE"} in documents


async def test_the_usage_of_a_site_is_shown_beside_its_quotas(service: Server) -> None:
    """A quota that is not set reads none."""
    site = await service.site()
    shown = await matcher("sites", "usage", site, "--server", service.target)
    assert [line.split() for line in shown.out.splitlines()] == [
        ["quota", "used", "limit"],
        ["agents", "0", "none"],
        ["pools", "1", "none"],
        ["waiting_contacts", "0", "none"],
        ["open_offers", "0", "none"],
    ]
    (document,) = (await matcher("sites", "usage", site, "--server", service.target, "--json")).documents()
    assert [one["quota"] for one in document["quotas"]] == ["agents", "pools", "waiting_contacts", "open_offers"]
