"""The command line at a service that demands certificates of its callers."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.processes import Server

NOW: Final = dt.datetime.now(dt.UTC)


class Authority:
    """A certificate authority that writes certificates and keys into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._write("ca", self._signed("test authority", self._key, authority=True), self._key)

    def issue(self, name: str, *names: x509.GeneralName, days: int = 1) -> None:
        """Write a certificate for 127.0.0.1 and other names, valid for some days, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(name, self._signed(name, key, authority=False, names=names, days=days), key)

    def certificate(self, name: str) -> str:
        """Return the file of a certificate."""
        return str(self.folder / f"{name}.pem")

    def key(self, name: str) -> str:
        """Return the file of a certificate's key."""
        return str(self.folder / f"{name}.key")

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool,
        names: Sequence[x509.GeneralName] = (),
        days: int = 1,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=30))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address, *names]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        Path(self.certificate(name)).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        Path(self.key(name)).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that has issued a certificate to a server and to a caller."""
    authority = Authority(tmp_path)
    for name in ("server", "caller"):
        authority.issue(name)
    return authority


@pytest.fixture
async def server(launch: StartServer, authority: Authority) -> Server:
    """Return a server that takes calls only of callers with a certificate of the authority."""
    return await launch(
        {
            "MATCHER_TLS_CERTIFICATE": authority.certificate("server"),
            "MATCHER_TLS_KEY": authority.key("server"),
            "MATCHER_TLS_CLIENT_CA": authority.certificate("ca"),
        }
    )


async def test_every_command_can_present_a_certificate(server: Server, authority: Authority) -> None:
    """Given as options or in the environment, the certificate opens the service; without one the call fails."""
    target = ("--server", server.target, "--tls-ca", authority.certificate("ca"))
    own = ("--tls-cert", authority.certificate("caller"), "--tls-key", authority.key("caller"))
    health = await matcher("health", *target, *own)
    assert (health.code, health.out) == (0, "SERVING\n"), health.err
    environment = {
        "MATCHER_TLS_CLIENT_CERT": authority.certificate("caller"),
        "MATCHER_TLS_CLIENT_KEY": authority.key("caller"),
    }
    listed = await matcher("agents", "list", *target, environment=environment)
    assert (listed.code, listed.out.splitlines()[-1]) == (0, "0 agents, 0 of them free"), listed.err
    assert (await matcher("health", *target, "--timeout", "5")).code == 1
    load = ("--rate", "2", "--seconds", "1", "--agents", "3", "--processes", "1", "--channels", "1", "--free", "1")
    tested = await matcher("loadtest", *target, *own, *load)
    assert tested.code == 0, tested.err
    half = await matcher("health", *target, *own[:2])
    assert (half.code, half.err) == (1, "error: --tls-cert and --tls-key belong together: give both\n")
    missing = await matcher("health", *target, *own[:3], "no-such-key.pem")
    assert (missing.code, missing.err) == (1, "error: no-such-key.pem cannot be read: No such file or directory\n")


async def test_the_certificates_of_a_shell_stop_no_command_that_reads_settings(authority: Authority) -> None:
    """The caller's variables are no settings of the service, and none of them is unknown."""
    environment = {
        "MATCHER_TLS_CA": authority.certificate("ca"),
        "MATCHER_TLS_CLIENT_CERT": authority.certificate("caller"),
        "MATCHER_TLS_CLIENT_KEY": authority.key("caller"),
    }
    shown = await matcher("config", environment=environment)
    assert (shown.code, shown.err) == (0, "")
