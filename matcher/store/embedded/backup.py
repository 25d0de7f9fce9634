"""Backups of an embedded store: one file with a snapshot of the store and a manifest that says what it is.

The file is a tar with `manifest.json`, `store.rdb`, the server's own snapshot, and, where the service keeps a ledger in
the data directory, `ledger.sqlite`, a copy made after the snapshot. It appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec
import redis

from matcher.errors import BackupWrong, StoreUnavailable
from matcher.store.embedded.files import PollTimeout, StoreFiles, sync_directory, try_lock_exclusive
from matcher.store.keys import SCHEMA

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SNAPSHOT: Final = "store.rdb"
LEDGER: Final = "ledger.sqlite"
MANIFEST_BYTES: Final = 65_536
"""A longer manifest is none of ours."""
CHUNK_BYTES: Final = 1 << 20
ANSWER_SECONDS: Final = 60.0
"""How long the server may be silent: it divides itself for the snapshot, which takes a while for much memory."""
SERVER_SECONDS: Final = 3600.0
"""How long the server may take for its snapshot: it writes some 100 MB a second."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int
    version: str
    """Of the program that made it."""
    schema: int
    """Of its data."""
    created_ms: int
    """When the snapshot was taken, in milliseconds since 1970 by the store's clock."""
    bytes: int
    sha256: str
    """Size and digest of the snapshot."""
    ledger_bytes: int = 0
    ledger_sha256: str = ""
    """Size and digest of the copy of the ledger; "": there is none."""


def write_backup(
    data_dir: Path, url: str, file: Path, version: str, copy_ledger: Callable[[Path], None] | None = None
) -> Manifest:
    """Write a backup of the embedded store of a data directory, whose server answers at a URL; replace the file.

    The server writes the snapshot in a process of its own and goes on serving. copy_ledger: copies the ledger to a new
    file; None: there is none in the data directory. Raises BackupWrong, StoreUnavailable, OSError, or what copy_ledger
    raises; then the file is as it was.
    """
    files = StoreFiles(data_dir.expanduser().resolve())
    if not file.parent.is_dir():
        raise BackupWrong(str(file.parent), "there is no such folder")
    with _one_at_a_time(files), redis.Redis.from_url(url, protocol=2, socket_timeout=ANSWER_SECONDS) as client:
        try:
            return _write(files, client, file, version, copy_ledger)
        except redis.exceptions.RedisError as fault:
            raise StoreUnavailable(str(files.data_dir), f"it took no snapshot ({fault})") from fault


@contextmanager
def _one_at_a_time(files: StoreFiles) -> Iterator[None]:
    """Lock the server's directory: its snapshots all have one name."""
    directory = os.open(files.server, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not try_lock_exclusive(directory):
            raise BackupWrong(str(files.data_dir), "another backup is under way")
        yield
    finally:
        os.close(directory)


def _write(
    files: StoreFiles, client: redis.Redis, file: Path, version: str, copy_ledger: Callable[[Path], None] | None
) -> Manifest:
    schema, created_ms = _schema(client), _now_ms(client)
    snapshot = _take_snapshot(files, client)
    ledger = files.server / f"backup-{os.getpid()}.sqlite"
    try:
        # After the snapshot: what has left the outbox meanwhile is in the copy.
        if copy_ledger is not None:
            copy_ledger(ledger)
        if _schema(client) != schema:
            raise BackupWrong(str(file), "the store was upgraded meanwhile: try again")
        manifest = Manifest(
            format=FORMAT,
            version=version,
            schema=schema,
            created_ms=created_ms,
            bytes=snapshot.stat().st_size,
            sha256=_digest(snapshot),
            ledger_bytes=ledger.stat().st_size if ledger.exists() else 0,
            ledger_sha256=_digest(ledger) if ledger.exists() else "",
        )
        _publish(snapshot, ledger, manifest, file)
    finally:
        snapshot.unlink()
        ledger.unlink(missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """Read what a backup holds. Raises BackupWrong or OSError."""
    with file.open("rb") as opened:
        return _open_backup(file, opened)[0]


def extract_snapshot(file: Path, to: Path) -> Manifest:
    """Copy a backup's snapshot to a new file, synced to the disk, and verify it by its digest.

    Raises BackupWrong, or OSError; then there is no new file.
    """
    with file.open("rb") as opened:
        manifest, snapshot = _open_backup(file, opened)
        _copy_out(file, snapshot, to, manifest.bytes, manifest.sha256)
    return manifest


def extract_ledger(file: Path, to: Path) -> bool:
    """Copy a backup's ledger to a new file, as `extract_snapshot` does; return whether the backup has one."""
    with file.open("rb") as opened:
        manifest, _ = _open_backup(file, opened)
        if not manifest.ledger_sha256:
            return False
        opened.seek(0)
        with tarfile.open(fileobj=opened, mode="r:") as archive:
            try:
                ledger = archive.extractfile(LEDGER)
            except KeyError:
                raise BackupWrong(str(file), "it is cut off") from None
            assert ledger is not None
            _copy_out(file, ledger, to, manifest.ledger_bytes, manifest.ledger_sha256)
    return True


def _copy_out(file: Path, stored: IO[bytes], to: Path, size_there: int, digest_there: str) -> None:
    """Copy a member of a backup to a new file, synced to the disk, and verify it by its digest."""
    try:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            while chunk := stored.read(CHUNK_BYTES):
                digest.update(chunk)
                size += copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        if (size, digest.hexdigest()) != (size_there, digest_there):
            raise BackupWrong(str(file), "its data does not have the checksum of its manifest")
    except BaseException as fault:
        to.unlink(missing_ok=True)
        if isinstance(fault, tarfile.TarError):
            raise BackupWrong(str(file), "it is cut off") from fault
        raise


def _open_backup(file: Path, opened: IO[bytes]) -> tuple[Manifest, IO[bytes]]:
    """Return the manifest and the snapshot, to be read from `opened`."""
    try:
        archive = tarfile.open(fileobj=opened, mode="r:")  # noqa: SIM115 - the caller closes the file below it
        members = {member.name: member for member in archive if member.isfile()}
        described, stored = (archive.extractfile(members[name]) for name in (MANIFEST, SNAPSHOT))
        assert described is not None
        assert stored is not None
        manifest = msgspec.json.decode(described.read(MANIFEST_BYTES), type=Manifest)
    except (tarfile.TarError, KeyError, msgspec.MsgspecError) as fault:
        raise BackupWrong(str(file), "it is no backup, or it is cut off") from fault
    if manifest.format != FORMAT:
        raise BackupWrong(str(file), f"it has format {manifest.format}; this version reads {FORMAT}")
    return manifest, stored


def _take_snapshot(files: StoreFiles, client: redis.Redis) -> Path:
    """Let the server write a snapshot, and take it out of the server's directory under a name of its own."""
    address, timeout = str(files.data_dir), PollTimeout(SERVER_SECONDS, threading.Event())
    saves = client.info("persistence")["rdb_saves"]
    # SCHEDULE: not an error while the append-only file is being rewritten; the snapshot follows then.
    client.bgsave(schedule=True)
    while (said := client.info("persistence"))["rdb_saves"] == saves or said["rdb_bgsave_in_progress"]:
        # The server counts a snapshot when it begins to write it.
        timeout.sleep(address, lambda: "its snapshot takes too long")
    if said["rdb_last_bgsave_status"] != "ok":
        raise StoreUnavailable(address, f"it could not write a snapshot; last logged: {files.last_log_line()}")
    name = str(client.config_get("dbfilename")["dbfilename"])
    taken = files.server / f"backup-{os.getpid()}.rdb"
    (files.server / name).replace(taken)
    return taken


def _publish(snapshot: Path, ledger: Path, manifest: Manifest, file: Path) -> None:
    """Write the backup beside its place and move it there once it is on the disk."""
    number, beside = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # readable by this user alone
    try:
        with os.fdopen(number, "wb") as opened:
            with tarfile.open(fileobj=opened, mode="w") as archive:
                described = msgspec.json.encode(manifest)
                _add(archive, MANIFEST, io.BytesIO(described), len(described), manifest)
                with snapshot.open("rb") as data:
                    _add(archive, SNAPSHOT, data, manifest.bytes, manifest)
                if manifest.ledger_sha256:
                    with ledger.open("rb") as data:
                        _add(archive, LEDGER, data, manifest.ledger_bytes, manifest)
            opened.flush()
            os.fsync(opened.fileno())
        Path(beside).replace(file)
        sync_directory(file.parent)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise


def _add(archive: tarfile.TarFile, name: str, data: IO[bytes], size: int, manifest: Manifest) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, manifest.created_ms // 1000
    archive.addfile(member, data)


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _schema(client: redis.Redis) -> int:
    return int(client.get(SCHEMA) or 0)


def _now_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000
