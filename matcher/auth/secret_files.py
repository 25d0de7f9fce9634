"""Secrets of the settings that come as files: MATCHER_…_FILE for one, a folder for all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from matcher.errors import SettingsWrong

SECRETS_DIR: Final = "SECRETS_DIR"
LARGEST: Final = 65_536
"""Bytes of a secret's file."""
_FILE: Final = "_FILE"


def file_variables(environment: Mapping[str, str], prefix: str, secrets: Collection[str]) -> dict[str, str]:
    """Return the variables that name a secret's file → the name of the setting."""
    named = {f"{prefix}{name.upper()}{_FILE}": name for name in secrets}
    return {variable: name for variable, name in named.items() if variable in environment}


def read_secrets(
    environment: Mapping[str, str], prefix: str, secrets: Collection[str], settings: Collection[str]
) -> dict[str, str]:
    """Return the values that come from files, by the names of the settings.

    secrets: the settings that a variable MATCHER_…_FILE may name. settings: those that a file of the folder may hold.
    Raises SettingsWrong where a file cannot be read, is empty, or where a secret is given twice.
    """
    values = dict(_of_folder(environment.get(f"{prefix}{SECRETS_DIR}", ""), prefix, settings))
    for variable, name in file_variables(environment, prefix, secrets).items():
        if f"{prefix}{name.upper()}" in environment:
            raise SettingsWrong(f"{variable} and {prefix}{name.upper()} are given: leave one of them out")
        values[name] = _content(Path(environment[variable]), variable)
    return values


def _of_folder(folder: str, prefix: str, settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the settings of the files whose names are those of variables, in capitals or not."""
    if not folder:
        return
    variable = f"{prefix}{SECRETS_DIR}"
    try:
        files = sorted(path for path in Path(folder).expanduser().iterdir() if path.name.upper().startswith(prefix))
    except OSError as fault:
        raise SettingsWrong(f"{variable} {folder} cannot be read: {fault.strerror}") from None
    for file in files:
        name = file.name.upper().removeprefix(prefix).lower()
        if name not in settings:
            raise SettingsWrong(f"{variable} {folder} has {file.name}, which is no setting")
        yield name, _content(file, variable)


def _content(file: Path, variable: str) -> str:
    try:
        with file.expanduser().open("rb") as opened:
            text = opened.read(LARGEST + 1).decode()
    except OSError as fault:
        raise SettingsWrong(f"{variable}: {file} cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsWrong(f"{variable}: {file} is not UTF-8") from None
    if not text.strip() or len(text) > LARGEST:
        raise SettingsWrong(f"{variable}: {file} {'is larger than 64 KiB' if text.strip() else 'is empty'}")
    return text.strip()
