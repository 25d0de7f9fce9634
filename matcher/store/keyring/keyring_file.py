"""The keyring file: read whole, replaced whole under a lock, and its former bytes overwritten."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from filelock import FileLock, Timeout

from matcher.store.keyring.faults import KeyringWrong
from matcher.store.keyring.secret_keys import KEY_BYTES, KEY_ID, SECRET_ID, Keyring, Purpose, SecretKey, is_day

OWN_MODE: Final = 0o600
LOCK_SECONDS: Final = 10.0
"""How long a process waits for another one that changes the file, which takes milliseconds."""
MOST_BYTES: Final = 1 << 20
"""Far above what a keyring takes: ten days and some keys are 2 KB."""
READS: Final = 5
"""How often a file is read again that was replaced, and so overwritten, while it was read."""


class _StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    purpose: Purpose
    id: str
    key: bytes


class _StoredKeyring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal[1]
    keys: list[_StoredKey]


class KeyringFile:
    """A keyring in a file that only the service's user may read.

    A file without the permission to write is kept by the operator: the service reads it and never changes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Return whether there is such a file."""
        return self.path.exists()

    @property
    def kept_by_operator(self) -> bool:
        """Return whether the service may not change the file."""
        with suppress(OSError):
            return not self.path.stat().st_mode & stat.S_IWUSR
        return False

    def stamp(self) -> tuple[int, int]:
        """Return what differs once the file has been replaced. Raises KeyringWrong where it cannot be read."""
        try:
            status = self.path.stat()
        except OSError as fault:
            raise KeyringWrong(str(self.path), _why(fault)) from fault
        return status.st_ino, status.st_mtime_ns

    def read(self) -> Keyring:
        """Return the keys; none where there is no file. Raises KeyringWrong, which names the file and no key."""
        for _ in range(READS):
            content, replaced = self._read_once()
            if not replaced:
                return Keyring() if content is None else self._decoded(content)
        raise KeyringWrong(str(self.path), "it is replaced again and again while it is read")

    def change(self, edit: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace the keys by what `edit` makes of them, while no other process does; return them.

        The bytes of the file before are overwritten. Raises KeyringWrong; then the file is as it was.
        """
        try:
            self._target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._beside(".lock"), timeout=LOCK_SECONDS, mode=OWN_MODE):
                self._overwrite_leftovers()
                before = self.read()
                after = edit(before)
                if after != before:
                    self._replace(after)
                return after
        except Timeout:
            raise KeyringWrong(str(self.path), "another process has kept it locked for too long") from None
        except OSError as fault:
            raise KeyringWrong(str(self.path), _why(fault)) from fault

    @property
    def _target(self) -> Path:
        """Return the file itself where the path is a link to it."""
        return self.path.resolve()

    def _beside(self, ending: str) -> Path:
        return self._target.with_name(f".{self._target.name}{ending}")

    def _read_once(self) -> tuple[bytes | None, bool]:
        """Return the bytes, None for no file, and whether the file was replaced meanwhile."""
        try:
            # Not blocking: a pipe of that name must not hang the start. Links are followed: a mounted secret is a link.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None, False
        except OSError as fault:
            raise KeyringWrong(str(self.path), _why(fault)) from fault
        try:
            status = os.fstat(descriptor)
            self._check(status)
            content = os.read(descriptor, MOST_BYTES + 1)
            now = self.path.stat()
        except OSError as fault:
            raise KeyringWrong(str(self.path), _why(fault)) from fault
        finally:
            os.close(descriptor)
        return content, (now.st_ino, now.st_dev) != (status.st_ino, status.st_dev)

    def _check(self, status: os.stat_result) -> None:
        """Refuse a file that others may read or change.

        A file of root may be readable for one group, as mounted secrets are: PostgreSQL's rule for its TLS key.
        """
        if not stat.S_ISREG(status.st_mode):
            raise KeyringWrong(str(self.path), "it is no regular file")
        mode = stat.S_IMODE(status.st_mode)
        own = status.st_uid == os.geteuid() and not mode & 0o077
        of_root = status.st_uid == 0 and not mode & 0o037
        if not (own or of_root):
            raise KeyringWrong(
                str(self.path),
                f"its mode is {mode:04o}: others may use it; set 0600 and the service's user as its owner",
            )

    def _decoded(self, content: bytes) -> Keyring:
        if len(content) > MOST_BYTES:
            raise KeyringWrong(str(self.path), f"it is larger than {MOST_BYTES} bytes")
        try:
            stored = msgspec.json.decode(content, type=_StoredKeyring)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's own words may quote the file.
            raise KeyringWrong(str(self.path), "it is no keyring of format 1") from None
        keys = [SecretKey(key.purpose, key.id, key.key) for key in stored.keys]
        names = [(key.purpose, key.id) for key in keys]
        for key in keys:
            if not KEY_ID.fullmatch(key.id):
                raise KeyringWrong(str(self.path), f"the id of a {key.purpose} key is malformed")
            if key.id != SECRET_ID and len(key.material) < KEY_BYTES:
                raise KeyringWrong(str(self.path), f"{key} has less than {KEY_BYTES} bytes")
            if key.purpose is Purpose.SEAL and key.id != SECRET_ID and not is_day(key.id):
                raise KeyringWrong(str(self.path), f"{key} has no day as its id")
            if names.count((key.purpose, key.id)) > 1:
                raise KeyringWrong(str(self.path), f"{key} is there twice")
        return Keyring(tuple(keys))

    def _replace(self, keyring: Keyring) -> None:
        stored = _StoredKeyring(1, [_StoredKey(key.purpose, key.id, key.material) for key in keyring.keys])
        content = msgspec.json.format(msgspec.json.encode(stored), indent=1) + b"\n"
        target, new, former = self._target, self._beside(".new"), self._beside(".former")
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else OWN_MODE
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWN_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if target.exists():
            os.link(target, former)
        new.replace(target)
        _sync(target.parent)
        self._overwrite_leftovers()

    def _overwrite_leftovers(self) -> None:
        """Overwrite the former file, and what a process left that died during a change.

        The former file has a second name from before it is replaced until its bytes are overwritten.
        """
        target, former = self._target, self._beside(".former")
        if former.exists() and target.exists() and former.samefile(target):
            former.unlink()  # the process died before the new file took the place of this one
        for leftover in (former, self._beside(".new")):
            if leftover.exists():
                _overwrite(leftover)


def _overwrite(path: Path) -> None:
    """Overwrite a file's bytes and remove it. On file systems that write elsewhere this only removes it."""
    path.chmod(OWN_MODE)
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why(fault: OSError) -> str:
    return fault.strerror or type(fault).__name__
