"""Errors of who calls: credentials that are missing, wrong, expired or revoked."""

from __future__ import annotations

from matcher.errors.reason import MatcherError


class Unauthenticated(MatcherError):
    """The service does not know who calls; a subclass for each reason. No message holds a secret."""


class CredentialsMissing(Unauthenticated):
    """The call shows neither a key nor a token nor a certificate with a known name."""

    reason = "CREDENTIALS_MISSING"

    def __init__(self, accepted: str) -> None:
        """Name what this service takes, for people."""
        super().__init__(f"the call does not say who makes it; this service takes {accepted}", accepted=accepted)


class CredentialsWrong(Unauthenticated):
    """The key, the token or the certificate names nobody here: unknown, forged, or for another service."""

    reason = "CREDENTIALS_WRONG"

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"the {kind} is refused: {why}", kind=kind)


class CredentialsExpired(Unauthenticated):
    """The key, the token or the certificate counts no longer."""

    reason = "CREDENTIALS_EXPIRED"

    def __init__(self, kind: str) -> None:
        super().__init__(f"the {kind} has expired", kind=kind)


class CredentialsRevoked(Unauthenticated):
    """The key was revoked."""

    reason = "CREDENTIALS_REVOKED"

    def __init__(self, kind: str) -> None:
        super().__init__(f"the {kind} was revoked", kind=kind)
