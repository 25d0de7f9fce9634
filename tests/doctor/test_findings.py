"""The doctor's findings: what is wrong is named, each with what to do, and nothing is changed by looking."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import generate_latest
from sqlalchemy import text

from matcher.config import Settings, load
from matcher.ledger.database import REVISIONS, LedgerDatabase
from matcher.server.doctor.callers import callers
from matcher.server.doctor.findings import Finding, State
from matcher.server.doctor.ledgers import ledger
from matcher.server.doctor.machine import certificates, folders, versions
from matcher.server.doctor.models import models
from matcher.server.doctor.serving import metrics
from matcher.server.doctor.stores import _server, look_at_store
from matcher.store.keys import SCHEMA
from matcher.store.schema import NEWEST
from matcher.telemetry import Telemetry
from tests.processes import Store

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def said(findings: Iterable[Finding], about: str) -> list[tuple[State, str]]:
    """Return what was found of one thing."""
    return [(finding.state, finding.found) for finding in findings if finding.about == about]


def settings(tmp_path: Path, **more: object) -> Settings:
    """Return settings in a folder of the test."""
    return load({}, data_dir=tmp_path / "data", **more)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """Give a store that nothing has used."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            yield store
        finally:
            await store.end()


async def findings_of(store: Store, tmp_path: Path) -> list[Finding]:
    """Return what is found of a store; each finding that is not ok says what to do."""
    findings = (await look_at_store(settings(tmp_path, store_url=store.url))).findings
    assert [one for one in findings if (one.state is State.OK) == bool(one.do)] == []
    return findings


async def test_an_empty_store_is_left_empty(store: Store, tmp_path: Path) -> None:
    """The doctor loads no function, writes no schema and registers no process."""
    findings = await findings_of(store, tmp_path)
    assert said(findings, "schema") == [
        (State.OK, f"unix://{store.url.removeprefix('unix://')} is empty: the first start begins with schema {NEWEST}")
    ]
    async with store.client() as redis:
        assert await redis.dbsize() == 0
        assert await redis.function_list() == []


async def test_a_store_of_other_programs_is_named(store: Store, tmp_path: Path) -> None:
    """Somebody who named the wrong database hears that it holds nothing of the service."""
    async with store.client() as redis:
        await redis.set("session:1", "x")
    ((state, found),) = said(await findings_of(store, tmp_path), "schema")
    assert state is State.WARN
    assert found.endswith("holds 1 keys, and none of this service")


async def test_an_older_and_a_newer_schema_are_told_apart(store: Store, tmp_path: Path) -> None:
    """The older one is read and will be raised; the newer one keeps this version from starting."""
    async with store.client() as redis:
        await redis.set(SCHEMA, NEWEST - 1)
        ((state, found),) = said(await findings_of(store, tmp_path), "schema")
        assert (state, f"schema {NEWEST - 1}" in found) == (State.WARN, True)
        await redis.set(SCHEMA, NEWEST + 1)
        ((state, found),) = said(await findings_of(store, tmp_path), "store")
        assert (state, "start the later version" in found) == (State.FAIL, True)


async def test_a_store_that_evicts_keeps_the_service_from_starting(store: Store, tmp_path: Path) -> None:
    """Records that vanish by themselves are lost reservations."""
    async with store.client() as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        assert [state for state, _ in said(await findings_of(store, tmp_path), "store")] == [State.FAIL]
        await redis.config_set("maxmemory-policy", "noeviction")


async def test_a_store_that_does_not_answer_is_named_within_seconds(tmp_path: Path) -> None:
    """A wrong address is told by what the system says of it."""
    findings = (await look_at_store(settings(tmp_path, store_url="redis://127.0.0.1:1"))).findings
    ((state, found),) = said(findings, "store")
    assert (state, "redis://127.0.0.1:1 does not answer" in found) == (State.FAIL, True)


def test_a_full_store_and_a_full_disk_of_the_store_are_told() -> None:
    """Both refuse writes; a store without an append-only file loses what it acknowledged."""
    info = {"redis_version": "7.4.0", "aof_enabled": 1, "used_memory": 10, "maxmemory": 10}
    assert [one.state for one in _server("s", info)] == [State.FAIL]
    assert [one.state for one in _server("s", info | {"used_memory": 9})] == [State.WARN]
    failed = [*_server("s", info | {"used_memory": 1, "aof_last_write_status": "err"})]
    assert [one.state for one in failed] == [State.OK, State.FAIL]
    assert [one.state for one in _server("s", info | {"used_memory": 1, "aof_enabled": 0})] == [State.OK, State.WARN]


def test_the_free_space_of_the_folders_is_judged(tmp_path: Path) -> None:
    """A full disk fails, a nearly full one warns, and a folder that cannot be written names the right to give."""
    chosen = settings(tmp_path)

    def states(free: int) -> list[State]:
        return [one.state for one in folders(chosen, lambda _: SimpleNamespace(free=free))]

    assert states(1 << 20) == [State.FAIL, State.FAIL]
    assert states(200 << 20) == [State.WARN, State.WARN]
    assert states(1 << 40) == [State.OK, State.OK]
    assert [one.about for one in folders(chosen, shutil.disk_usage)] == ["models", "data"]


def test_the_libraries_of_this_installation_fit() -> None:
    """The floors in pyproject.toml hold for the versions that the tests run with."""
    assert [one.state for one in versions()] == [State.OK]


def certificate(folder: Path, name: str, until: datetime, key: ec.EllipticCurvePrivateKey) -> dict[str, Path]:
    """Write a certificate that signs itself, and its key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    written = {"tls_certificate": folder / f"{name}.pem", "tls_key": folder / f"{name}.key"}
    written["tls_certificate"].write_bytes(built.public_bytes(Encoding.PEM))
    written["tls_key"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return written


def test_certificates_are_judged_by_their_days_and_their_keys(tmp_path: Path) -> None:
    """One that has ended, one that ends soon, one whose key is another's, and files that are none, each by its name."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def found(**files: Path) -> list[tuple[State, str]]:
        return said(certificates(settings(tmp_path, **files), NOW), "certificates")

    good = certificate(tmp_path, "good", NOW + timedelta(days=90), key)
    assert found(**good) == [(State.OK, f"tls_certificate {good['tls_certificate']} is valid until 2026-08-30")]
    ended = certificate(tmp_path, "ended", NOW - timedelta(days=1), key)
    assert [state for state, _ in found(**ended)] == [State.FAIL]
    soon = certificate(tmp_path, "soon", NOW + timedelta(days=13), key)
    assert [state for state, _ in found(**soon)] == [State.WARN]
    mixed = good | {"tls_key": certificate(tmp_path, "other", NOW + timedelta(days=90), other)["tls_key"]}
    assert found(**mixed)[1] == (State.FAIL, f"tls_key {mixed['tls_key']} is not the key of {good['tls_certificate']}")
    (tmp_path / "no.pem").write_text("hello")
    assert found(**good, tls_client_ca=tmp_path / "no.pem")[1] == (
        State.FAIL,
        f"tls_client_ca {tmp_path / 'no.pem'}: is no PEM of that kind",
    )
    assert found(**good, tls_client_ca=tmp_path / "absent.pem")[1][1].endswith(
        "cannot be read (No such file or directory)"
    )


async def test_a_lost_keyring_and_one_that_is_no_keyring_are_named(tmp_path: Path) -> None:
    """Without it, texts that wait cannot be read; a file of something else is not taken for one."""
    (tmp_path / "data.keys").write_text("hello")
    ((state, found),) = said((await look_at_store(settings(tmp_path))).findings, "keyring")
    assert (state, str(tmp_path / "data.keys") in found) == (State.FAIL, True)


async def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A folder without weights is no model."""
    (tmp_path / "model").mkdir()
    ((state, found),) = said([one async for one in models(settings(tmp_path, model=str(tmp_path / "model")))], "model")
    assert (state, "has no weights" in found) == (State.FAIL, True)


async def test_how_callers_are_recognised_is_found(tmp_path: Path) -> None:
    """Nobody is asked though others may come, keys cross the network, the issuer's keys are missing: each is said."""
    beyond: dict[str, object] = {"listen": "0.0.0.0:50051", "beyond_loopback": True}
    nobody = [finding async for finding in callers(settings(tmp_path))]
    assert said(nobody, "callers") == [(State.OK, "nobody is asked; only this machine reaches the service")]
    open_to_all = [finding async for finding in callers(settings(tmp_path, unauthenticated=True, **beyond))]
    assert said(open_to_all, "callers") == [(State.WARN, "nobody is asked, and other machines may reach the service")]
    missing = tmp_path / "jwks.json"
    tokens = {"auth": "tokens", "token_keys": str(missing), "token_issuer": "i", "token_audience": "a"}
    found = said([finding async for finding in callers(settings(tmp_path, **tokens, **beyond))], "callers")
    assert [state for state, _ in found] == [State.OK, State.WARN, State.FAIL]
    assert str(missing) in found[-1][1]
    assert "No such file" in found[-1][1]


async def test_the_ledger_is_found_away_newer_and_not_there_yet(tmp_path: Path) -> None:
    """Looking makes no file; a ledger of a later version is named."""
    kept = settings(tmp_path)
    assert [found for found in await everything(ledger(kept)) if found.state is not State.OK] == []
    assert kept.ledger_file is not None
    assert not kept.ledger_file.exists()
    off = await everything(ledger(settings(tmp_path, ledger_url="off")))
    assert off[0].found.startswith("LEDGER_OFF")
    kept.ledger_file.parent.mkdir(parents=True)
    database = LedgerDatabase.at(kept.ledger_place)
    database.prepare()
    assert (await everything(ledger(kept)))[0].found.endswith(f"schema {REVISIONS[-1]}")
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    (newer,) = await everything(ledger(kept))
    assert (newer.state, "9999" in newer.found) == (State.WARN, True)


def test_what_waits_for_ledger_and_audit_trail_and_what_they_lost_is_told(tmp_path: Path) -> None:
    """By the metrics of the process."""
    told = Telemetry()
    calm = {one.about: one.state for one in metrics(settings(tmp_path), generate_latest(told.registry).decode())}
    assert calm["audit trail"] is State.OK
    told.trail_waiting.set(5_000)
    told.ledger_lag_seconds.labels("shop").set(900)
    told.ledger_lost.labels("shop").inc(3)
    told.quota_refusals.labels("streams").inc()
    found = list(metrics(settings(tmp_path), generate_latest(told.registry).decode()))
    assert {one.about for one in found if one.state is State.WARN} == {"ledger", "audit trail", "metrics"}
    told.trail_lost.labels("shop").inc()
    (lost,) = said(metrics(settings(tmp_path), generate_latest(told.registry).decode()), "audit trail")
    assert lost == (State.WARN, "changes that it lacks since the start: 1")


async def everything(findings: AsyncIterator[Finding]) -> list[Finding]:
    """Return all findings."""
    return [finding async for finding in findings]
