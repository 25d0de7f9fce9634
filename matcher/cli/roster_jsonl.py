"""Rosters as JSON lines: one agent a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from matcher.cli.roster_rows import BadRow


def read_lines(data: bytes) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Yield the records of a file with the number of their line, or what is wrong with the line."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield _read_line(number, line)


def _read_line(number: int, line: bytes) -> tuple[int, dict[str, object]] | BadRow:
    try:
        record = json.loads(line.decode("utf-8"), object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        near = line[: error.start].decode("utf-8", errors="replace")
        return BadRow.of(number, _field_at(near), f"is not UTF-8 (column {len(near) + 1})")
    except json.JSONDecodeError as error:
        return BadRow.of(number, "line", f"is not JSON: {error.msg} (column {error.colno})")
    except _NamedTwice as error:
        return BadRow.of(number, error.field, "is there twice")
    except RecursionError:
        return BadRow.of(number, "line", "is nested too deeply")
    if not isinstance(record, dict):
        return BadRow.of(number, "line", "is not a JSON object")
    return number, record


class _NamedTwice(Exception):
    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def _without_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    record: dict[str, object] = {}
    for key, value in pairs:
        if key in record:
            raise _NamedTwice(key)
        record[key] = value
    return record


def _field_at(read: str) -> str:
    """Return the name of the field that the cut-off line ends in, as far as a look at it tells."""
    key, depth, place = "", 0, 0
    while place < len(read):
        character = read[place]
        if character == '"':
            text, place = _string_at(read, place)
            if depth == 1 and read[place:].lstrip().startswith(":"):
                key = text
            continue
        depth += (character in "{[") - (character in "}]")
        place += 1
    return key or "line"


def _string_at(read: str, start: int) -> tuple[str, int]:
    end = start + 1
    while end < len(read) and read[end] != '"':
        end += 2 if read[end] == "\\" else 1
    return read[start + 1 : end], min(end + 1, len(read))
