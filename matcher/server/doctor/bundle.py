"""Support bundle: an archive of what helps somebody else to find a fault, without a customer's words.

Taken along are findings, settings without secrets, versions, metrics, figures of the store, and lines of the log. Left
out is every record of the store. In log lines the names of contacts, customers and agents, which a platform makes up
and which may be a person's, are replaced by digests: equal names have equal digests within a bundle, and in no other.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import secrets
import tarfile
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from matcher.config import Settings, explain
from matcher.server.doctor.examination import Examination
from matcher.store.embedded.files import StoreFiles
from matcher.telemetry import PRIVATE_FIELDS

LOG_LINES: Final = 5_000
LINE_BYTES: Final = 65_536
STORE_LOG_BYTES: Final = 65_536
LONGEST_VALUE: Final = 500
NAMED: Final = frozenset(
    {"contact", "contacts", "agent", "agents", "customer", "handle", "caller", "principal", "peer"}
)
"""Fields of log lines whose values name a person or a contact."""
_NAMES: Final = re.compile(r"\b(contacts|customers|agents)/([^/\s\"',;:)\]]+)")


class Pseudonyms:
    """Replaces names by digests with a salt of their own, which is thrown away with this object."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)

    def of(self, name: str) -> str:
        """Return the digest of a name."""
        return f"#{hashlib.blake2b(name.encode('utf-8', 'replace'), key=self._salt, digest_size=5).hexdigest()}"

    def within(self, value: Any, field: str = "") -> Any:
        """Return a value of a log line with the names in it replaced."""
        if isinstance(value, Mapping):
            return {
                key: self.within(held, key) for key, held in value.items() if isinstance(key, str) and _is_told(key)
            }
        if isinstance(value, list):
            return [self.within(held, field) for held in value]
        if not isinstance(value, str):
            return value
        if field in NAMED:
            return self.of(value)
        return _NAMES.sub(lambda found: f"{found[1]}/{self.of(found[2])}", value)[:LONGEST_VALUE]


def _is_told(field: str) -> bool:
    return field not in PRIVATE_FIELDS


def write_bundle(path: Path, settings: Settings, made: Examination, log: Path | None) -> list[str]:
    """Write the archive, which only this user can read; return the names of its files. Raises OSError.

    log: a file with the service's log, as JSON lines; None: no lines of it.
    """
    files = dict(_files(settings, made, log))
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            with tarfile.open(fileobj=stream, mode="w:gz") as archive:
                for name, content in files.items():
                    entry = tarfile.TarInfo(f"matcher-support/{name}")
                    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
                    archive.addfile(entry, io.BytesIO(content))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return list(files)


def _files(settings: Settings, made: Examination, log: Path | None) -> Iterable[tuple[str, bytes]]:
    yield "README.txt", (__doc__ or "").encode()
    yield "doctor.json", _json([asdict(finding) for finding in made.findings])
    yield "settings.json", _json({row.env: {"value": row.value, "source": row.source} for row in explain()})
    yield "versions.json", _json(_versions())
    if made.metrics:
        yield "metrics.txt", made.metrics.encode()
    if made.facts is not None:
        facts = made.facts
        yield (
            "store.json",
            _json(
                {
                    "servers": facts.servers,
                    "keys": facts.keys,
                    "sites": facts.sites,
                    "schema": facts.schema,
                    "clock_ahead_seconds": facts.ahead_seconds,
                    "round_trip_seconds": facts.round_trip_seconds,
                    "processes": [msgspec.structs.asdict(process) for process in facts.processes],
                }
            ),
        )
    if not settings.store_url.get_secret_value():
        yield "store.log", _end_of(StoreFiles(settings.data_dir).log)
    if log is not None:
        yield "service.log", _log_lines(log)


def _versions() -> dict[str, Any]:
    installed = {found.name: found.version for found in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "packages": dict(sorted(installed.items())),
    }


def _end_of(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - STORE_LOG_BYTES))
            return stream.read()
    except OSError:
        return b""


def _log_lines(log: Path) -> bytes:
    """Return the last JSON lines of the log with names replaced, and how many other lines were left out."""
    pseudonyms, kept, left_out = Pseudonyms(), deque[str](maxlen=LOG_LINES), 0
    with log.open("rb") as stream:
        while line := stream.readline(LINE_BYTES):
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict) or "event" not in event:
                left_out += 1
                continue
            kept.append(json.dumps(pseudonyms.within(event)))
    return "\n".join([*kept, json.dumps({"lines_left_out_that_are_no_events": left_out}), ""]).encode()


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, default=str) + "\n").encode()
