"""What an embedded store keeps in its data directory, its two locks among it, and how they are taken."""

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
    """Name what an embedded store keeps in its data directory."""

    data_dir: Path

    @property
    def users(self) -> Path:
        """Name the file locked, shared, by every process that uses the store."""
        return self.data_dir / "users"

    @property
    def lock(self) -> Path:
        """Name the file locked by the server while it lives; it holds the socket's path and the pid."""
        return self.data_dir / "lock"

    @property
    def log(self) -> Path:
        """Name the file the server's words go to."""
        return self.data_dir / "store.log"

    @property
    def server(self) -> Path:
        """Name the directory of the append-only files and, where its path is short enough, of the socket."""
        return self.data_dir / "store"

    def prepare(self) -> None:
        """Make the directories, private to this user; raise OSError where that is not possible."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.server.mkdir(mode=0o700, exist_ok=True)
        self.server.chmod(0o700)

    def address(self) -> tuple[Path | None, str]:
        """Read where the last started server listens (None: nowhere yet), and its pid ('': not noted)."""
        socket, _, pid = os.fsdecode(self.lock.read_bytes() if self.lock.exists() else b"").partition("\0")
        return (Path(socket) if socket else None, pid)

    def last_line(self) -> str:
        """Read the log's last line, without the server's pid and time stamp."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return re.sub(r"^\d+:[A-Z] .*? [.\-*#] ", "", lines[-1]).strip() if lines else ""


class Patience:
    """Wait in small steps until the time is up or the caller has gone."""

    def __init__(self, seconds: float, abandoned: threading.Event) -> None:
        self._seconds = seconds
        self._abandoned = abandoned
        self.renew()

    def renew(self) -> None:
        """Begin the time anew."""
        self._deadline = time.monotonic() + self._seconds

    def wait(self, address: str, why: Callable[[], str]) -> None:
        """Sleep one step; raise StoreUnavailable with the reason once the time is up."""
        if self._abandoned.wait(POLL_SECONDS):
            raise StoreUnavailable(address, "the caller has gone")
        if time.monotonic() > self._deadline:
            raise StoreUnavailable(address, why())


def open_lock(path: Path) -> int:
    """Open a file to be locked, and return its descriptor, which no other program started here inherits."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_lock_exclusive(lock: int) -> bool:
    """Lock an open file for this process alone, if nobody else holds it at this moment."""
    return _flock(lock, fcntl.LOCK_EX)


def try_lock_shared(lock: int) -> bool:
    """Lock an open file together with others who share it, if nobody holds it alone at this moment."""
    return _flock(lock, fcntl.LOCK_SH)


def _flock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
