"""JSON rosters that are no JSON lines: arrays of objects, and objects over several lines, read one by one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final

import ijson

from matcher.cli.roster_rows import BadRow

HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""What may be the escape of half a character. The library's fast parser reads it as "?", its other one as it is."""

TORN: Final = "; nothing after it was read"


def is_array(data: bytes) -> bool:
    """Return whether a file is an array, or objects that begin with a line of their own, and not one object a line."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"[") or start.split(b"\n", 1)[0].strip() == b"{"


def read_entries(data: bytes) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Yield each record of a file with its number; a BadRow for what is no record, and for the end of a torn file."""
    source = data.removeprefix(b"\xef\xbb\xbf")
    prefix = "item" if source.lstrip().startswith(b"[") else ""
    number = 0
    parser = ijson.get_backend("python") if HALF_A_PAIR.search(source) else ijson
    try:
        for value in parser.items(
            io.BytesIO(source), prefix, map_type=_Fields, use_float=True, multiple_values=not prefix
        ):
            number += 1
            yield _entry(number, value)
    except UnicodeDecodeError:
        yield BadRow.of(number + 1, "entry", f"is not UTF-8{TORN}")
    except ijson.JSONError as error:
        # The library shows the place by a drawing over several lines; the file's text does not belong in an error.
        reason = re.split(r"\\n|\n", str(error).removeprefix("b'"))[0].rstrip(". ")
        fault = "UTF-8" if re.search("UTF-?8|utf-8", reason) else f"JSON: {reason}"
        yield BadRow.of(number + 1, "entry", f"is not {fault}{TORN}")


def _entry(number: int, value: object) -> tuple[int, dict[str, object]] | BadRow:
    if not isinstance(value, _Fields):
        return BadRow.of(number, "entry", "is not a JSON object")
    if value.twice:
        return BadRow.of(number, value.twice[0], "appears twice")
    return number, value


class _Fields(dict[str, object]):
    """An object's fields; `twice`: those that it names again."""

    def __init__(self) -> None:
        super().__init__()
        self.twice: list[str] = []

    def __setitem__(self, field: str, value: object) -> None:
        if field in self:
            self.twice.append(field)
        super().__setitem__(field, value)
