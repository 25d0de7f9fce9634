"""Recognition of callers by what this service takes: keys, tokens, certificates."""

from __future__ import annotations

from matcher.auth.access_keys import PREFIX
from matcher.auth.certificates import CertificateCheck
from matcher.auth.identity import Credentials, Identity
from matcher.auth.key_cache import KeyCache
from matcher.auth.tokens import TokenCheck
from matcher.errors import CredentialsMissing, CredentialsWrong


class Recognition:
    """Recognises callers by the ways that the settings name."""

    def __init__(
        self,
        *,
        keys: KeyCache | None = None,
        tokens: TokenCheck | None = None,
        certificates: CertificateCheck | None = None,
    ) -> None:
        """Take the ways; None: this service does not take it."""
        self._keys = keys
        self._tokens = tokens
        self._certificates = certificates
        ways = {"keys": keys, "tokens": tokens, "certificates": certificates}
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
        if credentials.certificate and self._certificates is not None:
            return self._certificates.identify(credentials.certificate)
        raise CredentialsMissing(self._accepted)
