"""Certificates of callers: which principal the names of a certificate stand for."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from cryptography import x509

from matcher.auth.principal import Grant, Principal, PrincipalKind
from matcher.errors import CredentialsExpired, CredentialsWrong, MatcherError

MOST_REMEMBERED: Final = 1_000
"""Certificates that are remembered as read."""
_CERTIFICATE: Final = "certificate"


class CertificateIdentity:
    """The principal of a certificate, until the certificate expires."""

    __slots__ = ("_now", "_until", "principal")

    def __init__(self, principal: Principal, until: float, now: Callable[[], float]) -> None:
        self.principal = principal
        self._until = until
        self._now = now

    def fault(self) -> MatcherError | None:
        """Return why the certificate no longer counts: its connection may outlive it."""
        return CredentialsExpired(_CERTIFICATE) if self._now() >= self._until else None


class CertificateCheck:
    """Recognises certificates by their subject alternative names; that an authority signed them TLS has checked."""

    def __init__(self, names: Mapping[str, tuple[Grant, ...]], now: Callable[[], float] = time.time) -> None:
        self._names = names
        self._now = now
        self._known: OrderedDict[bytes, CertificateIdentity] = OrderedDict()

    def identify(self, pem: bytes) -> CertificateIdentity:
        """Return whose it is, by the first known of its names. Raises CredentialsWrong or CredentialsExpired."""
        known = self._known.get(pem)
        if known is None:
            known = self._known[pem] = self._read(pem)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        if (fault := known.fault()) is not None:
            raise fault
        return known

    def _read(self, pem: bytes) -> CertificateIdentity:
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            names = _alternative_names(certificate)
        except ValueError:
            raise CredentialsWrong(_CERTIFICATE, "it cannot be read") from None
        name = next((name for name in names if name in self._names), None)
        if name is None:
            raise CredentialsWrong(_CERTIFICATE, "none of its names is among those that this service knows")
        principal = Principal(name, PrincipalKind.CERTIFICATE, self._names[name])
        return CertificateIdentity(principal, certificate.not_valid_after_utc.timestamp(), self._now)


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    kinds = (x509.UniformResourceIdentifier, x509.DNSName, x509.RFC822Name)
    return [str(name) for kind in kinds for name in names.get_values_for_type(kind)]
