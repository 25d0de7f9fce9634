"""Piled marks: a letter keeps thirty, and a text without such piles stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity.lexicon import stems
from matcher.affinity.piled_marks import MOST_MARKS, without_piled_marks
from tests.affinity.marked_messages import marked_messages

MARKS = [chr(code) for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code))]


def longest_run(text: str) -> int:
    """Return the length of the longest run of signs that normalization sorts."""
    longest = run = 0
    for sign in text:
        run = run + 1 if unicodedata.combining(sign) else 0
        longest = max(longest, run)
    return longest


@given(st.lists(st.tuples(st.sampled_from("ae ب字"), st.sampled_from(MARKS), st.integers(0, 80)), max_size=8))
def test_no_run_is_longer_than_thirty_and_shorter_ones_stay(parts: list[tuple[str, str, int]]) -> None:
    """What is longer ends after thirty marks; nothing else of the text is lost."""
    text = "".join(letter + mark * count for letter, mark, count in parts)
    safe = without_piled_marks(text)
    assert longest_run(safe) <= MOST_MARKS
    assert safe == "".join(letter + mark * min(count, MOST_MARKS) for letter, mark, count in parts)


@pytest.mark.parametrize("text", [message.text for message in marked_messages()])
def test_mails_and_chats_of_every_language_stay_as_they_are(text: str) -> None:
    """People pile no marks."""
    assert without_piled_marks(text) is text


def test_a_word_under_8000_accents_is_the_word_under_thirty() -> None:
    """Its stem is that of what is kept, so nothing sorts thousands of marks."""
    above, below = "\u0301", "\u0316"
    assert stems("cafe" + above * 4_000 + below * 4_000) == stems("cafe" + above * MOST_MARKS)
