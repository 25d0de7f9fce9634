"""Whatever reads a customer's text takes time in proportion to the text's length."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from matcher.affinity.emoji_names import named
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import split
from matcher.affinity.set_aside import read as read_message
from matcher.model import Message, Requirements

SIZES = (2_000, 8_000)
TRIES = 9
STEEPEST = 1.6
"""Linear work has an exponent of 1 (below 1.3 on an idle machine), quadratic work one of 2."""
MEASUREMENTS = 8
"""Other work on the machine makes times longer, never shorter: one measurement below the bound shows linear work."""

WORST: dict[str, Callable[[int], str]] = {
    "dots before a letter": lambda size: "." * (size - 1) + "a",
    "marks with spaces": lambda size: "! " * (size // 2),
    "emoji with marks": lambda size: "😀 ! " * (size // 4),
    "dots and quotes": lambda size: '."' * (size // 2) + "a",
    "closing quotes": lambda size: "." + "\"')" * (size // 3) + "a",
    "dots between Han signs": lambda size: "字." * (size // 2) + "a",
    "full-width dots": lambda size: "1．" * (size // 2) + "1",
    "bars after Devanagari": lambda size: "क |" * (size // 3) + "a",
    "numbers with dots": lambda size: "1." * (size // 2) + "a",
    "dates with spaces": lambda size: "1.1." + " " * size,
    "abbreviations": lambda size: "e.g. " * (size // 5),
    "joined emoji": lambda size: "👩\u200d" * (size // 2),
    "commas": lambda size: "a, " * (size // 3),
    "hyphens with spaces": lambda size: " -" * (size // 2),
    "one long word": lambda size: "a" * size,
    "apostrophes": lambda size: "a'" * (size // 2),
    "accents": lambda size: "a" + "\u0301" * size,
    "accents of two classes": lambda size: "a" + "\u0301" * (size // 2) + "\u0316" * (size // 2),
    "words of accents of two classes": lambda size: ("a" + "\u0301" * 200 + "\u0316" * 199 + " ") * (size // 400),
    "joiners": lambda size: "a" * 60 + "\u200d" * size,
    "words without marks": lambda size: "word " * (size // 5),
    "Thai without spaces": lambda size: "สวัสดี" * (size // 6),
}

WORST_MAILS: dict[str, Callable[[int], str]] = {
    "lines that end in colons": lambda size: "2025 10:12 a:\n" * (size // 14),
    "lines of a header block": lambda size: "From: a\nTo: b\n" * (size // 14),
    "closing phrases": lambda size: "Thanks\n" * (size // 7),
    "quotes between lines below empty lines": lambda size: "\n" * (size // 2) + "> a\nb\n" * (size // 12),
    "encoded lines": lambda size: ("A1b/" * 15 + "\n") * (size // 61),
    "brackets behind an address": lambda size: "http://a" + ")" * size,
    "parts of addresses": lambda size: "a@b." * (size // 4),
    "codes": lambda size: "A1-" * (size // 3),
    "digits with spaces": lambda size: "1 " * (size // 2),
    "open braces": lambda size: "a{b:c" * (size // 5),
    "words of disclaimers": lambda size: "x\n\nconfidential mail " * (size // 21),
}
WORST_PAGES: dict[str, Callable[[int], str]] = {
    "tags that never end": lambda size: "<a " * (size // 3),
    "quotes in tags": lambda size: '<a b=">"' * (size // 8),
    "attributes without values": lambda size: "<a " + "a" * (size - 5) + "=>",
    "equals signs in a tag": lambda size: "<a " + "= " * (size // 2) + ">",
    "comments that never end": lambda size: "<!--" * (size // 4),
    "entities": lambda size: "&amp;x" * (size // 6),
    "quotes in quotes": lambda size: "<blockquote type=cite>" * (size // 22),
    "paragraphs": lambda size: "<p>a b" * (size // 6),
    "style sheets that never end": lambda size: "<style></styl" * (size // 13),
}


def read(text: str) -> None:
    """Cut a text into units and stem their words, as a decision does."""
    read_message(Message(text, "", Requirements()))
    for unit in split(text).texts(text):
        stems(named(unit))


def read_page(text: str) -> None:
    """Read a text as HTML."""
    read_message(Message(text, "", Requirements(), media_type="text/html"))


@pytest.mark.parametrize("worst", [*WORST, *WORST_MAILS], ids=str)
def test_reading_a_text_takes_time_in_proportion_to_its_length(worst: str) -> None:
    """Four times the text takes about four times the processor time, whatever the customer writes."""
    assert_linear((WORST | WORST_MAILS)[worst], read)


@pytest.mark.parametrize("worst", WORST_PAGES, ids=str)
def test_reading_html_takes_time_in_proportion_to_its_length(worst: str) -> None:
    """The same of HTML, however broken it is."""
    assert_linear(WORST_PAGES[worst], read_page)


def assert_linear(worst: Callable[[int], str], reader: Callable[[str], None]) -> None:
    """Fail where no measurement shows linear growth."""
    exponents = []
    for _ in range(MEASUREMENTS):
        exponents.append(exponent(worst, reader))
        if exponents[-1] < STEEPEST:
            return
    pytest.fail(f"grows with the text's length to the power of {min(exponents):.2f}")


def exponent(worst: Callable[[int], str], reader: Callable[[str], None]) -> float:
    """Return the exponent by which the processor time grows between the two sizes."""
    seconds = []
    for size in SIZES:
        text = worst(size)
        times = []
        for _ in range(TRIES):
            began = time.thread_time()
            reader(text)
            times.append(time.thread_time() - began)
        seconds.append(min(times))
    return math.log(seconds[1] / seconds[0]) / math.log(SIZES[1] / SIZES[0])
