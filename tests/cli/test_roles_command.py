"""`matcher roles`: the table of permissions, as a person and as a program reads it."""

from __future__ import annotations

from matcher.auth.table import TABLE
from tests.cli.command import matcher


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
