"""File of the records of a history: JSON, one record a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

R = TypeVar("R")


def write_records(path: Path, records: Iterable[object]) -> None:
    """Write records to a file, whose folder is made."""
    encode = msgspec.json.Encoder().encode
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            file.write(encode(record) + b"\n")


def read_records(path: Path, decoder: msgspec.json.Decoder[R]) -> Iterator[R]:
    """Yield the records of a file."""
    with path.open("rb") as file:
        for line in file:
            yield decoder.decode(line)
