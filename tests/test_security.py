"""The tables of docs/security.md name tests that exist and run by default: what holds a line is there to fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_command

from matcher.cli import app

ROOT: Final = Path(__file__).parents[1]
TEXT: Final = (ROOT / "docs" / "security.md").read_text("utf-8")
HELD: Final = (
    (ROOT / "docs" / "security.md").read_text("utf-8").partition("<!-- held -->")[2].partition("<!-- /held -->")[0]
)
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in HELD.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| risk |", "| what |"))
]
ELSEWHERE: Final = ("node", "nginx", "alerts", "console")
"""Markers of tests that the default run leaves out."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_line_names_a_test_that_exists(row: list[str]) -> None:
    """Its file has a function of that name, which no marker takes out of the default run."""
    named = re.findall(r"`([^`]+)`", row[2])
    assert named
    for one in named:
        file, _, name = one.partition("::")
        text = (ROOT / file).read_text("utf-8")
        found = re.search(rf"((?:^@.*\n(?:^[ )].*\n)*)*)^(?:async )?def {name}\(", text, re.MULTILINE)
        assert found, one
        assert not any(f"mark.{marker}" in found[1] for marker in ELSEWHERE), one


def test_the_owasp_list_is_whole() -> None:
    """Ten risks of 2023, in their order, and a list of gRPC beside it."""
    assert [row[0].split()[0] for row in ROWS[:10]] == [f"API{number}" for number in range(1, 11)]
    assert len(ROWS) >= 25


def test_every_command_stands_in_the_table_of_roles() -> None:
    """Once, alone or with its group; none that is gone."""
    table = TEXT.partition("<!-- commands -->")[2].partition("<!-- /commands -->")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z -]+)`", row)]
    groups = {name: set(getattr(one, "commands", ())) for name, one in get_command(app).commands.items()}  # type: ignore[attr-defined]
    known = set(groups) | {f"{group} {name}" for group, names in groups.items() for name in names}
    assert [name for name in named if name not in known | {"access --local"}] == []
    assert sorted(named) == sorted(set(named))
    covered = {name.partition(" ")[0] for name in named}
    assert set(groups) - covered == set()
    partly = {group for group in groups if group not in named}
    assert [name for name in known - set(named) if " " in name and name.partition(" ")[0] in partly] == []
