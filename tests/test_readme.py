"""What README.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

from matcher.config import markdown
from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2

README = Path(__file__).parent.parent / "README.md"


def between(name: str) -> str:
    """Return what stands between two marks of README.md."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README.read_text("utf-8"), re.DOTALL)
    assert found is not None, name
    return found[1]


def test_the_table_of_settings_is_that_of_the_settings() -> None:
    """`matcher config --markdown` prints what stands in README.md."""
    assert between("settings") == markdown()


def test_the_table_of_the_api_names_every_method() -> None:
    """No method is missing, and none is named that does not exist."""
    services = (
        routing_pb2.DESCRIPTOR.services_by_name["RoutingService"],
        roster_pb2.DESCRIPTOR.services_by_name["RosterService"],
        customers_pb2.DESCRIPTOR.services_by_name["CustomerService"],
        feedback_pb2.DESCRIPTOR.services_by_name["FeedbackService"],
        keys_pb2.DESCRIPTOR.services_by_name["KeyService"],
    )
    methods = {method.name for service in services for method in service.methods}
    table = README.read_text("utf-8").partition("## The API")[2].partition("**Hard constraints**")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert named == methods
