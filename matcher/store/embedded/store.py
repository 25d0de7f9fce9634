"""The embedded store: a child server for each data directory, shared by the processes that use the directory.

Two file locks coordinate the processes (flock, so that the kernel frees a lock when its process dies). The server keeps
`lock` locked while it lives, so that no two servers write one directory. Every process that uses the store keeps
`users` locked shared. A process that leaves tries to lock `users` exclusively: where that succeeds it is the last user,
and it keeps the lock while it stops the server, so that a process that comes meanwhile waits.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matcher.errors import StoreUnavailable
from matcher.store.embedded.files import PollTimeout, StoreFiles, open_lock, try_lock_exclusive, try_lock_shared
from matcher.store.embedded.process import (
    LOADING,
    choose_socket,
    find_binary,
    probe_server,
    quieten_server,
    start_server,
    stop_server,
    url_of,
)

STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The data directory of an embedded store, its server's binary, and how long the server may be silent at start."""

    data_dir: Path
    binary: Path | None = None
    start_timeout_seconds: float = 60
    max_memory_mb: int = 0
    """The server refuses writes beyond this; 0: it has no limit. A server that runs already keeps its own."""


class EmbeddedStore:
    """One process's use of the embedded store of a data directory, until it is closed."""

    def __init__(self, files: StoreFiles, socket: Path, users: int, *, adopted: bool) -> None:
        self._files = files
        self._socket = socket
        self._users: int | None = users
        self._adopted = adopted

    @classmethod
    async def open(cls, settings: EmbeddedSettings) -> EmbeddedStore:
        """Start the store of the data directory, or attach to its running server.

        A server that is loading its data has no time limit; the timeout counts only the time in which it is silent.
        Raises StoreUnavailable with a reason of one line.
        """
        cancelled = threading.Event()
        attaching = asyncio.ensure_future(asyncio.to_thread(_attach, settings, cancelled))
        try:
            return await asyncio.shield(attaching)
        except asyncio.CancelledError:
            cancelled.set()
            with suppress(StoreUnavailable):
                await (await attaching).close()
            raise

    @property
    def url(self) -> str:
        """Return the store's URL for redis-py."""
        return url_of(self._socket)

    @property
    def adopted(self) -> bool:
        """Return whether the server was running before this process came."""
        return self._adopted

    async def close(self) -> None:
        """Leave the store; the last user stops the server. Raises StoreUnavailable where it does not end in 10 s."""
        users, self._users = self._users, None
        if users is not None:
            await asyncio.shield(asyncio.to_thread(_detach, self._files, self._socket, users))


def _attach(settings: EmbeddedSettings, cancelled: threading.Event) -> EmbeddedStore:
    try:
        files = StoreFiles(settings.data_dir.expanduser().resolve())
        files.prepare()
        timeout = PollTimeout(settings.start_timeout_seconds, cancelled)
        users = open_lock(files.users)
        try:
            while not try_lock_shared(users):
                timeout.sleep(str(files.data_dir), lambda: "another process has been stopping it for too long")
            socket, adopted = _start_or_adopt(files, users, settings, timeout)
        except BaseException:
            os.close(users)
            raise
        return EmbeddedStore(files, socket, users, adopted=adopted)
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename}"
        raise StoreUnavailable(str(settings.data_dir), why) from error


def _start_or_adopt(
    files: StoreFiles, users: int, settings: EmbeddedSettings, timeout: PollTimeout
) -> tuple[Path, bool]:
    """Return the socket of a server that answers, and whether it ran before; start a server where none runs."""
    address = str(files.data_dir)
    started: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if started is None:
                started = _start_if_free(files, settings)
            elif started.returncode is not None:
                raise StoreUnavailable(address, f"its server ended at once; last logged: {files.last_log_line()}")
            socket, pid = files.address()
            problem = probe_server(socket)
            if socket is not None and problem is None:
                if started is not None:
                    quieten_server(socket)
                return socket, started is None
            if problem == LOADING:
                timeout.restart()
            timeout.sleep(address, partial(_describe, files, pid, problem))
    except BaseException:
        if started is not None and try_lock_exclusive(users):  # no other process waits for the server or uses it
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECONDS)
        raise


def _describe(files: StoreFiles, pid: str, problem: str | None) -> str:
    server = f"its server (process {pid})" if pid else "its server"
    return f"{server} holds the lock, but {problem}; last logged: {files.last_log_line()}"


def _start_if_free(files: StoreFiles, settings: EmbeddedSettings) -> subprocess.Popen[bytes] | None:
    lock = open_lock(files.lock)
    try:
        if not try_lock_exclusive(lock):
            os.close(lock)
            return None
        binary = find_binary(settings.binary, str(files.data_dir))
        socket = choose_socket(files)
    except BaseException:
        os.close(lock)
        raise
    return start_server(binary, files, socket, lock, settings.max_memory_mb)


def _detach(files: StoreFiles, socket: Path, users: int) -> None:
    try:
        # Between shared and exclusive the lock is free for a moment. A process that locks it then makes this fail. Of
        # several processes that leave at once, exactly the last to free its lock succeeds.
        if try_lock_exclusive(users):
            _stop(files, socket, PollTimeout(STOP_SECONDS, threading.Event()))
    finally:
        os.close(users)


def _stop(files: StoreFiles, socket: Path, timeout: PollTimeout) -> None:
    refusal = stop_server(socket)
    lock = open_lock(files.lock)
    try:
        while not try_lock_exclusive(lock):
            timeout.sleep(
                str(files.data_dir), lambda: f"it does not end{refusal}; last logged: {files.last_log_line()}"
            )
        if socket.parent != files.server:
            with suppress(OSError):
                socket.parent.rmdir()
    finally:
        os.close(lock)
