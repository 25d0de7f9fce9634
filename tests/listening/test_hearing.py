"""Hearing: an entry is heard where a cue stands in a unit whose vector is close, each kind by its own bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.interest_lexicon import Entry, read_lexicon
from matcher.listening.entry_vectors import EntryVectors
from matcher.listening.hearing import Hearing
from matcher.listening.listened_entries import ListenedEntries
from matcher.model.coverage import EntryKind

CATS, CHESS, REFUND, GIFT = range(4)
"""The numbers of the entries; the vector of each is its own axis."""


def lexicon(*lines: str) -> dict[str, dict[str, Entry]]:
    """Return English entries."""
    return {"en": dict(read_lexicon("\n".join(lines)).entries)}


def hearing() -> Hearing:
    """Return hearing over two interests and two themes."""
    padding = "; ".join(f"padding{number}" for number in range(30))
    entries = ListenedEntries.of(
        {
            EntryKind.INTEREST: lexicon(
                f"cats\tcats\tcommon\ttabby; sleepy tabby; {padding}", f"chess\tchess\tcommon\tqueen; {padding}"
            ),
            EntryKind.THEME: lexicon("refund\trefund\tcommon\tmoney back; refunded", "gift\tgift\tcommon\tpresent"),
        }
    )
    axes = np.eye(4, dtype=np.float32)
    nothing = np.zeros((4, 0), np.float32)
    return Hearing(entries, EntryVectors(nothing, np.zeros(4, np.float32), axes, np.zeros(4, np.float32)))


def unit(**far: float) -> NDArray[np.float32]:
    """Return the vector of a unit that is so many deviations closer to entries than texts of no matter."""
    row = np.zeros((1, 4), np.float32)
    for name, distance in far.items():
        row[0, {"cats": CATS, "chess": CHESS, "refund": REFUND, "gift": GIFT}[name]] = distance
    return row


def test_neither_a_cue_nor_a_close_vector_alone_brings_a_theme_up() -> None:
    """Both together do; without a cue the unit must be very close."""
    heard = hearing()
    assert heard.find(["I want my money back"], unit(refund=3.0), "en") == {REFUND}
    assert heard.find(["I want my money back"], unit(refund=1.0), "en") == set()
    assert heard.find(["I want it all"], unit(refund=3.0), "en") == set()
    assert heard.find(["I want it all"], unit(refund=9.0), "en") == {REFUND}


def test_an_interest_needs_more_where_only_a_word_of_it_stands_in_a_message_than_a_phrase() -> None:
    """A single word is often another word's twin; an agent who states interests is believed sooner."""
    heard = hearing()
    assert heard.find(["a sleepy tabby"], unit(cats=5.0), "en") == {CATS}
    assert heard.find(["a tabby"], unit(cats=5.0), "en") == set()
    assert heard.find(["a tabby"], unit(cats=8.0), "en") == {CATS}
    assert heard.stated("a tabby", unit(cats=2.5), "en") == {CATS}
    assert heard.stated("a tabby", unit(cats=1.0), "en") == set()


def test_an_entry_that_another_of_its_kind_surpasses_must_be_closer() -> None:
    """The lead over the others of the kind counts, themes among themselves and interests among themselves."""
    heard = hearing()
    assert heard.find(["money back"], unit(refund=3.0, gift=6.0), "en") == set()
    assert heard.find(["money back"], unit(refund=3.0, cats=6.0), "en") == {REFUND}


def test_a_text_of_no_known_language_has_no_cues() -> None:
    """Themes are heard by the vector alone."""
    heard = hearing()
    assert heard.find(["money back"], unit(refund=3.0), "xx") == set()
    assert heard.find(["money back"], unit(refund=9.0), "xx") == {REFUND}
    assert heard.stated("a tabby", unit(cats=9.0), "xx") == set()
