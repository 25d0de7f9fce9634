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


class AccessKeysUnknown(MatcherError):
    """The store's keys have not been readable for longer than the keys read last may count."""

    reason = "STORE_UNAVAILABLE"
    retry_after_seconds = 1.0

    def __init__(self) -> None:
        super().__init__("the store with the keys has not answered for ten minutes: nobody can be recognised by a key")


class AccessKeysOff(MatcherError):
    """This service does not take keys, so that it makes and shows none either."""

    reason = "ACCESS_KEYS_OFF"

    def __init__(self) -> None:
        super().__init__("this service takes no keys (MATCHER_AUTH)")


class AccessKeyNotFound(MatcherError):
    """There is no live key of this id, or no live key of this principal."""

    reason = "ACCESS_KEY_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no live key {name}", key=name)


class AccessKeyExists(MatcherError):
    """The principal has a live key."""

    reason = "ACCESS_KEY_EXISTS"

    def __init__(self, principal: str) -> None:
        super().__init__(f"{principal} has a live key: rotate it, or revoke it first", principal=principal)


class AccessKeysLive(MatcherError):
    """As many keys live as may."""

    reason = "ACCESS_KEYS_LIVE"

    def __init__(self, of: str, limit: int) -> None:
        super().__init__(f"{limit} keys of {of} live, as many as may: revoke one first", of=of, limit=limit)
