"""Cells of a CSV roster: texts, lists, numbers and capacities, written so that a spreadsheet changes nothing in them.

A cell that a spreadsheet would run as a formula gets an apostrophe, which reading takes away again. The parts of a cell
are separated by "|", or by lines where a part contains a "|"; what neither form can hold is written as a JSON array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from matcher.client import Violation

_FORMULA: Final = re.compile("'*(?:\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r])")
"""What a spreadsheet runs: "=", "+", "-" and "@" also in their full-width forms, after white space or at once; and what
it reads as a new cell or row. With any number of apostrophes before it, so that the guard is one to one."""
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_WITH_ZEROS: Final = re.compile(r"([+-]?\d+)[.,](0+)", re.ASCII)
_IN_GROUPS: Final = re.compile(
    r"[+-]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+|[+-]?\d{1,3}(?:(?:,\d{3}){2,}|(?:\.\d{3}){2,})", re.ASCII
)
_ONE_GROUP: Final = re.compile(r"[+-]?\d{1,3}[.,]\d{3}", re.ASCII)
_SCIENTIFIC: Final = re.compile(r"([+-]?\d(?:[.,]\d{1,15})?)[eE]\+?(\d{1,2})", re.ASCII)
NEW_TOTAL: Final = 1
"""The total capacity of a new agent, which an empty cell gives back."""


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet runs; one to one over all texts."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return the cell that `guarded` has made another one of; any other cell stays."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def column_letter(place: int) -> str:
    """Return the letters of a column by its place from 0, as spreadsheets name it: A, B, …, Z, AA."""
    letters = ""
    while place >= 0:
        place, letter = divmod(place, 26)
        letters, place = chr(ord("A") + letter) + letters, place - 1
    return letters


def text_cell(value: str) -> str:
    """Write a text."""
    plain = "\r" not in value and "\n" not in value and read_text(value) == value
    return value if plain else json.dumps([value], ensure_ascii=False)


def read_text(cell: str) -> str:
    """Read a text; white space at its ends is not part of it."""
    array = _array(cell)
    return array[0] if array is not None and len(array) == 1 else cell.strip()


def list_cell(values: Sequence[str]) -> str:
    """Write a list of texts."""
    for plain in ("|".join(values), "".join(f"{value}\n" for value in values)):
        if "\r" not in plain and read_list(plain) == list(values):
            return plain
    return json.dumps(list(values), ensure_ascii=False)


def read_list(cell: str) -> list[str]:
    """Read a list of texts; white space at their ends is not part of them."""
    array = _array(cell)
    if array is not None:
        return array
    return [part.strip() for part in cell.split("\n" if "\n" in cell else "|") if part.strip()]


def _array(cell: str) -> list[str] | None:
    """Return the texts of a JSON array; None for any other cell."""
    if not cell.lstrip().startswith('["'):
        return None
    try:
        array = json.loads(cell)
    except (json.JSONDecodeError, RecursionError):
        return None
    return array if isinstance(array, list) and all(isinstance(value, str) for value in array) else None


def parts(cell: str) -> list[str]:
    """Read the parts of a cell that are separated by "|"."""
    return [part.strip() for part in cell.split("|") if part.strip()]


def read_number(text: str, field: str, wrong: list[Violation]) -> int:
    """Read a whole number as people and spreadsheets write it: "100", "100.0", "1E+05", "1 000"; else 0."""
    if _WHOLE.fullmatch(text):
        return int(text[:20])
    if (match := _WITH_ZEROS.fullmatch(text)) and len(match[2]) != 3:
        return int(match[1][:20])
    if _ONE_GROUP.fullmatch(text):
        digits = re.sub("[.,]", "", text)
        wrong.append(Violation(field, f"is {text!r}, which may be a thousand times another number: write {digits}"))
        return 0
    if _IN_GROUPS.fullmatch(text):
        return int(re.sub(r"[^\d+-]", "", text, flags=re.ASCII)[:20])
    if match := _SCIENTIFIC.fullmatch(text):
        value = Decimal(match[1].replace(",", ".")).scaleb(int(match[2]))
        if value == value.to_integral_value():
            return int(value)
    wrong.append(Violation(field, f"is {text!r}, not a whole number"))
    return 0


def read_skills(cell: str, wrong: list[Violation]) -> dict[str, int]:
    """Read skills with their levels, "tax:3|law:1"."""
    skills: dict[str, int] = {}
    for part in parts(cell):
        skill, _, level = part.rpartition(":")
        if not skill:
            wrong.append(Violation("skills", f"has {part!r}, which is not skill:level"))
        elif skill in skills:
            wrong.append(Violation("skills", f"has {skill!r} twice"))
        else:
            skills[skill] = read_number(level.strip(), f"skills.{skill}", wrong)
    return skills


def read_capacity(total: str | None, channels: str | None, wrong: list[Violation]) -> dict[str, object] | None:
    """Read a capacity, "chat:1:2|email:2"; None in place of a cell: the file has no such column.

    Returns None where every cell is empty: the capacity of a new agent.
    """
    if not total and not channels and total is not None and channels is not None:
        return None
    capacity: dict[str, object] = {}
    if total is not None:
        capacity["total"] = read_number(total, "capacity_total", wrong) if total else NEW_TOTAL
    if channels is not None:
        capacity["channels"] = [_channel(part, wrong) for part in parts(channels)]
    return capacity


def _channel(part: str, wrong: list[Violation]) -> dict[str, object]:
    channel, *numbers = (piece.strip() for piece in part.split(":"))
    if len(numbers) not in (1, 2):
        wrong.append(Violation("channels", f"has {part!r}, which is not channel:cost:max"))
        return {}
    cost, most = (read_number(number, f"channels.{channel}", wrong) for number in (*numbers, "0")[:2])
    return {"channel": channel, "cost": cost, "max": most}
