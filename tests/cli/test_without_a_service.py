"""What the command line says where no service is needed, or none is there."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.command import matcher


async def test_nobody_there_says_so_and_what_to_start() -> None:
    """One line, exit code 1, nothing on stdout."""
    why = "nothing answers at 127.0.0.1:1: start the service with `matcher serve`, or name another with --server"
    said = await matcher("route", "My tent leaks.", "--server", "127.0.0.1:1")
    assert (said.code, said.out, said.err) == (1, "", f"error: {why}\n")
    said = await matcher("route", "My tent leaks.", "--server", "127.0.0.1:1", "--json")
    assert (said.code, said.out) == (1, "")
    assert json.loads(said.err) == {"error": {"code": "UNAVAILABLE", "reason": "", "message": why}}


async def test_an_import_without_a_service_says_that_and_nothing_else(tmp_path: Path) -> None:
    """No count of rows that were never sent; rows that are wrong by themselves are named all the same."""
    file = tmp_path / "agents.csv"
    file.write_text("id,interests\nana,I sail.\n")
    said = await matcher("agents", "import", str(file), "--server", "127.0.0.1:1")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: nothing answers at 127.0.0.1:1")
    file.write_text("id,interests,skills\nana,I sail.,tax\n")
    said = await matcher("agents", "import", str(file), "--server", "127.0.0.1:1")
    assert said.err.startswith("line 2 (ana): skills has 'tax', which is not skill:level\nerror: nothing answers")
    assert said.out == "1 rejected\n"


async def test_a_roster_without_agents_is_named(tmp_path: Path) -> None:
    """An empty file is a slip: exit code 1, and which file it was."""
    for name, data in (("a.csv", ""), ("b.csv", "id,interests\n"), ("c.jsonl", "\n")):
        (tmp_path / name).write_text(data)
        said = await matcher("agents", "import", str(tmp_path / name))
        assert (said.code, said.out, said.err) == (1, "", f"error: {tmp_path / name} names no agent\n")


async def test_words_that_begin_with_a_dash_are_told_how_to_be_written() -> None:
    """Two dashes before them; the line that says so names the command."""
    for command in ("route", "suggest"):
        said = await matcher(command, "-5 degrees and my heating is off")
        assert said.code == 2
        assert f"{command} -- '-5 degrees" in said.err
    said = await matcher("route", "--server", "127.0.0.1:1", "--", "-5 degrees and my heating is off")
    assert "nothing answers" in said.err


async def test_a_wrong_flag_of_serve_is_named_as_it_was_typed() -> None:
    """Whoever typed --listen set no variable."""
    said = await matcher("serve", "--listen", "nonsense")
    assert (said.code, said.err) == (1, "error: --listen must be address:port\n")


async def test_the_target_is_taken_from_the_environment() -> None:
    """MATCHER_TARGET is where --server is not said."""
    said = await matcher("sites", "list", environment={"MATCHER_TARGET": "127.0.0.1:2"})
    assert "nothing answers at 127.0.0.1:2" in said.err


async def test_a_command_that_is_wrongly_put_is_a_usage_error() -> None:
    """Exit code 2 tells a script that the call itself was wrong."""
    wrong = (
        (),
        ("rout", "x"),
        ("route",),
        ("show", "nothing", "x"),
        ("agents", "set-status", "maya", "LATE"),
        ("route", "x", "--timeout", "-1"),
    )
    said = await asyncio.gather(*(matcher(*arguments) for arguments in wrong))
    assert [one.code for one in said] == [2] * len(wrong)


async def test_a_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """A wrong encoding is said before anything is sent."""
    said = await matcher("route", "-", stdin=b"Ren\xe9")
    assert (said.code, said.err) == (1, "error: standard input is not UTF-8 (byte 3)\n")
    said = await matcher("agents", "import", str(tmp_path / "none.csv"))
    assert (said.code, said.err) == (1, f"error: {tmp_path / 'none.csv'} cannot be read: No such file or directory\n")


async def test_an_import_that_would_remove_everybody_is_refused() -> None:
    """An empty file with --prune is a slip, not a wish."""
    said = await matcher("agents", "import", "-", "--prune", stdin=b"\n")
    assert said.code == 1
    assert "would remove every agent" in said.err


async def test_the_settings_are_listed_with_their_source_and_without_their_secrets() -> None:
    """Whoever asks what is in force sees where it is from, and no password."""
    environment = {"MATCHER_STORE_URL": "redis://user:hidden@store:6379", "MATCHER_DRAIN_SECONDS": "3"}
    said = await matcher("config", "--json", environment=environment)
    rows = {row["env"]: row for row in said.documents()}
    assert said.code == 0
    assert rows["MATCHER_DRAIN_SECONDS"]["value"] == "3.0"
    assert rows["MATCHER_DRAIN_SECONDS"]["source"] == "environment"
    assert rows["MATCHER_LISTEN"]["source"] == "default"
    assert all(row["help"] for row in rows.values())
    assert "hidden" not in json.dumps(rows)
    assert "hidden" not in (await matcher("config", environment=environment)).out


@pytest.mark.parametrize("command", ["config", "serve"])
async def test_an_unknown_setting_is_named_in_one_line(command: str) -> None:
    """A misspelt variable would otherwise do nothing without a word."""
    said = await matcher(command, environment={"MATCHER_LISTN": "x"})
    assert said.code == 1
    assert said.err == "error: unknown setting MATCHER_LISTN; `matcher config` lists them all\n"
