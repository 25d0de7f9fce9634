"""The command line's answers and errors, as a first-time user reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Person, lines
from tests.processes import Server


@pytest.fixture
async def stranger(service: Server) -> Person:
    """Return a person whose site has no agents."""
    return Person(service.target, await service.site())


async def test_a_site_without_agents_reads_differently_from_one_without_a_free_agent(stranger: Person) -> None:
    """Without agents the command says how to add some; with an agent who is offline it names the constraint."""
    for command in ("route", "suggest"):
        result = await stranger.types(command, "My bees have swarmed.")
        assert result.code == 0
        assert "has no agents yet; add some with `matcher agents import FILE`" in result.out
    await stranger.imports(data=lines([{"id": "ana", "interests": ["I keep bees."]}]))
    assert "nobody who may take it is ONLINE" in (await stranger.types("route", "My bees have swarmed.")).out


async def test_explain_says_that_no_agent_meets_the_requirements(stranger: Person) -> None:
    """With a skill that no agent has, --explain says that no agent would match even if all were free."""
    await stranger.imports(data=lines([{"id": "ana", "interests": ["I keep bees."], "status": "ONLINE"}]))
    result = await stranger.types("route", "My bees have swarmed.", "--skill", "juggling:3", "--explain")
    assert (result.code, result.out.splitlines()) == (
        0,
        [
            "no agent can take the message now: nobody who may take it has the skills: juggling 3",
            "left out: 1 without the skills",
            "no agent would match even if all were free: none meets all requirements",
        ],
    )


async def test_all_violations_of_a_row_are_reported_at_once(stranger: Person, tmp_path: Path) -> None:
    """One import reports the violations that the file shows and those that only the service finds."""
    file = tmp_path / "agents.csv"
    file.write_text("id,interests,skills,languages\nAna!,,tax,en\nben,I sail.,,en\n")
    result = await stranger.types("agents", "import", str(file), "--json")
    rejected, *_ = result.documents()
    assert {violation["field"].split("[")[0] for violation in rejected["violations"]} == {"id", "interests", "skills"}
    assert rejected["line"] == 2
    assert result.documents()[-1]["summary"] == {"created": 1, "rejected": 1}


async def test_an_error_with_json_is_a_json_document(stranger: Person) -> None:
    """Stderr holds the reason and the fields, by the API's names and as typed; stdout is empty."""
    result = await stranger.types("route", "", "--skill", "tax:101", "--json")
    assert (result.code, result.out) == (1, "")
    error = json.loads(result.err)["error"]
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "FIELDS_INVALID")
    assert {violation["field"]: violation["typed"] for violation in error["violations"]} == {
        "message.text": "TEXT",
        "message.required_skills[0].level": "--skill 1, level",
    }
    result = await stranger.types("agents", "get", "nobody", "--json")
    assert json.loads(result.err)["error"]["reason"] == "AGENT_NOT_FOUND"
    result = await stranger.types("pools", "update", "default", "--json")
    assert "nothing to change" in json.loads(result.err)["error"]["message"]


async def test_violations_of_a_pool_are_named_by_flags(stranger: Person) -> None:
    """A user who types --floor does not know the field affinity_floor."""
    result = await stranger.types("pools", "create", "bills", "--floor", "7", "--offer", "-1")
    assert result.code == 1
    assert "--floor " in result.err
    assert "--offer " in result.err
    assert "affinity_floor" not in result.err


async def test_reservations_are_listed_by_site_and_by_agent(stranger: Person) -> None:
    """The list holds the reservations of the whole site, or of one agent."""
    agents = [{"id": agent, "interests": ["I keep bees."], "status": "ONLINE"} for agent in ("ana", "ben")]
    await stranger.imports(data=lines(agents))
    for _ in agents:
        await stranger.types("route", "My bees have swarmed.")
    listed = (await stranger.types("reservations", "--json")).documents()
    assert {reservation["agent"].rpartition("/")[2] for reservation in listed} == {"ana", "ben"}
    result = await stranger.types("reservations", "--agent", "ana")
    assert result.out.splitlines()[-1] == "1 reservation"
    assert " PENDING " in result.out
