"""Grants as people write them."""

from __future__ import annotations

import pytest

from matcher.auth.grant_text import grant_text, parse_grant
from matcher.auth.principal import ALL, Grant, Role

WRITTEN = {
    "owner": Grant(Role.OWNER),
    "observer@acme": Grant(Role.OBSERVER, frozenset({"acme"})),
    "admin@acme,beta": Grant(Role.ADMIN, frozenset({"acme", "beta"})),
    "supervisor@acme/billing,night": Grant(Role.SUPERVISOR, frozenset({"acme"}), frozenset({"billing", "night"})),
    "agent@acme:maya": Grant(Role.AGENT, frozenset({"acme"}), ALL, "maya"),
}

WRONG = {
    "": "form",
    "Owner": "form",
    "boss": "no role",
    "agent": "one site and the agent",
    "agent@acme": "one site and the agent",
    "agent@acme,beta:maya": "one site",
    "agent@*:maya": "one site",
    "admin@acme:maya": "names an agent",
    "supervisor@*/billing": "must name one site",
    "supervisor@acme,beta/billing": "must name one site",
    "observer@Acme": "no id",
    "observer@acme,": "no id",
    "observer@acme/": "form",
    "observer@acme owner": "no id",
    "owner@" + "a" * 300: "form",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_grant_is_read_as_it_is_written(text: str) -> None:
    """Each form means one grant, and is written the same way again."""
    assert parse_grant(text) == WRITTEN[text]
    assert grant_text(WRITTEN[text]) == text


def test_a_star_is_every_site() -> None:
    """The same as no site at all."""
    assert parse_grant("observer@*") == parse_grant("observer") == Grant(Role.OBSERVER)


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_grant_says_what_is_wrong(text: str) -> None:
    """Nothing is guessed: a grant that is half understood would open too much."""
    with pytest.raises(ValueError, match=WRONG[text]):
        parse_grant(text)
