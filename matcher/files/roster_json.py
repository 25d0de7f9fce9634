"""JSON rosters that are no JSON lines: arrays of agents, and agents over several lines, read one by one.

Programs also write the array into an object, as {"agents": […]}: what stands beside the array is not read.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Final

import ijson

from matcher.files.roster_rows import FIELDS, BadRow

HALF_A_PAIR: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""What may be the escape of half a character. The library's fast parser reads it as "?", its other one as it is."""

UNENDED: Final = (b"{", b"[", b",")
"""No object ends so: a line that does goes on in the next one."""
TORN: Final = "; nothing after it was read"


def is_array(data: bytes) -> bool:
    """Return whether a file is an array, alone or in an object, or objects over several lines, and not one a line."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    first = start.split(b"\n", 1)[0].strip()
    return start.startswith(b"[") or first.endswith(UNENDED) or bool(_list_in(start))


def read_entries(data: bytes) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Yield each record of a file with its number; a BadRow for what is no record, and for the end of a torn file."""
    source = data.removeprefix(b"\xef\xbb\xbf")
    prefix = "item" if source.lstrip().startswith(b"[") else _list_in(source)
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
    except (ijson.JSONError, json.JSONDecodeError) as error:  # the latter by the library's parser in Python
        # The library shows the place by a drawing over several lines; the file's text does not belong in an error.
        reason = re.split(r"\\n|\n", str(error).removeprefix("b'"))[0].rstrip(". ")
        fault = "UTF-8" if re.search("UTF-?8|utf-8", reason) else f"JSON: {reason}"
        yield BadRow.of(number + 1, "entry", f"is not {fault}{TORN}")


def _list_in(data: bytes) -> str:
    """Return the place of the array of agents in an object that is no agent itself; "" for every other file."""
    array = ""
    try:
        for path, event, value in ijson.parse(io.BytesIO(data)):
            if not path and (event == "end_map" or (event == "map_key" and value == "id")):
                return ""
            if event == "start_array" and not array and path.split(".", 1)[0] not in FIELDS:
                array = f"{path}.item"
            elif event == "end_array" and array == f"{path}.item":
                array = ""
            elif event == "map_key" and path == array and value == "id":
                return array
    except (ijson.JSONError, json.JSONDecodeError, UnicodeDecodeError):
        pass
    return ""


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
