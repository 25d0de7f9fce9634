"""Tokens of a caller: from a file that is replaced, from a command that is run again when its token expires."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import grpc
import pytest

from matcher.client import FixedToken, MatcherCallError, TokenCommand, TokenFile, credentials, token_of_environment
from matcher.client.credentials import TokenSource


async def why(source: TokenSource) -> str:
    """Return the message of a source that has no token."""
    with pytest.raises(MatcherCallError) as refused:
        await source.text()
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
    return refused.value.message


async def test_a_file_that_is_replaced_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that keeps the file current need not restart the caller."""
    monkeypatch.setattr(credentials, "LOOK_SECONDS", -1.0)
    file = tmp_path / "token"
    file.write_text("one\n")
    source = TokenFile(file)
    assert await source.text() == "one"
    file.write_text(" two ")
    assert await source.text() == "two"


async def test_what_is_wrong_with_a_file_is_named(tmp_path: Path) -> None:
    """And nothing that stands in it."""
    file = tmp_path / "token"
    assert await why(TokenFile(file)) == f"the token file {file} cannot be read: No such file or directory"
    for content in ("", "two words", "zwei\u00e4", "two\nlines"):
        file.write_text(content)
        assert (
            await why(TokenFile(file)) == f"the token file {file} holds no token: one line without blanks is expected"
        )
    file.write_bytes(b"\xff")
    assert await why(TokenFile(file)) == f"the token file {file} cannot be read: it is not UTF-8"


async def test_a_command_is_run_again_when_its_token_expires(tmp_path: Path) -> None:
    """A JWT says when; until then the command is run once."""
    script, count = tmp_path / "mint", tmp_path / "count"
    claims = {"exp": time.time() + 3_600}
    token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"
    script.write_text(f"#!/bin/sh\nprintf x >> {count}\necho {token}\n")
    script.chmod(0o700)
    source = TokenCommand(str(script))
    assert [await source.text(), await source.text()] == [token, token]
    assert count.read_text() == "x"
    claims["exp"] = time.time() + 1
    brief = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"
    script.write_text(f"#!/bin/sh\nprintf x >> {count}\necho {brief}\n")
    source = TokenCommand(str(script))
    assert [await source.text(), await source.text()] == [brief, brief]
    assert count.read_text() == "xxx"


async def test_what_is_wrong_with_a_command_is_named() -> None:
    """It is missing, fails, or prints no token."""
    assert await why(TokenCommand("false")) == "the token command 'false' ended with 1"
    assert await why(TokenCommand("no-such-command-here x")) == (
        "the token command 'no-such-command-here' cannot be run: No such file or directory"
    )
    assert (
        await why(TokenCommand("echo"))
        == "the token command 'echo' holds no token: one line without blanks is expected"
    )
    assert "cannot be run" in await why(TokenCommand(" "))
    assert "cannot be run" in await why(TokenCommand("'half"))


async def test_the_environment_names_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file before a command before the token itself; nothing set, no token."""
    for name in [name for name in os.environ if name.startswith("MATCHER_TOKEN")]:
        monkeypatch.delenv(name)
    assert token_of_environment() is None
    monkeypatch.setenv("MATCHER_TOKEN", "mk_x")
    source = token_of_environment()
    assert isinstance(source, FixedToken)
    assert await source.text() == "mk_x"
    assert "mk_x" not in repr(source)
    monkeypatch.setenv("MATCHER_TOKEN_COMMAND", "false")
    assert isinstance(token_of_environment(), TokenCommand)
    monkeypatch.setenv("MATCHER_TOKEN_FILE", "x")
    assert isinstance(token_of_environment(), TokenFile)
