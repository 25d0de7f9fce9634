"""The command line without a service: commands that need none, and errors where none answers."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import matcher


async def test_a_missing_service_is_reported_with_the_command_that_starts_one() -> None:
    """The error is one line, with exit code 1 and nothing on stdout."""
    why = "no service answers at 127.0.0.1:1: start one with `matcher serve`, or name another address with --server"
    result = await matcher("route", "My tent leaks.", "--server", "127.0.0.1:1")
    assert (result.code, result.out, result.err) == (1, "", f"error: {why}\n")
    result = await matcher("route", "My tent leaks.", "--server", "127.0.0.1:1", "--json")
    assert (result.code, result.out) == (1, "")
    error = json.loads(result.err)["error"]
    assert len(error.pop("request_id")) == 32
    assert error == {"code": "UNAVAILABLE", "reason": "", "message": why}


async def test_an_import_without_a_service_reports_only_that_and_bad_rows(tmp_path: Path) -> None:
    """Rows that were never sent are not counted; rows with violations of their own are named all the same."""
    file = tmp_path / "agents.csv"
    file.write_text("id,interests\nana,I sail.\n")
    result = await matcher("agents", "import", str(file), "--server", "127.0.0.1:1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: no service answers at 127.0.0.1:1")
    file.write_text("id,interests,skills\nana,I sail.,tax\n")
    result = await matcher("agents", "import", str(file), "--server", "127.0.0.1:1")
    assert result.err.startswith("line 2 (ana): skills has 'tax', which is not skill:level\nerror: no service answers")
    assert result.out == "1 rejected\n"


async def test_a_roster_without_agents_is_named(tmp_path: Path) -> None:
    """An empty file is an error that names the file, with exit code 1."""
    for name, data in (("a.csv", ""), ("b.csv", "id,interests\n"), ("c.jsonl", "\n")):
        (tmp_path / name).write_text(data)
        result = await matcher("agents", "import", str(tmp_path / name))
        assert (result.code, result.out, result.err) == (1, "", f"error: {tmp_path / name} names no agent\n")


async def test_a_text_that_begins_with_a_dash_gets_a_hint() -> None:
    """The hint shows the command with two dashes before the text."""
    for command in ("route", "suggest"):
        result = await matcher(command, "-5 degrees and my heating is off")
        assert result.code == 2
        assert f"{command} -- '-5 degrees" in result.err
    result = await matcher("route", "--server", "127.0.0.1:1", "--", "-5 degrees and my heating is off")
    assert "no service answers" in result.err


async def test_a_wrong_flag_of_serve_is_named_as_it_was_typed() -> None:
    """A user who typed --listen has set no variable."""
    result = await matcher("serve", "--listen", "nonsense")
    assert (result.code, result.err) == (1, "error: --listen must be address:port\n")


async def test_the_target_is_taken_from_the_environment() -> None:
    """MATCHER_TARGET is the address where --server is not given."""
    result = await matcher("sites", "list", environment={"MATCHER_TARGET": "127.0.0.1:2"})
    assert "no service answers at 127.0.0.1:2" in result.err


async def test_a_wrong_command_line_is_a_usage_error() -> None:
    """Exit code 2 shows a script that its command line was wrong."""
    wrong = (
        (),
        ("rout", "x"),
        ("show", "nothing", "x"),
        ("agents", "set-status", "maya", "LATE"),
        ("route", "x", "--timeout", "-1"),
    )
    results = await asyncio.gather(*(matcher(*arguments) for arguments in wrong))
    assert [result.code for result in results] == [2] * len(wrong)


async def test_a_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """A wrong encoding is reported before a call is made."""
    result = await matcher("route", "-", stdin=b"Ren\xe9")
    assert (result.code, result.err) == (1, "error: standard input is not UTF-8 (byte 3)\n")
    result = await matcher("agents", "import", str(tmp_path / "none.csv"))
    assert (result.code, result.err) == (
        1,
        f"error: {tmp_path / 'none.csv'} cannot be read: No such file or directory\n",
    )


async def test_an_import_that_would_remove_every_agent_is_refused() -> None:
    """An empty file with --prune is taken for a mistake."""
    result = await matcher("agents", "import", "-", "--prune", stdin=b"\n")
    assert result.code == 1
    assert "would remove every agent" in result.err


async def test_the_settings_are_listed_with_their_source_and_without_their_secrets() -> None:
    """The list shows the value and the source of each setting, and no password."""
    environment = {"MATCHER_STORE_URL": "redis://user:hidden@store:6379", "MATCHER_DRAIN_SECONDS": "3"}
    result = await matcher("config", "--json", environment=environment)
    rows = {row["env"]: row for row in result.documents()}
    assert result.code == 0
    assert rows["MATCHER_DRAIN_SECONDS"]["value"] == "3.0"
    assert rows["MATCHER_DRAIN_SECONDS"]["source"] == "environment"
    assert rows["MATCHER_LISTEN"]["source"] == "default"
    assert all(row["help"] for row in rows.values())
    assert "hidden" not in json.dumps(rows)
    assert "hidden" not in (await matcher("config", environment=environment)).out


@pytest.mark.parametrize("command", ["config", "serve"])
async def test_an_unknown_setting_is_named_in_one_line(command: str) -> None:
    """A misspelt variable would otherwise be ignored silently."""
    result = await matcher(command, environment={"MATCHER_LISTN": "x"})
    assert result.code == 1
    assert result.err == "error: unknown setting MATCHER_LISTN; `matcher config` lists them all\n"


def test_the_command_line_starts_without_the_libraries_of_the_service() -> None:
    """Every command pays for what is imported at its start: no search, store, model or credentials library is."""
    heavy = {"faiss", "redis", "openvino", "scipy", "jwt", "cryptography", "sqlalchemy", "opentelemetry"}
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, matcher.cli; print(sorted({heavy!r} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"
