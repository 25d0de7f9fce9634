"""Refused ids: the error says which sign stands where, and suggests an id that is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.model.resource_names import contact_name
from matcher.rpc import id_faults, resource_names
from matcher.rpc.resource_names import Kind, contact_id_fault, id_fault, is_contact_id, is_id, name_fault


@pytest.mark.parametrize(
    ("text", "fault", "similar"),
    [
        ("Bob", '"B" at place 1', "bob"),
        ("bob smith", "a space at place 4", "bob-smith"),
        ("zoë", '"ë" (U+00EB LATIN SMALL LETTER E WITH DIAERESIS) at place 3', "zoe"),
        ("bob\u200b", "U+200B ZERO WIDTH SPACE at place 4", "bob"),
        ("b\u043eb", '"\u043e" (U+043E CYRILLIC SMALL LETTER O) at place 2', "bob"),
        ("_bob", '"_" at place 1', "bob"),
        ("jose.garcia@example.com", '"@" at place 12', "jose.garcia-example.com"),
        ("a" * 64, "64 characters", "a" * 63),
        (
            "a\u0418\u0432",
            '"\u0418" (U+0418 CYRILLIC CAPITAL LETTER I) at place 2, "\u0432" (U+0432 CYRILLIC SMALL LETTER VE)'
            " at place 3",
            "",
        ),
        ("ABCDE", '"A" at place 1, "B" at place 2, "C" at place 3, 2 more', "abcde"),
    ],
)
def test_an_id_that_is_refused_is_explained(text: str, fault: str, similar: str) -> None:
    """The sign, its place, invisible ones by number and name, and the rule; then the suggestion, where there is one."""
    said = id_fault(text)
    assert said.startswith(f"has {fault}, but takes {resource_names.ID_RULE}")
    assert ("would be taken" in said) is bool(similar)
    assert said.endswith(f'; "{similar}" would be taken' if similar else resource_names.ID_RULE)


def test_a_contact_id_takes_the_signs_of_mail_and_tickets() -> None:
    """A Message-ID is a contact id as it is; what separates entries of the store, or selects keys, is not."""
    assert is_contact_id("<CAF+x=y/z,1@mail.example.com>")
    for sign in '|{}* "%\n':
        assert not is_contact_id(f"c{sign}1")
    assert contact_id_fault("c|1").endswith('; "c-1" would be taken')


@given(text=st.text(min_size=1, max_size=200))
def test_a_suggestion_is_taken(text: str) -> None:
    """Whatever was refused: the id that is suggested is an id."""
    for similar, taken in (
        (id_faults.similar_id(text), is_id),
        (id_faults.similar_contact_id(text), is_contact_id),
    ):
        assert not similar or taken(similar)


@given(contact=st.from_regex(r"[A-Za-z0-9_.:~@<>+=,/-]{1,128}", fullmatch=True))
def test_the_name_of_a_contact_gives_its_id(contact: str) -> None:
    """A "/" is written %2F in the name, so that the name has four parts for any id."""
    assert resource_names.parse(contact_name("default", contact), Kind.CONTACT) == ("default", contact)


def test_a_name_with_a_wrong_id_says_what_is_wrong_with_the_id() -> None:
    """The form of the name is right; the id is not."""
    assert name_fault("sites/default/agents/Bob", Kind.AGENT).startswith('has "B" at place 1')
    assert name_fault("agents/bob", Kind.AGENT) == 'is not of the form "sites/{site}/agents/{id}"'
