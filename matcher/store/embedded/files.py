"""The files of an embedded store's data directory, and its two file locks."""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matcher.errors import StoreUnavailable

POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """The paths of an embedded store's files in its data directory."""

    data_dir: Path

    @property
    def users(self) -> Path:
        """Return the file that every process that uses the store locks shared."""
        return self.data_dir / "users"

    @property
    def lock(self) -> Path:
        """Return the file that the server locks exclusively while it lives; it holds the socket's path and the pid."""
        return self.data_dir / "lock"

    @property
    def log(self) -> Path:
        """Return the file of the server's log."""
        return self.data_dir / "store.log"

    @property
    def server(self) -> Path:
        """Return the directory of the append-only files and, where its path is short enough, of the socket."""
        return self.data_dir / "store"

    @property
    def append_only(self) -> Path:
        """Return the directory of the append-only files, as the server names it."""
        return self.server / "appendonlydir"

    @property
    def append_only_manifest(self) -> Path:
        """Return the file that names the append-only files that count; there is data where it exists."""
        return self.append_only / "appendonly.aof.manifest"

    def prepare(self) -> None:
        """Create the directories, private to this user. Raises OSError."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.server.mkdir(mode=0o700, exist_ok=True)
        self.server.chmod(0o700)

    def address(self) -> tuple[Path | None, str]:
        """Return the socket of the server that started last and its pid; None and '' where they are not written yet."""
        socket, _, pid = os.fsdecode(self.lock.read_bytes() if self.lock.exists() else b"").partition("\0")
        return (Path(socket) if socket else None, pid)

    def last_log_line(self) -> str:
        """Return the last line of the log, without the server's pid and time stamp; '' where there is none."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return re.sub(r"^\d+:[A-Z] .*? [.\-*#] ", "", lines[-1]).strip() if lines else ""


def sync_directory(path: Path) -> None:
    """Write a directory to the disk, so that files moved into it outlive a power cut. Raises OSError."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class PollTimeout:
    """Sleep between polls, until the time is up or the caller is cancelled."""

    def __init__(self, seconds: float, cancelled: threading.Event) -> None:
        self._seconds = seconds
        self._cancelled = cancelled
        self.restart()

    def restart(self) -> None:
        """Restart the time."""
        self._deadline = time.monotonic() + self._seconds

    def sleep(self, address: str, why: Callable[[], str]) -> None:
        """Sleep until the next poll. Raises StoreUnavailable, with the reason `why`, when the time is up."""
        if self._cancelled.wait(POLL_SECONDS):
            raise StoreUnavailable(address, "the caller was cancelled")
        if time.monotonic() > self._deadline:
            raise StoreUnavailable(address, why())


def open_lock(path: Path) -> int:
    """Open a lock file and return its descriptor, which no program started by this process inherits."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_lock_exclusive(lock: int) -> bool:
    """Lock an open file for this process alone; return False where another process has locked it."""
    return _flock(lock, fcntl.LOCK_EX)


def try_lock_shared(lock: int) -> bool:
    """Lock an open file together with other processes; return False where one has locked it for itself alone."""
    return _flock(lock, fcntl.LOCK_SH)


def _flock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
