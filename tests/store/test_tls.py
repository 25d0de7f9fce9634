"""A store behind TLS: with the authority's file, a certificate of the service, and the user of deploy/store.acl.

The Valkey of the tests is built without TLS: a terminator in Python stands before it, which asks for a certificate.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from matcher.errors import StoreUnavailable, StoreUnfit
from matcher.store.redis import client as store_client
from matcher.store.redis.client import StoreClient
from tests.store.access import PRODUCT, Admin, as_user
from tests.store.stage import Stage


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    @classmethod
    def made(cls, folder: Path, name: str, host: str = "127.0.0.1") -> Pair:
        """Make a certificate for a host that is an authority of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        today = dt.datetime.now(dt.UTC)
        hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        until = today + dt.timedelta(days=1)
        signed = (
            x509.CertificateBuilder(named, named, key.public_key(), x509.random_serial_number(), today, until)
            .add_extension(hosts, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pair = cls(folder / f"{name}.pem", folder / f"{name}.key")
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


@dataclass(frozen=True)
class TlsStore:
    """Where a store listens behind TLS, what it shows, and the only certificate that it takes."""

    port: int
    own: Pair
    router: Pair

    def url(self, *options: str, database: str = "") -> str:
        """Return the address, with the login of the service's user."""
        login = as_user("unix://", PRODUCT).replace("unix", "rediss")
        return f"{login}127.0.0.1:{self.port}{database}?{'&'.join(options)}"

    @property
    def options(self) -> tuple[str, str, str]:
        """Return the options that fit."""
        return (
            f"ssl_ca_certs={self.own.certificate}",
            f"ssl_certfile={self.router.certificate}",
            f"ssl_keyfile={self.router.key}",
        )


@pytest.fixture
async def tls_store(embedded_url: str, tmp_path: Path) -> AsyncIterator[TlsStore]:
    """Give the shared store behind a terminator that takes the certificate of the router, and no other."""
    own, router = Pair.made(tmp_path, "store"), Pair.made(tmp_path, "router")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    context.load_verify_locations(router.certificate)
    context.verify_mode = ssl.CERT_REQUIRED

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(1 << 16):
                sink.write(chunk)
        sink.close()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_store, to_store = await asyncio.open_unix_connection(embedded_url.removeprefix("unix://"))
        await asyncio.gather(copy(reader, to_store), copy(from_store, writer))

    server = await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)
    yield TlsStore(server.sockets[0].getsockname()[1], own, router)
    server.close()


async def test_a_store_behind_tls_with_certificates_a_login_and_a_database(
    tls_store: TlsStore, plain_stage: Stage, admin: Admin
) -> None:
    """rediss:// with the authority, the service's certificate, user, password and database: the same store."""
    await admin.execute_command("ACL", "SETUSER", PRODUCT, "+select")
    await plain_stage.put("ann", 5)
    elsewhere = StoreClient(tls_store.url(*tls_store.options, database="/1"))
    assert await Stage(elsewhere, plain_stage.site).sites.living(plain_stage.site) is None
    await elsewhere.close()
    connection = StoreClient(tls_store.url(*tls_store.options))
    await connection.start()
    there = Stage(connection, plain_stage.site)
    held = await asyncio.gather(*(there.hold("ann") for _ in range(5)))
    assert await plain_stage.held_by("ann") == sorted(reservation.id for reservation in held)
    await connection.close()


async def test_an_authority_that_did_not_sign_is_named_at_once(tls_store: TlsStore, tmp_path: Path) -> None:
    """The start does not wait for a store whose certificate it will never take; the sentence names the file."""
    other = Pair.made(tmp_path, "other")
    wrong = StoreClient(tls_store.url(f"ssl_ca_certs={other.certificate}", *tls_store.options[1:]))
    with pytest.raises(StoreUnfit) as refused:
        await wrong.start()
    await wrong.close()
    assert refused.value.why.startswith("its certificate is refused: ")
    assert refused.value.why.endswith(f"of the authorities ssl_ca_certs names {other.certificate}")


async def test_a_wrong_file_is_named_before_anything_is_sent(tls_store: TlsStore, tmp_path: Path) -> None:
    """A file that is missing, holds no PEM, or is the key of another certificate: the option and the file."""
    letter, gone = tmp_path / "letter", tmp_path / "gone"
    letter.write_text("Dear store,")
    authority, certificate, key = tls_store.options
    pair = f"its options ssl_certfile and ssl_keyfile name {tls_store.router.certificate} and"
    for options, why in (
        ([f"ssl_ca_certs={gone}"], f"its option ssl_ca_certs names {gone}: No such file or directory"),
        ([f"ssl_ca_certs={letter}"], f"its option ssl_ca_certs names {letter}: no PEM file that can be used (NO_CERT"),
        ([authority, certificate, f"ssl_keyfile={letter}"], f"{pair} {letter}: no PEM file that can be used ("),
        ([authority, certificate, f"ssl_keyfile={gone}"], f"{pair} {gone}: No such file or directory"),
        (
            [authority, certificate, f"ssl_keyfile={tls_store.own.key}"],
            f"{pair} {tls_store.own.key}: the key is that of another certificate",
        ),
        (
            [authority, key],
            "its options ssl_certfile and ssl_keyfile name no certificate and ",
        ),
    ):
        wrong = StoreClient(tls_store.url(*options))
        with pytest.raises(StoreUnfit) as refused:
            await wrong.start()
        await wrong.close()
        assert refused.value.why.startswith(why)


async def test_without_a_certificate_of_its_own_the_service_is_not_let_in(
    tls_store: TlsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that asks for certificates closes the connection of who shows none."""
    monkeypatch.setattr(store_client, "START_SECONDS", 0.0)
    stranger = StoreClient(tls_store.url(tls_store.options[0]))
    with pytest.raises(StoreUnavailable):
        await stranger.start()
    await stranger.close()
