"""Mails at a terminal: what was not compared, interests that meet no message, and a pool's own small talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Person, lines
from tests.processes import Server

PAGE = "<p>My honey bees have left the hive.</p><blockquote type='cite'>A brass band plays.</blockquote>"


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site."""
    return Person(service.target, await service.site())


async def test_an_import_names_the_interests_that_meet_no_message_and_check_lists_them(person: Person) -> None:
    """A warning names the line, the interest and the reason; the row is imported."""
    roster = lines([{"id": "aster", "interests": ["ንቦችን አሳድጋለሁ", "Good morning!", "I keep honey bees."]}])
    result = await person.types("agents", "import", "-", stdin=roster)
    assert (result.code, result.out) == (0, "1 created\n")
    assert result.err.splitlines()[:2] == [
        "line 1 (aster): this interest meets no message: ንቦችን አሳድጋለሁ (the serving model knows no word of it)",
        "line 1 (aster): this interest meets no message: Good morning! (it is small talk)",
    ]
    checked = await person.types("agents", "check")
    assert checked.code == 1
    assert "2 interests meet no message" in checked.out
    assert "ንቦችን አሳድጋለሁ" in checked.out
    documents = (await person.types("agents", "check", "--json")).documents()
    assert [document["reason"] for document in documents] == ["UNKNOWN_TO_MODEL", "SMALL_TALK"]


async def test_a_mail_is_routed_from_standard_input_and_its_record_says_what_was_not_compared(person: Person) -> None:
    """The places are those of the text as it was typed."""
    await person.imports(data=lines([{"id": "bea", "interests": ["I keep honey bees."], "status": "ONLINE"}]))
    suggested = await person.types("suggest", "-", "--media-type", "text/html", stdin=PAGE.encode())
    assert "not compared: markup 0-3, markup 36-40, quote 40-96" in suggested.out
    routed = await person.types("route", "-", "--media-type", "text/html", "--json", stdin=PAGE.encode())
    record = await person.types("show", "decision", routed.documents()[0]["decision"].rpartition("/")[2])
    assert "quote 40-96" in record.out
    wrong = await person.types("route", "hello", "--media-type", "text/markdown")
    assert wrong.code == 1
    assert "--media-type is not one of text/plain, text/html" in wrong.err


async def test_a_pool_takes_its_own_small_talk_from_a_file(person: Person, tmp_path: Path) -> None:
    """One sentence a line; --unset takes them away again."""
    file = tmp_path / "talk.txt"
    file.write_text("Beam me up!\n\nLive long and prosper\n", "utf-8")
    assert (await person.types("pools", "update", "default", "--small-talk", str(file))).code == 0
    (pool,) = (await person.types("pools", "get", "default", "--json")).documents()
    assert pool["small_talk"] == ["Beam me up!", "Live long and prosper"]
    assert "2 sentences" in (await person.types("pools", "get", "default")).out
    assert (await person.types("pools", "update", "default", "--unset", "small_talk")).code == 0
    (pool,) = (await person.types("pools", "get", "default", "--json")).documents()
    assert not pool.get("small_talk")
