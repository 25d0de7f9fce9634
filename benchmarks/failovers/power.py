"""A power cut: what a store had written to its file and not synced to the disk is gone.

A killed process loses nothing that it handed to the kernel. A library that is loaded before the store's others
(synced.c) notes after each sync how much of the append-only file it covered; after the kill the file is cut there. That
is the worst that a disk may do: a kernel writes back more than it is asked to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("synced.c")
MARK: Final = ".synced"


def can_cut() -> bool:
    """Return whether this machine has a C compiler, without which no power is cut."""
    return shutil.which("cc") is not None


def build(folder: Path) -> Path:
    """Compile the library into a folder; return its path."""
    library = folder / "synced.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def cut(folder: Path) -> int:
    """Cut the append-only files below a folder where their last sync ended; return how many bytes are gone.

    The store must be dead.
    """
    gone = 0
    for file in folder.rglob("*.incr.aof"):
        mark = file.with_name(file.name + MARK)
        synced = int(mark.read_text()) if mark.exists() else 0
        gone += file.stat().st_size - synced
        os.truncate(file, synced)
    return gone
