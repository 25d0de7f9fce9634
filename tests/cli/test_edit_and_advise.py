"""`matcher agents edit` and `matcher agents advise`: a profile changed in the editor, and how to write one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.command import Person, lines
from tests.processes import Server

ROSTER = [
    {"id": "ana", "interests": ["I sail along the coast with my daughters.", "sailing"], "status": "ONLINE"},
    {"id": "ben", "interests": ["I bake dark rye bread in a wood oven."], "status": "ONLINE"},
    {"id": "cy", "interests": ["ድመት እወዳለሁ", "hello"], "status": "OFFLINE"},
]


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site and three agents."""
    person = Person(service.target, await service.site())
    assert (await person.imports(data=lines(ROSTER))).code == 0
    return person


def editor(folder: Path, old: str, new: str) -> dict[str, str]:
    """Return an environment whose editor replaces one text by another."""
    script = folder / "editor.py"
    code = f"""
import pathlib, sys
file = pathlib.Path(sys.argv[1])
file.write_text(file.read_text("utf-8").replace({old!r}, {new!r}), "utf-8")
"""
    script.write_text(code, "utf-8")
    return {"EDITOR": f"{sys.executable} {script}"}


async def test_an_agent_is_edited_in_the_editor(person: Person, tmp_path: Path) -> None:
    """What was changed is written, and nothing else; a text that was not changed writes nothing."""
    environment = editor(tmp_path, '"sailing"', '"I race dinghies on the lake."')
    result = await person.types("agents", "edit", "ana", "--json", environment=environment)
    assert result.code == 0, result.err
    (agent,) = result.documents()
    assert agent["interests"] == ["I sail along the coast with my daughters.", "I race dinghies on the lake."]
    assert agent["status"] == "ONLINE"
    environment = editor(tmp_path, "nothing like this", "")
    unchanged = await person.types("agents", "edit", "ana", environment=environment)
    assert unchanged.out == "nothing was changed\n"


async def test_what_is_wrong_in_an_edited_agent_is_named_by_its_field(person: Person, tmp_path: Path) -> None:
    """The errors of the file and those of the service; the agent stays as it is."""
    for old, new, error in (
        ('"total": ', '"total": -', "capacity.total"),
        ('"interests"', '"interests', "is not JSON"),
        ('"default"', '"nowhere"', "POOL_NOT_FOUND"),
    ):
        result = await person.types("agents", "edit", "ana", environment=editor(tmp_path, old, new))
        assert result.code == 1
        assert error in result.err
    broken = await person.types("agents", "edit", "ana", environment={"EDITOR": "no-such-editor"})
    assert "the editor no-such-editor cannot be run" in broken.err
    alone = await person.types("agents", "edit", "ana", environment={"EDITOR": "", "VISUAL": ""})
    assert "there is no terminal to edit at" in alone.err
    assert '"sailing"' in (await person.types("agents", "get", "ana", "--json")).out


async def test_a_profile_is_tried_on_the_roster(person: Person) -> None:
    """Each interest says how many others it meets and what to do; what no message meets is named."""
    result = await person.types("agents", "advise", "cy", "--json")
    assert [one["advice"] for one in result.documents()] == [
        "no message meets it: the serving model knows no word of it",
        "no message meets it: it is small talk",
    ]
    result = await person.types(
        "agents", "advise", "ana", "--interest", "I bake dark rye bread in a wood oven.", "--json"
    )
    own, short, draft = result.documents()
    assert (own["others"], own["advice"]) == (0, "found by its own words")
    assert short["advice"].startswith("too short to tell what is meant")
    assert draft["others"] == 1
    assert "write each interest as a sentence" in (await person.types("agents", "advise", "ben")).out
