"""`matcher agents import` with the files of a person's week: two columns, last night's statuses, torn, misread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Person, Result, lines
from tests.processes import Server

ROSTER: Sequence[Mapping[str, object]] = [
    {
        "id": f"a{number}",
        "display_name": f"Agent {number}",
        "interests": [f"I sail boat number {number}."],
        "skills": {"tax": 3},
        "languages": ["German", "no"],
        "status": "ONLINE",
    }
    for number in range(20)
]


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site of twenty agents."""
    person = Person(service.target, await service.site())
    result = await person.imports(data=json.dumps(ROSTER).encode())
    assert result.documents()[-1] == {"summary": {"created": 20}, "dry_run": False}
    return person


async def agent(person: Person, agent_id: str) -> Any:
    """Return an agent."""
    return (await person.types("agents", "get", agent_id, "--json")).documents()[0]


async def csv(person: Person, text: str, *options: str) -> Result:
    """Import CSV."""
    return await person.types("agents", "import", "-", "--format", "csv", *options, stdin=text.encode())


async def test_a_file_with_two_columns_changes_these_and_no_other(person: Person) -> None:
    """The dry run shows each change, old and new, and what would be lost; the import does the same."""
    text = "id,display_name,skills\na1,Ana,\na2,Agent 2,tax:4\na3,Agent 3,tax:3\n"
    result = await csv(person, text, "--dry-run")
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "line 2 (a1)",
        "  display_name: Agent 1 → Ana",
        "  skills: tax:3 → nothing",
        "line 3 (a2)",
        "  skills: tax:3 → tax:4",
        "would be lost: 1 skill",
        "2 updated, 1 unchanged (dry run: nothing written)",
    ]
    assert (await agent(person, "a1"))["display_name"] == "Agent 1"
    assert (await csv(person, text)).out == "2 updated, 1 unchanged\n"
    changed = await agent(person, "a1")
    assert (changed["display_name"], changed["skills"]) == ("Ana", [])
    assert changed["interests"] == ["I sail boat number 1."]
    assert (changed["languages"], changed["status"]) == (["de", "no"], "ONLINE")


async def test_last_nights_file_sets_nobody_online_unless_that_is_said(person: Person) -> None:
    """Agent 1 went home after the export."""
    await person.types("agents", "set-status", "a1", "offline")
    result = await person.types("agents", "import", "-", stdin=lines(ROSTER))
    assert (result.code, result.out) == (0, "20 unchanged\n")
    assert "1 agent kept the status: a file gives new agents theirs, and others with --with-status" in result.err
    assert (await agent(person, "a1"))["status"] == "OFFLINE"
    result = await person.types("agents", "import", "-", "--with-status", stdin=lines(ROSTER))
    assert result.out == "1 updated, 19 unchanged\n"
    assert (await agent(person, "a1"))["status"] == "ONLINE"


async def test_a_torn_file_removes_nobody(person: Person) -> None:
    """Ten of twenty lines with --prune: more than a tenth of the roster is missing."""
    result = await person.types("agents", "import", "-", "--prune", stdin=lines(ROSTER[:10]))
    assert result.code == 1
    assert "PRUNE_TOO_LARGE: 10 of 20 agents would be removed, and at most 2 may be: no agent was removed" in result.err
    assert "--max-removed 10 removes them" in result.err
    assert len((await person.types("agents", "list", "--json")).documents()) == 20
    result = await person.types("agents", "import", "-", "--prune", stdin=lines(ROSTER[:18]))
    assert result.out == "18 unchanged, 2 pruned\n"
    result = await person.types(
        "agents", "import", "-", "--prune", "--max-removed", "17", "--dry-run", stdin=lines(ROSTER[:1])
    )
    assert "a17 would be removed" in result.out
    assert "would be lost: 17 agents" in result.out
    result = await person.types("agents", "import", "-", "--max-removed", "1", stdin=lines(ROSTER))
    assert "--max-removed is for --prune" in result.err


async def test_a_misread_text_is_refused_by_line_unless_it_is_taken_as_it_is(person: Person, tmp_path: Path) -> None:
    """Once taken it can be exported and imported like any other text."""
    text = "id,display_name\na1,TomÃ¡s\na2,Tomás\n"
    result = await csv(person, text)
    assert (result.code, result.out) == (1, "1 updated, 1 rejected\n")
    assert "line 2 (a1): display_name was decoded wrongly before: 'TomÃ¡s' is 'Tomás'; --as-is takes" in result.err
    assert (await csv(person, text, "--as-is")).out == "1 updated, 1 unchanged\n"
    for name in ("agents.csv", "agents.jsonl", "agents.json"):
        await person.types("agents", "export", str(tmp_path / name))
        result = await person.types("agents", "import", str(tmp_path / name))
        assert (result.code, result.out) == (0, "20 unchanged\n")


async def test_languages_by_name_meet_and_wrong_ones_get_the_nearest(person: Person) -> None:
    """An agent with "German" and "no" is found by "de-AT" and "nb"; "jp" is refused, "ja" is named."""
    for language in ("de-AT", "nb", "Norwegian"):
        result = await person.types("suggest", "I want to sail boat number 3.", "--language", language, "--json")
        assert result.documents()[0]["candidates"], language
    result = await csv(person, "id,languages\na1,jp\n")
    assert "line 2 (a1): languages[0] is no language" in result.err
    assert 'the nearest is "ja" (Japanese)' in result.err


async def test_a_wrong_id_is_explained_with_one_that_would_be_taken(person: Person) -> None:
    """The sign, its place, and the suggestion."""
    result = await csv(person, "id,interests\nJosé Núñez,I dig.\n")
    assert "a space at place 5" in result.err
    assert '"jose-nunez" would be taken' in result.err


async def test_a_contact_has_the_id_of_its_mail(person: Person) -> None:
    """A Message-ID with "<", "@", "=" and "/" is routed, shown and canceled by the id that the mail has."""
    contact = "<CAF+x=y/z,1@mail.example.com>"
    routed = await person.types("route", "I want to sail boat number 3.", "--contact", contact, "--json")
    assert routed.documents()[0]["contact"].endswith("/contacts/<CAF+x=y%2Fz,1@mail.example.com>")
    assert contact in (await person.types("contacts", "list")).out
    assert contact in (await person.types("show", "contact", contact)).out
