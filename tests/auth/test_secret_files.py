"""Secrets as files, as containers and their orchestrators give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from matcher.config import explain, load
from matcher.errors import SettingsWrong

URL = "redis://:s3cret@127.0.0.1:1/0"


def why(environment: dict[str, str]) -> str:
    """Return why settings are refused; a secret is not in it."""
    with pytest.raises(SettingsWrong) as refused:
        load(environment)
    assert "s3cret" not in str(refused.value)
    return str(refused.value)


def test_a_secret_comes_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    """Without the line's end; `matcher config` says that it comes from a file and does not show it."""
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    environment = {"MATCHER_STORE_URL_FILE": str(file)}
    assert load(environment).store_url.get_secret_value() == URL
    (row,) = [row for row in explain(environment) if row.source != "default"]
    assert (row.name, row.source, row.value) == ("store_url", "file", "********")


def test_a_folder_holds_settings_as_files(tmp_path: Path) -> None:
    """Named as variables, in capitals or not; a variable counts before it, and other files are not looked at."""
    (tmp_path / "matcher_store_url").write_text(URL)
    (tmp_path / "MATCHER_METRICS_TOKEN").write_text("s3cret\n")
    (tmp_path / "matcher_keep_seconds").write_text("90000")
    (tmp_path / "tls.crt").write_text("another's")
    (tmp_path / "..data").mkdir()
    settings = load({"MATCHER_SECRETS_DIR": str(tmp_path), "MATCHER_KEEP_SECONDS": "100000"})
    assert settings.store_url.get_secret_value() == URL
    assert settings.metrics_token.get_secret_value() == "s3cret"
    assert settings.keep_seconds == 100_000


def test_what_is_wrong_with_a_file_is_named(tmp_path: Path) -> None:
    """Which variable and which file, never what stands in it."""
    missing = {"MATCHER_STORE_URL_FILE": str(tmp_path / "none")}
    assert why(missing) == f"MATCHER_STORE_URL_FILE: {tmp_path / 'none'} cannot be read: No such file or directory"
    file = tmp_path / "url"
    file.write_text(" \n")
    assert why({"MATCHER_STORE_URL_FILE": str(file)}) == f"MATCHER_STORE_URL_FILE: {file} is empty"
    file.write_bytes(b"s3cret\xff")
    assert why({"MATCHER_STORE_URL_FILE": str(file)}) == f"MATCHER_STORE_URL_FILE: {file} is not UTF-8"
    file.write_text("s3cret" * 20_000)
    assert why({"MATCHER_SECRET_FILE": str(file)}) == f"MATCHER_SECRET_FILE: {file} is larger than 64 KiB"
    file.write_text(URL)
    both = {"MATCHER_STORE_URL_FILE": str(file), "MATCHER_STORE_URL": URL}
    assert why(both) == "MATCHER_STORE_URL_FILE and MATCHER_STORE_URL are given: leave one of them out"
    (tmp_path / "matcher_stoer_url").write_text(URL)
    assert why({"MATCHER_SECRETS_DIR": str(tmp_path)}) == (
        f"MATCHER_SECRETS_DIR {tmp_path} has matcher_stoer_url, which is no setting"
    )
    assert "cannot be read" in why({"MATCHER_SECRETS_DIR": str(tmp_path / "none")})


def test_a_setting_that_is_no_secret_has_no_file() -> None:
    """A variable that nobody reads stops the start, as any unknown one does."""
    assert "unknown setting MATCHER_LISTEN_FILE" in why({"MATCHER_LISTEN_FILE": "x"})
