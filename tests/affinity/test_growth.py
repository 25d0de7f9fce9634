"""Whatever reads a customer's text takes time in proportion to the text's length."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from benchmarks.bounds.texts import CHATS, MAILS, PAGES
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


def read(text: str) -> None:
    """Cut a text into units and stem their words, as a decision does."""
    read_message(Message(text, "", Requirements()))
    for unit in split(text).texts(text):
        stems(named(unit))


def read_page(text: str) -> None:
    """Read a text as HTML."""
    read_message(Message(text, "", Requirements(), media_type="text/html"))


@pytest.mark.parametrize("worst", [*CHATS, *MAILS], ids=str)
def test_reading_a_text_takes_time_in_proportion_to_its_length(worst: str) -> None:
    """Four times the text takes about four times the processor time, whatever the customer writes."""
    assert_linear((dict(CHATS) | dict(MAILS))[worst], read)


@pytest.mark.parametrize("worst", PAGES, ids=str)
def test_reading_html_takes_time_in_proportion_to_its_length(worst: str) -> None:
    """The same of HTML, however broken it is."""
    assert_linear(PAGES[worst], read_page)


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
