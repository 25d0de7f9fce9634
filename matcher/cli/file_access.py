"""Files that commands read and write: whole or not at all, or standard input and output for "-"."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from matcher.cli.session import CommandError
from matcher.files.roster_file import Form, form_named


def form_of(path: str, given: Form | None) -> Form:
    """Return the given format, or the file's by its name; raise CommandError where the name does not decide."""
    form = given or (Form.JSONL if path == "-" else form_named(path))
    if form is None:
        raise CommandError(f"{path} is none of .jsonl, .json and .csv: give its format with --format")
    return form


def read_bytes(path: str) -> bytes:
    """Return the bytes of a file, or of standard input for "-"; raise CommandError where they cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def write_text(path: str, text: str) -> None:
    """Write a file completely or not at all, or to standard output for "-"."""
    if path == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    part = Path(f"{path}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
