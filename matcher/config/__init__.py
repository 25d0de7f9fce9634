"""Settings of the service, and how they are read."""

from matcher.config.settings import DATA_DIR, LEDGER_FILE, LEDGER_OFF, PACKAGED_PAIR, PREFIX, Settings
from matcher.config.variables import CLIENT_VARIABLES, SECRETS, SettingRow, explain, ignored_variables, load, markdown

__all__ = [
    "CLIENT_VARIABLES",
    "DATA_DIR",
    "LEDGER_FILE",
    "LEDGER_OFF",
    "PACKAGED_PAIR",
    "PREFIX",
    "SECRETS",
    "SettingRow",
    "Settings",
    "explain",
    "ignored_variables",
    "load",
    "markdown",
]
