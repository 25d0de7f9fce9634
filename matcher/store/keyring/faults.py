"""Errors of keys: a keyring that cannot be used, keys that are missing, and a rotation that is refused.

None of them reaches a caller of the API: the service does not start, or a command of `matcher keys` says why.
"""

from __future__ import annotations

from matcher.errors import MatcherError


class KeyringWrong(MatcherError):
    """The keyring file cannot be used. The service does not start; the text holds no key."""

    reason = "INTERNAL_FAULT"

    def __init__(self, path: str, why: str) -> None:
        super().__init__("the keyring cannot be used")
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"the keyring {self.path} cannot be used: {self.why}"


class KeysMissing(MatcherError):
    """This process lacks keys that the store's records were made with. The service does not start."""

    reason = "INTERNAL_FAULT"

    def __init__(self, why: str) -> None:
        super().__init__("a key in use is missing")
        self.why = why

    def __str__(self) -> str:
        return self.why


class RotationRefused(Exception):
    """The keys cannot change like this, for the reason given."""
