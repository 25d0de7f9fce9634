"""Recognition of callers by what this service takes: keys, tokens, the names of certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from matcher.auth.access_keys import PREFIX
from matcher.auth.identity import Credentials, Identity
from matcher.auth.key_cache import KeyCache
from matcher.auth.principal import Grant, Principal, PrincipalKind
from matcher.errors import CredentialsMissing, CredentialsWrong, MatcherError


class Tokens(Protocol):
    """Recognises tokens that an issuer has signed."""

    async def identify(self, text: str) -> Identity:
        """Return whose token a text is. Raises CredentialsWrong or CredentialsExpired."""


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """The principal of a certificate's name: it counts as long as its connection lasts."""

    principal: Principal

    def fault(self) -> MatcherError | None:
        """Return None: whoever holds the connection has shown the certificate's key."""
        return None


class Recognition:
    """Recognises callers by the ways that the settings name."""

    def __init__(
        self,
        *,
        keys: KeyCache | None = None,
        tokens: Tokens | None = None,
        names: Mapping[str, Sequence[Grant]] | None = None,
    ) -> None:
        """Take the ways; None: this service does not take it. names: of certificates, with what each may."""
        self._keys = keys
        self._tokens = tokens
        self._names = (
            None
            if names is None
            else {
                name: CertificateIdentity(Principal(name, PrincipalKind.CERTIFICATE, tuple(grants)))
                for name, grants in names.items()
            }
        )
        ways = {"keys": keys, "tokens": tokens, "certificates": names}
        self._accepted = ", ".join(way for way, taken in ways.items() if taken is not None)

    async def identify(self, credentials: Credentials) -> Identity:
        """Return whose credentials these are; a key or a token counts before a certificate."""
        if credentials.bearer:
            if credentials.bearer.startswith(f"{PREFIX}_"):
                if self._keys is None:
                    raise CredentialsWrong("key", f"this service takes {self._accepted}")
                return self._keys.identify(credentials.bearer)
            if self._tokens is None:
                raise CredentialsWrong("token", f"this service takes {self._accepted}")
            return await self._tokens.identify(credentials.bearer)
        for name in credentials.names:
            if self._names is not None and (known := self._names.get(name)) is not None:
                return known
        if credentials.names:
            raise CredentialsWrong("certificate", "none of its names is among those that this service knows")
        raise CredentialsMissing(self._accepted)
