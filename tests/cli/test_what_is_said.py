"""What the command line says to somebody who sees it for the first time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Person, lines
from tests.processes import Server


@pytest.fixture
async def stranger(service: Server) -> Person:
    """Give a person whose site has nobody in it."""
    return Person(service.target, await service.site())


async def test_a_site_without_agents_is_told_apart_from_one_where_nobody_is_free(stranger: Person) -> None:
    """It says that nobody is there and how to bring somebody; with an agent who is offline it says that instead."""
    for command in ("route", "suggest"):
        said = await stranger.types(command, "My bees have swarmed.")
        assert said.code == 0
        assert "has no agents yet; `matcher agents import FILE` brings some" in said.out
    await stranger.imports(data=lines([{"id": "ana", "interests": ["I keep bees."]}]))
    assert "status left nobody" in (await stranger.types("route", "My bees have swarmed.")).out


async def test_what_nobody_meets_is_said_when_asked_to_explain(stranger: Person) -> None:
    """With a language that no agent speaks, --explain says that nobody would match if everybody were free."""
    await stranger.imports(data=lines([{"id": "ana", "interests": ["I keep bees."], "status": "ONLINE"}]))
    said = await stranger.types("route", "My bees have swarmed.", "--skill", "juggling:3", "--explain")
    assert (said.code, said.out.splitlines()) == (
        0,
        [
            "nobody can take it now: skill left nobody",
            "left out: 1 by skill",
            "nobody would match if everybody were free: no agent meets all that is required",
        ],
    )


async def test_all_that_is_wrong_with_a_row_is_said_at_once(stranger: Person, tmp_path: Path) -> None:
    """What the file shows and what only the service knows: in one round, also for a row that is wrong twice."""
    file = tmp_path / "agents.csv"
    file.write_text("id,interests,skills,languages\nAna!,,tax,en\nben,I sail.,,en\n")
    said = await stranger.types("agents", "import", str(file), "--json")
    rejected, *_ = said.documents()
    assert {one["field"].split("[")[0] for one in rejected["violations"]} == {"id", "interests", "skills"}
    assert rejected["line"] == 2
    assert said.documents()[-1]["summary"] == {"created": 1, "rejected": 1}


async def test_an_error_is_json_where_json_was_asked_for(stranger: Person) -> None:
    """On stderr: reason, fields by the API's name and as they were typed, and nothing on stdout."""
    said = await stranger.types("route", "", "--skill", "tax:101", "--json")
    assert (said.code, said.out) == (1, "")
    error = json.loads(said.err)["error"]
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "FIELDS_INVALID")
    assert {one["field"]: one["typed"] for one in error["violations"]} == {
        "message.text": "TEXT",
        "message.required_skills[0].level": "--skill 1, level",
    }
    said = await stranger.types("agents", "get", "nobody", "--json")
    assert json.loads(said.err)["error"]["reason"] == "AGENT_NOT_FOUND"
    said = await stranger.types("pools", "update", "default", "--json")
    assert "nothing to change" in json.loads(said.err)["error"]["message"]


async def test_what_is_wrong_with_a_pool_is_said_by_its_flags(stranger: Person) -> None:
    """Nobody who types --floor has heard of affinity_floor."""
    said = await stranger.types("pools", "create", "bills", "--floor", "7", "--offer", "-1")
    assert said.code == 1
    assert "--floor " in said.err
    assert "--offer " in said.err
    assert "affinity_floor" not in said.err


async def test_what_is_held_is_listed(stranger: Person) -> None:
    """Everything the site holds, or what one agent does."""
    agents = [{"id": one, "interests": ["I keep bees."], "status": "ONLINE"} for one in ("ana", "ben")]
    await stranger.imports(data=lines(agents))
    for _ in agents:
        await stranger.types("route", "My bees have swarmed.")
    listed = (await stranger.types("reservations", "--json")).documents()
    assert {one["agent"].rpartition("/")[2] for one in listed} == {"ana", "ben"}
    said = await stranger.types("reservations", "--agent", "ana")
    assert said.out.splitlines()[-1] == "1 reservations"
    assert " PENDING " in said.out
