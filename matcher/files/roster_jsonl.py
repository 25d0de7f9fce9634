"""The JSON lines format: reads one JSON object a line, for rosters and for messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from matcher.files.roster_rows import BadRow


def read_lines(data: bytes) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Yield each record of a file with the number of its line; a BadRow for a line that is not a record."""
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
        return BadRow.of(number, error.field, "appears twice")
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


def _field_at(text: str) -> str:
    """Return the name of the field in which the cut-off line ends, "line" if it is not clear; for an error's text."""
    key, depth, place = "", 0, 0
    while place < len(text):
        character = text[place]
        if character == '"':
            string, place = _string_at(text, place)
            if depth == 1 and text[place:].lstrip().startswith(":"):
                key = string
            continue
        depth += (character in "{[") - (character in "}]")
        place += 1
    return key or "line"


def _string_at(text: str, start: int) -> tuple[str, int]:
    end = start + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    return text[start + 1 : end], min(end + 1, len(text))
