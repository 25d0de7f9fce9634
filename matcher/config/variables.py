"""Variables of the environment that settings are read from, and the tables that show the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import SecretStr, ValidationError

from matcher.auth.secret_files import file_variables, read_secrets
from matcher.config.settings import DATA_DIR, LEDGER_OFF, PREFIX, Settings
from matcher.errors import SettingsWrong

CLIENT_VARIABLES: Final = frozenset(
    {
        "MATCHER_TARGET",
        "MATCHER_SITE",
        "MATCHER_TLS_CA",
        "MATCHER_TLS_CLIENT_CERT",
        "MATCHER_TLS_CLIENT_KEY",
        "MATCHER_TOKEN",
        "MATCHER_TOKEN_FILE",
        "MATCHER_TOKEN_COMMAND",
    }
)
"""Variables that the command line and the client read, not the service."""

SERVICE_LINK: Final = re.compile(
    r"MATCHER(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP).*)?)"
)
"""Variables that Kubernetes sets for a Service whose name begins with `matcher`; MATCHER_PORT itself is tcp://…"""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, as `matcher config` shows it."""

    name: str
    env: str
    value: str
    source: Literal["default", "environment", "file"]
    default: str
    help: str


SECRETS: Final = frozenset(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
"""The settings that are secret, and so may come by MATCHER_…_FILE."""


def ignored_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the service-link variables of Kubernetes, which look like settings and are ignored."""
    return sorted(name for name in environment if SERVICE_LINK.fullmatch(name) and not _known(name))


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings. Raises SettingsWrong, with one line, for an unknown MATCHER_* variable or a wrong value."""
    environment = os.environ if environment is None else environment
    ignored = set(ignored_variables(environment)) | CLIENT_VARIABLES | set(file_variables(environment, PREFIX, SECRETS))
    unknown = sorted(
        name for name in environment if name.startswith(PREFIX) and name not in ignored and not _known(name)
    )
    if unknown:
        raise SettingsWrong(f"unknown setting {', '.join(unknown)}; `matcher config` lists them all")
    given: dict[str, Any] = read_secrets(environment, PREFIX, SECRETS, Settings.model_fields) | {
        name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if _known(name)
    }
    try:
        return Settings(**(given | overrides))
    except ValidationError as fault:
        violations = "; ".join(
            ": ".join(filter(None, (_variable(error["loc"]), error["msg"].removeprefix("Value error, "))))
            for error in fault.errors(include_url=False, include_input=False)
        )
        raise SettingsWrong(violations) from None


def explain(environment: Mapping[str, str] | None = None) -> list[SettingRow]:
    """List every setting with its value, its source and its description; secrets are not shown."""
    environment = os.environ if environment is None else environment
    settings, files = load(environment), read_secrets(environment, PREFIX, SECRETS, Settings.model_fields)
    rows = []
    for name, field in Settings.model_fields.items():
        env = PREFIX + name.upper()
        default = field.get_default(call_default_factory=True, validated_data={})
        rows.append(
            SettingRow(
                name=name,
                env=env,
                value=LEDGER_OFF
                if name == "ledger_url" and not settings.ledger_place
                else _shown(getattr(settings, name)),
                source="environment" if env in environment else "file" if name in files else "default",
                default=_shown(default),
                help=field.description or "",
            )
        )
    return rows


def markdown() -> str:
    """Return the table of settings with their defaults, which README.md holds."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = DATA_DIR if name == "data_dir" else _shown(default)
        lines.append(f"| `{PREFIX}{name.upper()}` | {f'`{shown}`' if shown else ''} | {field.description} |")
    return "\n".join(lines)


def _known(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable.removeprefix(PREFIX).lower() in Settings.model_fields


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper() if location else ""


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    return "" if value is None else str(value)
