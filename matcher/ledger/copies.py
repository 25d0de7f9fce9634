"""Copies of a ledger in SQLite: for a backup, and in the place of another one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from matcher.errors import LedgerAway
from matcher.ledger.database import BUSY_SECONDS

_BESIDE: Final = ("-wal", "-shm")
"""What SQLite keeps beside its file while it is used, or after a crash."""


def copy_ledger(file: Path, to: Path) -> None:
    """Copy a ledger of one moment to a new file, while it is written to. Raises LedgerAway, OSError."""
    to.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as source,
            closing(sqlite3.connect(to)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as fault:
        raise LedgerAway(type(fault).__name__) from fault


def put_ledger(copy: Path | None, file: Path) -> Path | None:
    """Put a copy in the place of a ledger that nobody uses; return where that ledger is now, None: there was none.

    copy None: nothing takes its place, so that a ledger is begun. Raises OSError.
    """
    former = None
    if file.exists():
        former = file.with_name(f"{file.name}.former")
        for suffix in (*_BESIDE, ""):
            kept = Path(f"{file}{suffix}")
            if kept.exists():
                kept.replace(f"{former}{suffix}")
            else:
                Path(f"{former}{suffix}").unlink(missing_ok=True)
    if copy is not None:
        copy.replace(file)
    return former
