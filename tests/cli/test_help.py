"""The help of every command on a narrow terminal: what can be typed is printed whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from matcher.cli import app


def paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command with the words that call it."""
    for name, below in getattr(command, "commands", {}).items():
        yield from paths(below, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = list(paths(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_no_name_of_an_option_is_cut_at_80_columns(path: tuple[str, ...], command: Any) -> None:
    """A name that ends in "…" cannot be typed."""
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert shown.exit_code == 0
    words = {name for word in shown.output.split() for name in word.split(",")}
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {name for name in names if name.startswith("--")} <= words
