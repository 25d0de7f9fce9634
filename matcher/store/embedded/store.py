"""The embedded store: a server of our own per data directory, shared by the processes that use the directory.

Two locks decide who does what (flock, so that the kernel frees them when their holders die). `lock` is held by the
server itself, so that no two servers write one directory. `users` is shared by all who use the store; the one who
gets it for itself alone on leaving is the last one out, and keeps it while stopping the server, so that whoever
comes in meanwhile waits.
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
from urllib.parse import quote

from matcher.errors import StoreUnavailable
from matcher.store.embedded.files import Patience, StoreFiles, open_lock, try_lock_exclusive, try_lock_shared
from matcher.store.embedded.process import (
    LOADING,
    ask_server,
    choose_socket,
    find_binary,
    quieten_server,
    start_server,
    stop_server,
)

STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Say where an embedded store lives, which binary serves it, and how long it may stay silent at start."""

    data_dir: Path
    binary: Path | None = None
    start_timeout_seconds: float = 60


class EmbeddedStore:
    """Hold one use of the embedded store of a data directory, until closed."""

    def __init__(self, files: StoreFiles, socket: Path, users: int, *, adopted: bool) -> None:
        self._files = files
        self._socket = socket
        self._users: int | None = users
        self._adopted = adopted

    @classmethod
    async def open(cls, settings: EmbeddedSettings) -> EmbeddedStore:
        """Start the store of the data directory, or attach to the one that lives.

        A store that loads is waited for without limit; the timeout counts the time in which it is silent.
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
        return "unix://" + quote(str(self._socket))

    @property
    def adopted(self) -> bool:
        """Tell whether the server was already alive."""
        return self._adopted

    async def close(self) -> None:
        """Leave the store; the last one out stops it. Raises StoreUnavailable if it has not in 10 s."""
        users, self._users = self._users, None
        if users is not None:
            await asyncio.shield(asyncio.to_thread(_leave, self._files, self._socket, users))


def _enter(settings: EmbeddedSettings, abandoned: threading.Event) -> EmbeddedStore:
    try:
        files = StoreFiles(settings.data_dir.expanduser().resolve())
        files.prepare()
        patience = Patience(settings.start_timeout_seconds, abandoned)
        users = open_lock(files.users)
        try:
            while not try_lock_shared(users):
                patience.wait(str(files.data_dir), lambda: "another process is stopping it and does not finish")
            socket, adopted = _reach(files, users, settings.binary, patience)
        except BaseException:
            os.close(users)
            raise
        return EmbeddedStore(files, socket, users, adopted=adopted)
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename}"
        raise StoreUnavailable(str(settings.data_dir), why) from error


def _reach(files: StoreFiles, users: int, binary: Path | None, patience: Patience) -> tuple[Path, bool]:
    """Return the socket of a server that answers, and whether it lived before; start one if none does."""
    address = str(files.data_dir)
    started: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if started is None:
                started = _start_if_free(files, binary)
            elif started.returncode is not None:
                raise StoreUnavailable(address, f"its server ended at once; last logged: {files.last_line()}")
            socket, pid = files.address()
            silence = ask_server(socket)
            if socket is not None and silence is None:
                if started is not None:
                    quieten_server(socket)
                return socket, started is None
            if silence == LOADING:
                patience.renew()
            patience.wait(address, partial(_describe, files, pid, silence))
    except BaseException:
        if started is not None and try_lock_exclusive(users):  # nobody else waits for it or uses it
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECONDS)
        raise


def _describe(files: StoreFiles, pid: str, silence: str | None) -> str:
    holder = f"its server (process {pid})" if pid else "its server"
    return f"{holder} holds the lock, but {silence}; last logged: {files.last_line()}"


def _start_if_free(files: StoreFiles, binary: Path | None) -> subprocess.Popen[bytes] | None:
    lock = open_lock(files.lock)
    try:
        if not try_lock_exclusive(lock):
            os.close(lock)
            return None
        binary = find_binary(binary, str(files.data_dir))
        socket = choose_socket(files)
    except BaseException:
        os.close(lock)
        raise
    return start_server(binary, files, socket, lock)


def _leave(files: StoreFiles, socket: Path, users: int) -> None:
    try:
        # On its way from shared to exclusive the lock is free for a moment. Whoever gets in then makes this fail,
        # and of several who leave at once the last to let go succeeds: never none of them, never two.
        if try_lock_exclusive(users):
            _stop(files, socket, Patience(STOP_SECONDS, threading.Event()))
    finally:
        os.close(users)


def _stop(files: StoreFiles, socket: Path, patience: Patience) -> None:
    refusal = stop_server(socket)
    lock = open_lock(files.lock)
    try:
        while not try_lock_exclusive(lock):
            patience.wait(str(files.data_dir), lambda: f"it does not end{refusal}; last logged: {files.last_line()}")
        if socket.parent != files.server:
            with suppress(OSError):
                socket.parent.rmdir()
    finally:
        os.close(lock)
