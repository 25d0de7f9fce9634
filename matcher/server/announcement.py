"""Announcement of a running service: a file by which this user's tools find its address, its data and its models.

The files lie in `$XDG_STATE_HOME/affinity-matcher/services` (`~/.local/state/…`), one for each service. A service keeps
its file locked while it lives, so that the kernel says which files are of a process that was killed. A file holds no
secret: of an external store it has the URL without user and password.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final

import structlog

from matcher.config import Settings
from matcher.store.embedded.files import open_lock, try_lock_exclusive, try_lock_shared

log = structlog.get_logger(__name__)

LARGEST: Final = 65_536
"""Bytes of a file that are read."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the tools of this machine need to know of a running service."""

    address: str
    """Where it listens; the port is 0 until a service that takes any free port has one."""
    host: str
    pid: int
    data_dir: str
    store_url: str
    """Where its records are, without user, password and options; "": in the embedded store of `data_dir`."""
    store_url_is_whole: bool
    """Whether nothing was taken out of the URL, so that it can be used."""
    keyring: str
    models_dir: str
    model: str
    encoder_runtime: str


class Announced:
    """The announcement of this process, as long as the process serves."""

    def __init__(self, path: Path | None, announcement: Announcement) -> None:
        self._path = path
        self._announcement = announcement

    def serves(self, address: str) -> None:
        """Write the address that the service has taken."""
        self._announcement = replace(self._announcement, address=address)
        if self._path is not None:
            with suppress(OSError):
                _write(self._path, self._announcement)


@contextmanager
def announced(settings: Settings) -> Iterator[Announced]:
    """Keep an announcement of the service of these settings; without one, where the folder cannot be written."""
    announcement = _of(settings)
    try:
        folder = services_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        lock = open_lock(path.with_suffix(".lock"))
        try_lock_exclusive(lock)
        _write(path, announcement)
    except (OSError, RuntimeError) as error:  # a user without a home, or a home that is read-only
        log.info("not announced: tools of this machine need MATCHER_DATA_DIR", why=str(error))
        yield Announced(None, announcement)
        return
    try:
        yield Announced(path, announcement)
    finally:
        _remove(path)
        os.close(lock)


def running_services() -> list[Announcement]:
    """Return the services of this user that run on this machine, by address; forget those that were killed."""
    running = []
    with suppress(OSError, RuntimeError):
        for path in sorted(services_folder().glob("*.json")):
            announcement = _read(path)
            if announcement is None or announcement.host != socket.gethostname():
                continue
            with suppress(OSError):
                if _is_alive(path):
                    running.append(announcement)
                else:
                    _remove(path)
    return sorted(running, key=lambda service: (service.address, service.pid))


def services_folder() -> Path:
    """Return the folder of the announcements. Raises RuntimeError where the user has no home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "affinity-matcher" / "services"


def _of(settings: Settings) -> Announcement:
    url = settings.store_url.get_secret_value()
    # Imported here, because the library of the store would slow down every command.
    from matcher.store.redis.address import parse_address

    shown = parse_address(url).redacted if url else ""
    keyring = settings.keyring_file
    return Announcement(
        address=settings.listen,
        host=socket.gethostname(),
        pid=os.getpid(),
        data_dir=str(settings.data_dir.absolute()),
        store_url=shown,
        store_url_is_whole=shown == url,
        keyring=str(keyring.absolute()) if keyring else "",
        models_dir=str(settings.models_dir.absolute()),
        model=settings.model,
        encoder_runtime=settings.encoder_runtime,
    )


def _write(path: Path, announcement: Announcement) -> None:
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(announcement)), "utf-8")
    part.replace(path)


def _read(path: Path) -> Announcement | None:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST))
        known = {field.name: content[field.name] for field in fields(Announcement)}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # of another version, or it has just gone
    return Announcement(**known)


def _is_alive(path: Path) -> bool:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR)
    try:
        return not try_lock_shared(lock)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    for left in (path, path.with_suffix(".part"), path.with_suffix(".lock")):
        left.unlink(missing_ok=True)
