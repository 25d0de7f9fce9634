"""Identities: principals that were recognised, each with why it no longer counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from matcher.auth.principal import Principal
from matcher.errors import MatcherError


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call shows of who makes it.

    bearer: what follows `Bearer` in the call's metadata `authorization`; "" for nothing. certificate: the one that the
    caller's connection presented, as PEM, which the service's authorities have signed; b"" for none.
    """

    bearer: str = ""
    certificate: bytes = b""


class Identity(Protocol):
    """A principal that was recognised by a key, a token or a certificate."""

    @property
    def principal(self) -> Principal:
        """Return who it is."""

    def fault(self) -> MatcherError | None:
        """Return why it no longer counts: expired or revoked; None while it counts."""


class Authentication(Protocol):
    """Recognises who makes a call."""

    async def identify(self, credentials: Credentials) -> Identity:
        """Return whose credentials these are.

        Raises CredentialsMissing, CredentialsWrong, CredentialsExpired or CredentialsRevoked, or StoreUnavailable
        where the keys have been unreadable for too long.
        """
