"""Cells of CSV rosters: guards against formulas, lists of any texts, and numbers as spreadsheets write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.client import Violation
from matcher.files import csv_cells

TEXTS = st.text() | st.text("'=+-@\t\r\n \uff1da|[]\"", max_size=8)


@given(one=TEXTS, other=TEXTS)
def test_the_guard_is_one_to_one(one: str, other: str) -> None:
    """For all texts: the guard comes off, and no two texts have the same guarded cell."""
    assert csv_cells.unguarded(csv_cells.guarded(one)) == one
    assert (csv_cells.guarded(one) == csv_cells.guarded(other)) is (one == other)


@given(text=TEXTS)
def test_no_guarded_cell_begins_as_a_formula(text: str) -> None:
    """A spreadsheet runs what begins with one of these, also after white space."""
    guarded = csv_cells.guarded(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert not guarded.lstrip().startswith(("=", "+", "-", "@"))


def test_a_cell_that_a_person_wrote_stays_as_it_is() -> None:
    """Only what the guard makes loses an apostrophe."""
    for cell in ("-5 degrees", "'t Hooft", "'", "=1", "it's"):
        assert csv_cells.unguarded(cell) == cell


@given(values=st.lists(TEXTS.map(str.strip).filter(bool)))
def test_any_list_of_texts_is_read_back(values: list[str]) -> None:
    """Also texts with the separator, with line ends, or that look like an array."""
    assert csv_cells.read_list(csv_cells.list_cell(values)) == values


@given(value=TEXTS)
def test_any_text_is_read_back(value: str) -> None:
    """Also with white space at its ends."""
    assert csv_cells.read_text(csv_cells.text_cell(value)) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100", 100),
        ("100.0", 100),
        ("100,00", 100),
        ("1E+05", 100_000),
        ("1,5e3", 1_500),
        ("1 000", 1_000),
        ("1\u202f000", 1_000),
        ("1,000,000", 1_000_000),
        ("-3", -3),
        ("0", 0),
    ],
)
def test_a_number_is_read_as_spreadsheets_write_it(text: str, number: int) -> None:
    """Decimals that are zero, powers of ten, thousands in groups."""
    wrong: list[Violation] = []
    assert (csv_cells.read_number(text, "level", wrong), wrong) == (number, [])


@pytest.mark.parametrize(
    "text",
    ["1_000", "\uff11\uff10", "\u0663", "100.5", "1.5e0", "1,000", "1.000", "12,500", "0x10", "", "1e999", "ten"],
)
def test_what_is_no_number_or_may_be_two_is_refused(text: str) -> None:
    """A program's notation, digits of other scripts, fractions; "1.000" is 1 to some people and 1000 to others."""
    wrong: list[Violation] = []
    assert csv_cells.read_number(text, "level", wrong) == 0
    assert [violation.field for violation in wrong] == ["level"]


def test_columns_have_the_letters_of_a_spreadsheet() -> None:
    """After Z comes AA."""
    assert [csv_cells.column_letter(place) for place in (0, 25, 26, 27, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AB",
        "ZZ",
        "AAA",
    ]
