"""Restoring of a backup into the data directory of an embedded store."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from matcher.errors import BackupWrong
from matcher.store.embedded.backup import LEDGER, Manifest, extract_ledger, extract_snapshot, read_manifest
from matcher.store.embedded.files import PollTimeout, StoreFiles, open_lock, sync_directory, try_lock_exclusive
from matcher.store.embedded.process import stop_server
from matcher.store.embedded.store import STOP_SECONDS
from matcher.store.schema import NEWEST, OLDEST

BASE: Final = "appendonly.aof.{}.base.rdb"
SEQUENCE: Final = re.compile(r"^file \S+ seq (\d+) ", re.MULTILINE)


def restore_backup(
    file: Path,
    data_dir: Path,
    verify: Callable[[Path], None],
    put_ledger: Callable[[Path | None], None] = lambda _: None,
    *,
    replace: bool,
) -> Manifest:
    """Restore a backup into a data directory; nothing changes unless the whole backup can be read.

    verify: called with a data directory that holds the backup alone; it starts a store there and raises where the data
    cannot be used. put_ledger: called, when the data is replaced, with the copy of the ledger, to put it into its
    place; with None where the backup has none. replace: where the directory has data, replace it: that data is gone
    then.

    Raises BackupWrong where a service runs on the directory, where it has data that is not to be replaced, or where the
    file is damaged; and OSError.
    """
    manifest = read_manifest(file)
    if manifest.schema > NEWEST:
        raise BackupWrong(str(file), f"its data has schema {manifest.schema}; this version reads {OLDEST} to {NEWEST}")
    files = StoreFiles(data_dir.expanduser().resolve())
    files.prepare()
    with _alone(files, replace=replace):
        beside = StoreFiles(files.data_dir / "restoring")
        _clear(beside)
        try:
            _lay_out(beside, partial(extract_snapshot, file), 1)
            ledger = beside.data_dir / LEDGER
            has_ledger = extract_ledger(file, ledger)
            verify(beside.data_dir)
            last = _last_sequence(files)
            _lay_out(files, (beside.append_only / BASE.format(1)).replace, last + 1)
            put_ledger(ledger if has_ledger else None)
        finally:
            shutil.rmtree(beside.data_dir, ignore_errors=True)
        for old in files.append_only.iterdir():
            if old.name not in {files.append_only_manifest.name, BASE.format(last + 1)}:
                old.unlink()
    return manifest


def _lay_out(files: StoreFiles, put: Callable[[Path], Manifest | Path], sequence: int) -> None:
    """Make a snapshot the data of a directory: `put` puts it into its place, then the server's manifest names it.

    The manifest is replaced at once: before that the server reads the old data, after it the new.
    """
    files.prepare()
    files.append_only.mkdir(mode=0o700, exist_ok=True)
    base = files.append_only / BASE.format(sequence)
    base.unlink(missing_ok=True)  # left by a restore that was killed
    put(base)
    written = files.append_only_manifest.with_suffix(".new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(f"file {base.name} seq {sequence} type b\n".encode())
        opened.flush()
        os.fsync(opened.fileno())
    sync_directory(files.append_only)
    written.replace(files.append_only_manifest)
    sync_directory(files.append_only)


@contextmanager
def _alone(files: StoreFiles, *, replace: bool) -> Iterator[None]:
    """Hold both locks of a data directory, so that no service starts on it meanwhile."""
    users, lock = open_lock(files.users), open_lock(files.lock)
    try:
        if not try_lock_exclusive(users):
            raise BackupWrong(str(files.data_dir), "a service uses it: stop it first")
        if files.append_only_manifest.exists() and not replace:
            raise BackupWrong(str(files.data_dir), "it has data already; --force replaces it")
        _end_server(files, lock)
        yield
    finally:
        os.close(users)
        os.close(lock)


def _end_server(files: StoreFiles, lock: int) -> None:
    """End a server that a killed process left behind, and lock its directory."""
    timeout = PollTimeout(STOP_SECONDS, threading.Event())
    while not try_lock_exclusive(lock):
        socket, _ = files.address()
        refusal = stop_server(socket) if socket else ""
        timeout.sleep(str(files.data_dir), partial("its server does not end{}".format, refusal))


def _clear(beside: StoreFiles) -> None:
    """Remove what a restore that was killed has left."""
    if beside.lock.exists():
        lock = open_lock(beside.lock)
        try:
            _end_server(beside, lock)
        finally:
            os.close(lock)
    shutil.rmtree(beside.data_dir, ignore_errors=True)


def _last_sequence(files: StoreFiles) -> int:
    if not files.append_only_manifest.exists():
        return 0
    return max(map(int, SEQUENCE.findall(files.append_only_manifest.read_text("utf-8"))), default=0)
