"""This machine: the versions of the libraries, the folders with their free space, and the certificates."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from matcher.config import Settings
from matcher.server.doctor.findings import Finding, fail, ok, warn
from matcher.store.embedded.files import StoreFiles

DISTRIBUTION: Final = "affinity-matcher"
LEAST_BYTES: Final = 64 * 2**20
"""Below this the embedded store's next rewrite of its file fails, or a model cannot be compiled."""
WARNED_BYTES: Final = 1 << 30
SOON: Final = timedelta(days=14)
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*([^;]*)(?:;\s*(.*))?")
_FLOOR: Final = re.compile(r">=\s*([\d.]+)")


class Space(Protocol):
    """Free and used bytes of a disk."""

    @property
    def free(self) -> int:
        """Return how many bytes can still be written."""


def versions() -> Iterator[Finding]:
    """Yield whether the libraries that the service requires are installed, in versions that it knows."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or ()
        program = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield warn("versions", f"{DISTRIBUTION} is not installed as a package", "install it with pip")
        return
    wrong = [why for requirement in requirements if (why := _lacking(requirement))]
    if wrong:
        yield fail("versions", "; ".join(wrong), f"install them again: pip install -c constraints.txt {DISTRIBUTION}")
    else:
        yield ok("versions", f"{DISTRIBUTION} {program} on Python {platform.python_version()}; all libraries fit")


def _lacking(requirement: str) -> str:
    """Return why a requirement is not met; "": it is, or it is for another platform or an extra."""
    found = _REQUIREMENT.match(requirement)
    if found is None or found[3]:
        return ""
    name, floor = found[1], _FLOOR.search(found[2])
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    if floor and _numbers(installed) < _numbers(floor[1]):
        return f"{name} is {installed}, and at least {floor[1]} is needed"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in re.match(r"[\d.]*", version)[0].strip(".").split(".") if part)  # type: ignore[index]
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def folders(settings: Settings, usage: Callable[[Path], Space] = shutil.disk_usage) -> Iterator[Finding]:
    """Yield whether the folders of the data and of the models can be written, and how much space they have."""
    embedded = not settings.store_url.get_secret_value()
    named = {"models": settings.models_dir} | ({"data": settings.data_dir} if embedded else {})
    for about, folder in named.items():
        existing = next((at for at in (folder, *folder.parents) if at.exists()), folder)
        if not os.access(existing, os.W_OK | os.X_OK):
            yield fail(
                about,
                f"{folder} cannot be written by this user",
                f"give user {os.getuid()} the right to write in {existing}, or run this command as the service's user",
            )
            continue
        needed = 2 * _stored_bytes(settings.data_dir) if about == "data" else 0
        free = usage(existing).free
        found = f"{folder}: {in_bytes(free)} free"
        do = f"make space on the disk of {existing}, or move the folder (MATCHER_DATA_DIR, MATCHER_MODEL_CACHE)"
        if free < LEAST_BYTES:
            yield fail(about, found, do)
        elif free < max(WARNED_BYTES, needed):
            rewritten = f"; a rewrite of the store's file may need {in_bytes(needed)}" if needed > free else ""
            yield warn(about, found + rewritten, do)
        else:
            yield ok(about, found)


def _stored_bytes(data_dir: Path) -> int:
    try:
        return sum(file.stat().st_size for file in StoreFiles(data_dir).append_only.iterdir())
    except OSError:
        return 0


def in_bytes(count: float) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def certificates(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Yield whether the certificates can be read, are of their key, and how long they are valid."""
    now = now or datetime.now(UTC)
    if not settings.tls_certificate:
        yield ok("certificates", "no TLS: MATCHER_TLS_CERTIFICATE is not set")
        return
    chain = None
    for name, path in (("tls_certificate", settings.tls_certificate), ("tls_client_ca", settings.tls_client_ca)):
        if path is None:
            continue
        try:
            read = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as fault:
            yield fail("certificates", f"{name} {path}: {_why(fault)}", "give a PEM file that this user can read")
            continue
        chain = read if name == "tls_certificate" else chain
        yield _validity(name, path, min(one.not_valid_after_utc for one in read), now)
    if settings.tls_key is not None:
        try:
            key = load_pem_private_key(settings.tls_key.read_bytes(), None)
        except (OSError, ValueError, TypeError) as fault:
            yield fail(
                "certificates",
                f"tls_key {settings.tls_key}: {_why(fault)}",
                "give a PEM file with a key that has no password, and that this user can read",
            )
            return
        if chain and key.public_key() != chain[0].public_key():
            yield fail(
                "certificates",
                f"tls_key {settings.tls_key} is not the key of {settings.tls_certificate}",
                "give the key and the certificate of one request, the server's own certificate first in its file",
            )


def _validity(name: str, path: Path, until: datetime, now: datetime) -> Finding:
    day = until.strftime("%Y-%m-%d")
    if until <= now:
        return fail("certificates", f"{name} {path} was valid until {day}", "issue a new one; callers refuse this one")
    if until - now < SOON:
        return warn("certificates", f"{name} {path} is valid until {day}", "issue a new one before that day")
    return ok("certificates", f"{name} {path} is valid until {day}")


def _why(fault: Exception) -> str:
    """Return what is wrong with a file, without a byte of it."""
    if isinstance(fault, OSError):
        return f"cannot be read ({fault.strerror})"
    return "has a password" if isinstance(fault, TypeError) else "is no PEM of that kind"
