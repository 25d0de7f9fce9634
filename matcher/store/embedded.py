"""The embedded store: a server of our own per data directory, shared by the processes that use the directory.

Three locks (flock, so that the kernel releases them with their holders) decide who does what:
`lock` is held by the server itself, so two servers never write one directory; `users` is held, shared, by every
user, so the last one out knows that it is the last; `door` is held while entering or leaving, so that nobody comes
in while the last one is stopping the server.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from matcher.errors import StoreUnavailable
from matcher.store.embedded_process import StoreFiles, choose_socket, find_binary, start_server

STOP_SECONDS = 10.0
POLL_SECONDS = 0.01
ANSWER_SECONDS = 1.0
LOADING = "it is still loading its data"


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Say where an embedded store lives, which binary serves it, and how long it may stay silent at start."""

    data_dir: Path
    binary: Path | None = None
    start_timeout_seconds: float = 60


class EmbeddedStore:
    """Hold one use of the embedded store of a data directory, until closed."""

    def __init__(self, files: StoreFiles, socket: Path, users: int, adopted: bool) -> None:
        self._files = files
        self._socket = socket
        self._users: int | None = users
        self._adopted = adopted

    @classmethod
    async def open(cls, settings: EmbeddedSettings) -> EmbeddedStore:
        """Start the store of the data directory, or attach to the one that lives.

        A store that is loading is waited for without limit; the timeout counts only the time in which it says nothing.
        Raises StoreUnavailable with the one-line reason.
        """
        abandoned = threading.Event()
        entering = asyncio.ensure_future(asyncio.to_thread(_enter, settings, abandoned))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            abandoned.set()
            with suppress(StoreUnavailable):
                await (await entering).close()
            raise

    @property
    def url(self) -> str:
        """Return the address in the form that redis-py's from_url reads."""
        return _url(self._socket)

    @property
    def adopted(self) -> bool:
        """Tell whether the server was already alive."""
        return self._adopted

    async def close(self) -> None:
        """Leave the store; the last one out stops it. Raises StoreUnavailable where it does not stop in 10 s."""
        users, self._users = self._users, None
        if users is not None:
            await asyncio.shield(asyncio.to_thread(_leave, self._files, self._socket, users))


def _enter(settings: EmbeddedSettings, abandoned: threading.Event) -> EmbeddedStore:
    try:
        files = StoreFiles(settings.data_dir.expanduser().resolve())
        files.prepare()
        patience = _Patience(settings.start_timeout_seconds, abandoned)
        with _at_the_door(files, patience):
            users = _open(files.users)
            try:
                # At the door nobody holds this lock but other users, so a shared one is free to take.
                fcntl.flock(users, fcntl.LOCK_SH)
                socket, adopted = _reach(files, settings.binary, patience)
            except BaseException:
                os.close(users)
                raise
            return EmbeddedStore(files, socket, users, adopted)
    except OSError as error:
        raise StoreUnavailable(
            str(settings.data_dir), f"{error.strerror or error}: {error.filename}"
        ) from error


def _reach(files: StoreFiles, binary: Path | None, patience: _Patience) -> tuple[Path, bool]:
    """Return the socket of a server that answers, and whether it was alive before: started here if the lock is free."""
    started: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if started is None:
                started = _start_if_free(files, binary)
            elif started.returncode is not None:
                raise StoreUnavailable(
                    str(files.data_dir),
                    f"its server ended at start ({started.returncode}): {files.last_line()}",
                )
            socket, pid = files.address()
            silence = _ask(socket)
            if socket is not None and silence is None:
                if started is not None:
                    _quieten(socket)
                return socket, started is None
            if silence == LOADING:
                patience.renew()
            patience.wait(str(files.data_dir), partial(_describe, files, pid, silence))
    except BaseException:
        if started is not None:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECONDS)
        raise


def _describe(files: StoreFiles, pid: str, silence: str | None) -> str:
    holder = f"its server (process {pid})" if pid else "its server"
    return f"{holder} holds the lock, but {silence}; last logged: {files.last_line()}"


def _start_if_free(files: StoreFiles, binary: Path | None) -> subprocess.Popen[bytes] | None:
    lock = _open(files.lock)
    try:
        if not _taken(lock):
            os.close(lock)
            return None
        binary = find_binary(binary, str(files.data_dir))
        socket = choose_socket(files)
    except BaseException:
        os.close(lock)
        raise
    return start_server(binary, files, socket, lock)


def _ask(socket: Path | None) -> str | None:
    """Return None where a server answers at the socket, else why it cannot be used."""
    if socket is None:
        return "has not said where it listens"
    try:
        with _client(socket) as client:
            client.ping()
    except redis.exceptions.BusyLoadingError:
        return LOADING
    except redis.exceptions.RedisError as error:
        return f"does not answer at {socket} ({error})"
    return None


def _quieten(socket: Path) -> None:
    # From here on only what somebody must see is logged: an orphaned server has nobody who would cut its log.
    with suppress(redis.exceptions.RedisError), _client(socket) as client:
        client.config_set("loglevel", "warning")


def _leave(files: StoreFiles, socket: Path, users: int) -> None:
    patience = _Patience(STOP_SECONDS, threading.Event())
    try:
        with _at_the_door(files, patience):
            # Turning a shared lock into an exclusive one may lose it on the way; at the door nobody can take it then.
            if _taken(users):
                _stop(files, socket, patience)
    finally:
        os.close(users)


def _stop(files: StoreFiles, socket: Path, patience: _Patience) -> None:
    silence = ""
    # NOSAVE is about snapshots, which are off: the append-only file is synced all the same.
    try:
        with _client(socket) as client:
            client.shutdown(nosave=True)
    except redis.exceptions.RedisError as error:
        silence = f" ({error})"
    lock = _open(files.lock)
    try:
        while not _taken(lock):
            patience.wait(
                _url(socket), lambda: f"it does not stop{silence}; last logged: {files.last_line()}"
            )
        if socket.parent != files.server:
            with suppress(OSError):
                socket.parent.rmdir()
    finally:
        os.close(lock)


class _Patience:
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


@contextmanager
def _at_the_door(files: StoreFiles, patience: _Patience) -> Iterator[None]:
    door = _open(files.door)
    try:
        while not _taken(door):
            if _ask(files.address()[0]) == LOADING:
                patience.renew()  # whoever is at the door waits for the same server
            patience.wait(
                str(files.data_dir), lambda: "another process is entering or leaving it, and does not finish"
            )
        try:
            yield
        finally:
            # Unlocked in words: a child forked meanwhile has a copy of the descriptor, which would keep the lock.
            fcntl.flock(door, fcntl.LOCK_UN)
    finally:
        os.close(door)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _taken(lock: int) -> bool:
    """Take the lock of an open file for this process alone, if it is free at this moment."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _client(socket: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket),
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )


def _url(socket: Path) -> str:
    return "unix://" + quote(str(socket))
