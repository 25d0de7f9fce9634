"""Certificates of the server: checked at the start, and read again when their files are replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from matcher.config import PREFIX, Settings
from matcher.errors import SettingsWrong

_FORM: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_Stamp: TypeAlias = "tuple[tuple[int, int, int], ...]"
_NAMES: Final = tuple(f"{PREFIX}{name}" for name in ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA"))

log = structlog.get_logger(__name__)


class ServerCertificates:
    """Gives gRPC the certificates of the files for every new connection; calls under way are not disturbed."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Read the files. Raises SettingsWrong, which names the one that is wrong and says why."""
        self._files = (certificate, key, *((client_ca,) if client_ca else ()))
        self._demanded = client_ca is not None
        self._stamp = self._stamped()
        self._first = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port is opened with."""
        renewed: Any = self.renewed  # the stubs omit None, for certificates that have not changed
        return grpc.dynamic_ssl_server_credentials(self._first, renewed, require_client_authentication=self._demanded)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificates where their files were replaced, else None; gRPC asks before every handshake.

        Files that do not fit together yet are left aside, with a warning: the former certificates go on serving.
        """
        stamp = self._stamped()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            read = self._read()
        except SettingsWrong as fault:
            log.warning("the certificates were replaced and cannot be used", why=str(fault))
            return None
        log.info("certificates read again", files=[str(file) for file in self._files])
        return read

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key, *authorities = (_content(file, name) for file, name in zip(self._files, _NAMES, strict=False))
        _check(self._files, chain, key, authorities)
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities[0] if authorities else None)

    def _stamped(self) -> _Stamp:
        """Return what changes when a file is replaced, also where only a link to it is turned; () where one is gone."""
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def certificates_of(settings: Settings) -> ServerCertificates | None:
    """Return the certificates of the settings; None: no TLS. Raises SettingsWrong."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServerCertificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)


def _content(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise SettingsWrong(f"{name} {file} cannot be read: {fault.strerror}") from None


def _check(files: tuple[Path, ...], chain: bytes, key: bytes, authorities: list[bytes]) -> None:
    """Raise SettingsWrong where a file is not what its setting says, or the key is not the certificate's."""
    for file, name, content in zip((files[0], *files[2:]), (_NAMES[0], _NAMES[2]), (chain, *authorities), strict=False):
        try:
            x509.load_pem_x509_certificates(content)
        except ValueError:
            raise SettingsWrong(f"{name} {file} holds no certificate in PEM") from None
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise SettingsWrong(f"{_NAMES[1]} {files[1]} is locked by a password: give a key without one") from None
    except ValueError:
        raise SettingsWrong(f"{_NAMES[1]} {files[1]} holds no private key in PEM") from None
    presented = x509.load_pem_x509_certificates(chain)[0]
    if private.public_key().public_bytes(*_FORM) != presented.public_key().public_bytes(*_FORM):
        raise SettingsWrong(f"{_NAMES[1]} {files[1]} is not the key of {_NAMES[0]} {files[0]}")
