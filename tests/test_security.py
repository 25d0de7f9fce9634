"""The tables of docs/security.md name tests that exist and run by default: what holds a line is there to fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
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
