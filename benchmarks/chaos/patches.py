"""Patches of texts, by which a bug is planted into a copy of the service."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.chaos.processes import ROOT
from benchmarks.chaos.verdict import Law

LUA: Final = "matcher/store/lua"
COPIED: Final = ("matcher", "server.py")


@dataclass(frozen=True, slots=True)
class Edit:
    """A text of a file of the service that occurs once, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug; scene: the attack that shows it. laws: those that may find it."""

    edits: tuple[Edit, ...]
    scene: str
    laws: frozenset[Law]


class BugGone(Exception):
    """The text that a bug changes is no longer in the service: the bug must be written for the new text."""


def bug(file: str, old: str, new: str, scene: str, *laws: Law) -> Bug:
    """Return a bug of one edit."""
    return Bug((Edit(file, old, new),), scene, frozenset(laws))


def plant(bug: Bug, folder: Path) -> Path:
    """Copy the service into a folder, and bring a bug into the copy; return the copy. Raises BugGone."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("data"))
        else:
            shutil.copy2(source, folder / name)
    for edit in bug.edits:
        text = (folder / edit.file).read_text("utf-8")
        if text.count(edit.old) != 1:
            raise BugGone(f"{edit.file}: {edit.old!r} occurs {text.count(edit.old)} times, not once")
        (folder / edit.file).write_text(text.replace(edit.old, edit.new), "utf-8")
    return folder
