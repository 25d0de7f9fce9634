"""Certificates: those of callers name principals; those of the server are replaced while calls go on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from matcher.auth.certificates import CertificateCheck
from matcher.auth.grant_text import parse_names
from matcher.auth.identity import Credentials
from matcher.auth.principal import Grant, PrincipalKind, Role, current_principal
from matcher.auth.recognition import Recognition
from matcher.errors import CredentialsExpired, CredentialsWrong, SettingsWrong
from matcher.rpc.health import Health
from matcher.rpc.interceptors.sign_in import SignIn
from matcher.rpc.server import build_server
from matcher.server.certificates import ServerCertificates
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2, roster_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.cli.test_tls import Authority
from tests.rpc.conftest import failure
from tests.rpc.doubles import Doubles
from tests.rpc.test_open_streams import SilentWatch

NAMES = parse_names("spiffe://acme/crm=platform@acme supervisor@acme/billing; desk.acme=observer@default\n x=owner")
AGENT = roster_pb2.GetAgentRequest(name="sites/default/agents/maya")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that has issued a server's certificate, and those of three callers."""
    authority = Authority(tmp_path)
    authority.issue("server")
    authority.issue("desk", x509.DNSName("elsewhere.acme"), x509.DNSName("desk.acme"))
    authority.issue("stranger", x509.DNSName("stranger.acme"))
    authority.issue("old", x509.DNSName("desk.acme"), days=-1)
    return authority


def files_of(authority: Authority) -> ServerCertificates:
    """Return the server's certificates."""
    return ServerCertificates(
        Path(authority.certificate("server")), Path(authority.key("server")), Path(authority.certificate("ca"))
    )


@asynccontextmanager
async def serving(certificates: ServerCertificates) -> AsyncIterator[tuple[int, Doubles]]:
    """Serve by TLS to callers whose certificates have known names."""
    doubles, telemetry = Doubles(watch=SilentWatch()), Telemetry()
    sign_in = SignIn(Recognition(certificates=CertificateCheck(NAMES)), certificates=True)
    server = build_server(doubles.services, Health(telemetry), telemetry, sign_in=sign_in)
    port = server.add_secure_port("127.0.0.1:0", certificates.credentials())
    await server.start()
    yield port, doubles
    await server.stop(None)


def channel(authority: Authority, port: int, name: str) -> grpc.aio.Channel:
    """Return a channel that presents a certificate."""
    ca, key, own = (
        Path(file).read_bytes()
        for file in (authority.certificate("ca"), authority.key(name), authority.certificate(name))
    )
    options = (("grpc.use_local_subchannel_pool", 1),)
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca, key, own), options=options)


async def serial_of(authority: Authority, port: int) -> int:
    """Return the serial number of the certificate that the server presents to a new connection."""
    context = ssl.create_default_context(cafile=authority.certificate("ca"))
    context.load_cert_chain(authority.certificate("desk"), authority.key("desk"))

    def shake_hands() -> int:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as shaken,
        ):
            presented: Any = shaken.getpeercert()
            return int(presented["serialNumber"], 16)

    return await asyncio.to_thread(shake_hands)


def content(file: str) -> bytes:
    """Return what stands in a file."""
    return Path(file).read_bytes()


def put(file: str, written: bytes) -> None:
    """Replace what stands in a file."""
    Path(file).write_bytes(written)


def serial_in(authority: Authority, name: str) -> int:
    """Return the serial number of a certificate's file."""
    return x509.load_pem_x509_certificate(Path(authority.certificate(name)).read_bytes()).serial_number


async def test_a_certificate_names_its_principal(authority: Authority) -> None:
    """By a known name among its alternative names; one without such a name is refused."""
    async with serving(files_of(authority)) as (port, doubles):
        seen = []
        agents: Any = doubles.agents
        agent = agents.agent

        async def noting(*arguments: Any) -> Any:
            seen.append(current_principal())
            return await agent(*arguments)

        agents.agent = noting
        async with channel(authority, port, "desk") as desk:
            people: Any = roster_pb2_grpc.RosterServiceStub(desk)
            await people.GetAgent(AGENT)
            refused = await failure(people.DeleteAgent(roster_pb2.DeleteAgentRequest(name=AGENT.name)))
        assert refused.reason == "PERMISSION_DENIED"
        async with channel(authority, port, "stranger") as stranger:
            people = roster_pb2_grpc.RosterServiceStub(stranger)
            assert (await failure(people.GetAgent(AGENT))).reason == "CREDENTIALS_WRONG"
        (principal,) = seen
        assert (principal.name, principal.kind, principal.grants) == (
            "desk.acme",
            PrincipalKind.CERTIFICATE,
            (Grant(Role.OBSERVER, frozenset({"default"})),),
        )


async def test_a_certificate_that_has_expired_no_longer_counts(authority: Authority) -> None:
    """Also on a connection that was opened before."""
    check = CertificateCheck(NAMES)
    pem = content(authority.certificate("old"))
    for _ in range(2):
        with pytest.raises(CredentialsExpired):
            await Recognition(certificates=check).identify(Credentials(certificate=pem))
    with pytest.raises(CredentialsWrong, match="cannot be read"):
        check.identify(b"no certificate")
    assert "spiffe://acme/crm" in NAMES


async def test_certificates_are_replaced_and_no_call_notices(authority: Authority) -> None:
    """A new connection gets the new certificate; a stream of before goes on. Half a replacement changes nothing."""
    certificates = files_of(authority)
    async with serving(certificates) as (port, _), channel(authority, port, "desk") as desk:
        routing: Any = routing_pb2_grpc.RoutingServiceStub(desk)
        stream = routing.WatchEvents(routing_pb2.WatchEventsRequest(parent="sites/default"))
        assert await stream.read() is not grpc.aio.EOF
        before = serial_in(authority, "server")
        assert await serial_of(authority, port) == before
        former_key = content(authority.key("server"))
        authority.issue("server")
        own_key = content(authority.key("server"))
        put(authority.key("server"), former_key)
        assert await serial_of(authority, port) == before
        put(authority.key("server"), own_key)
        after = serial_in(authority, "server")
        assert after != before
        assert [await serial_of(authority, port) for _ in range(2)] == [after, after]
        assert not stream.done()
        people: Any = roster_pb2_grpc.RosterServiceStub(desk)
        await people.GetAgent(AGENT)
        stream.cancel()


def _locked(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    Path(authority.key("server")).write_bytes(key.private_bytes(*form))


WRONG: dict[str, tuple[Callable[[Authority], object], str]] = {
    "another's key": (
        lambda authority: Path(authority.key("server")).write_bytes(Path(authority.key("desk")).read_bytes()),
        r"MATCHER_TLS_KEY .*server\.key is not the key of MATCHER_TLS_CERTIFICATE .*server\.pem",
    ),
    "no key": (
        lambda authority: Path(authority.key("server")).write_text("none"),
        r"MATCHER_TLS_KEY .*server\.key holds no private key in PEM",
    ),
    "a key with a password": (_locked, r"MATCHER_TLS_KEY .*server\.key is locked by a password"),
    "no certificate": (
        lambda authority: Path(authority.certificate("server")).write_text("none"),
        r"MATCHER_TLS_CERTIFICATE .*server\.pem holds no certificate in PEM",
    ),
    "an authority that is none": (
        lambda authority: Path(authority.certificate("ca")).write_text("none"),
        r"MATCHER_TLS_CLIENT_CA .*ca\.pem holds no certificate in PEM",
    ),
    "an authority that is gone": (
        lambda authority: Path(authority.certificate("ca")).unlink(),
        r"MATCHER_TLS_CLIENT_CA .*ca\.pem cannot be read: No such file or directory",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named(authority: Authority, case: str) -> None:
    """The start says which file it is, by its setting, and what is wrong with it."""
    spoil, why = WRONG[case]
    spoil(authority)
    with pytest.raises(SettingsWrong, match=why):
        files_of(authority)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("desk.acme", "not of the form"),
        ("=owner", "not of the form"),
        ("desk.acme=", "not of the form"),
        ("desk.acme=boss", "no role"),
        ("a=owner; a=observer", "named twice"),
    ],
)
def test_wrong_names_are_refused(text: str, why: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=why):
        parse_names(text)
