"""Lists on terminals of any width: ids and figures are whole, texts are shortened, columns are chosen."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from matcher.cli import tables
from matcher.cli.columns import LEAST_TEXT, MIDDLE, NARROW, WIDE, Column, Facts, Listing
from matcher.cli.session import in_lines

COLUMNS = (
    Column("contact"),
    Column("words", text=True),
    Column("state"),
    Column("cause", MIDDLE, text=True),
    Column("reservation", WIDE),
)
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-@<>=+,/", min_size=1, max_size=128)
TEXTS = st.text("The tent leaks. 日本語🎨 ", max_size=80)


def printed(content: RenderableType, width: int) -> list[str]:
    """Return the lines that a command prints on a terminal of this width."""
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(content, soft_wrap=True)
    return captured.get().splitlines()


def listing(*rows: tuple[str, str]) -> Listing:
    """Return a list of contacts and words."""
    content = Listing(*COLUMNS)
    for contact, words in rows:
        content.add(contact, words, "QUEUED", "nobody free", "r" * 20)
    return content


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (40, "contact words state"),
        (80, "contact words state"),
        (119, "contact words state"),
        (120, "contact words state cause"),
        (160, "contact words state cause reservation"),
    ],
)
def test_the_columns_are_those_of_the_terminals_width(width: int, titles: str) -> None:
    """80, 120 and 160 characters show three, four and five of them."""
    head, *rows = printed(listing(("c-1", "The tent leaks.")), width)
    assert head.split() == titles.split()
    assert len(rows) == 1


@given(rows=st.lists(st.tuples(IDS, TEXTS), max_size=4), width=st.integers(NARROW, 240))
def test_no_id_is_folded_or_cut_and_no_line_is_longer_than_it_has_to_be(
    rows: list[tuple[str, str]], width: int
) -> None:
    """A row is one line that begins with the whole id; it is too long only where id, least text and state are."""
    lines = printed(listing(*rows), width)
    assert len(lines) == len(rows) + 1
    longest = max([len("contact"), *(len(contact) for contact, _ in rows)])
    for line, (contact, _) in zip(lines[1:], rows, strict=True):
        assert line.split(" ", 1)[0] == contact
        assert "QUEUED" in line
        assert cell_len(line) <= max(width, longest + 2 + LEAST_TEXT + 2 + len("QUEUED"))


def test_one_long_id_shifts_its_own_row_alone() -> None:
    """The rows of the ordinary ids stay as wide as they were without it, and the long id is whole."""
    usual = printed(listing(("c-1", "tent"), ("c-2", "boat")), 120)
    long = "c" * 128
    lines = printed(listing(("c-1", "tent"), (long, "lake"), ("c-2", "boat")), 120)
    assert [lines[0], lines[1], lines[3]] == usual
    assert lines[2].startswith(f"{long}  lake")


def test_a_list_fits_where_nothing_is_left_out_or_shortened() -> None:
    """A command that must not cut anything asks first."""
    content = listing(("c-1", "x" * 200))
    assert not content.fits(160)
    assert content.fits(300)
    assert not listing(("c-1", "x")).fits(120)


@given(value=IDS, width=st.integers(20, 200))
def test_an_id_among_facts_is_whole(value: str, width: int) -> None:
    """A value without a space stays on one line; a sentence is wrapped under its beginning."""
    lines = printed(Facts([("contact", value), ("state", "QUEUED")]), width)
    assert lines == [f"contact  {value}", "state    QUEUED"]


def test_a_sentence_among_facts_is_wrapped_under_its_beginning() -> None:
    """The name stands before the first line only."""
    lines = printed(tables.facts([("waits at", "position 12 in the queue, at most until noon")]), 34)
    assert lines == ["waits at  position 12 in the", "          queue, at most until", "          noon"]


def test_a_sentence_on_a_terminal_is_broken_between_words_and_elsewhere_not_at_all() -> None:
    """Its indentation stays, and an id that is longer than a line is never broken."""
    terminal = Console(file=io.StringIO(), width=20, force_terminal=True)
    line = "  agents keep their status 550e8400-e29b-41d4-a716-446655440000 today"
    assert in_lines(line, terminal).split("\n") == [
        "  agents keep their",
        "  status",
        "  550e8400-e29b-41d4-a716-446655440000",
        "  today",
    ]
    assert in_lines(line, Console(file=io.StringIO(), width=20)) == line
    assert in_lines("  short", terminal) == "  short"
