"""The table of permissions and the descriptors agree: each method has a row, and each field of text is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from matcher.auth.principal import Role
from matcher.auth.table import TABLE, Reach
from matcher.rpc.asked_names import DEFAULTED, IDS, TEXTS
from tests.auth.asked import METHODS, NAMES, texts


def test_every_method_has_a_row() -> None:
    """A method without a row is refused to everybody: what is new is given to somebody, in the table."""
    assert set(METHODS) - set(TABLE) == set()


def test_only_health_is_open() -> None:
    """Nothing of the service's own answers a caller who does not say who calls."""
    assert all(method.startswith("/grpc.health.") for method, row in TABLE.items() if row.reach is Reach.OPEN)


@pytest.mark.parametrize("method", METHODS)
def test_every_field_of_text_is_known_to_hold_names_or_not(method: str) -> None:
    """A new field stands in one of the lists, and so was looked at: a name that is not read is not refused either."""
    assert set(texts(METHODS[method].input_type)) <= TEXTS | set(IDS) | set(NAMES)


def test_the_lists_of_fields_name_nothing_twice_and_nothing_that_is_gone() -> None:
    """A field is one thing, and a list does not keep what no request has."""
    found = {name for method in METHODS.values() for name in texts(method.input_type)}
    assert TEXTS & (set(IDS) | set(NAMES)) == set()
    assert set(IDS) | set(NAMES) <= found
    assert TEXTS - found == set()
    messages = {method.input_type.name for method in METHODS.values()}
    assert {path.partition(".")[0] for path in DEFAULTED} <= messages


def test_the_documentation_shows_the_table_as_it_is() -> None:
    """docs/security.md has a line for every method of the service, with its roles and its reach."""
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
    shown = text.partition("<!-- roles -->")[2].partition("<!-- /roles -->")[0].split()
    lines = [
        f"| `{method.removeprefix('/matcher.v1.')}` | "
        + " | ".join("yes" if role in row.roles else "" for role in Role)
        + f" | {row.reach.name} |"
        for method, row in TABLE.items()
        if method.startswith("/matcher.")
    ]
    head = ["| method | " + " | ".join(Role) + " | reaches |", "|---|" + "---|" * len(Role) + "---|"]
    assert " ".join([*head, *lines]).split() == shown
    assert [reach for reach in Reach if f"| {reach.name} | {reach.value} |" not in text] == []


def test_no_field_of_a_request_is_an_address() -> None:
    """Nothing that a caller says makes the service open a connection: addresses are settings."""
    words = {"url", "uri", "host", "address", "endpoint", "callback", "webhook", "target", "file", "path"}
    found = {name for method in METHODS.values() for name in texts(method.input_type)}
    assert found
    assert [name for name in found if words & set(name.rpartition(".")[2].split("_"))] == []
