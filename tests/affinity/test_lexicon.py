"""Lexicon: which words count, and that the weights depend on the interests alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity import lexicon as lexicon_module
from matcher.affinity.lexicon import MOST_SHARED, MOST_STEMS, Lexicon, stems

interest = st.lists(st.sampled_from(["sail", "bake", "dog", "chess", "opera", "bee"]), max_size=5).map(tuple)
PAIR = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I love hiking, and Hiking again!", ("love", "hike")),
        ("dogs’ toys", ("dog", "toy")),
        ("犬が好き", ("犬が", "が好", "好き")),
        ("मुझे कुत्ते।", ("मुझ", "कुत्त")),
        ("Я люблю собак", ("я", "любл", "собак")),
        ("Ich wandere gern in den Bergen", ("wander", "bergen")),
        ("El flamenco y los caballos", ("flamenco", "caballo")),
        ("등산", ("등산",)),
        ("ｗａｌｋｉｎｇ", ("walk",)),
        ("the and of", ()),
        ("🐶 ...", ()),
    ],
)
def test_stems_are_distinct_and_of_any_script(text: str, expected: tuple[str, ...]) -> None:
    """Endings and stop words are dropped; text without spaces gives pairs of signs."""
    assert stems(text) == expected


@given(st.text(max_size=200))
def test_any_text_has_stems_or_none(text: str) -> None:
    """Whatever the script, stems are distinct, not blank, and the same each time."""
    once = stems(text)
    assert len(set(once)) == len(once)
    assert all(stem.strip() for stem in once)
    assert stems(text) == once


@given(st.lists(interest, max_size=30), st.data())
def test_a_lexicon_depends_on_its_interests_alone(interests: list[tuple[str, ...]], data: st.DataObject) -> None:
    """After any adding and removing, the weights are those of a new lexicon of the interests left, in another order."""
    changed, kept = Lexicon(), []
    for one in interests:
        handle = changed.add(one)
        if data.draw(st.booleans()):
            changed.remove(handle)
        else:
            kept.append((one, handle))
    fresh = Lexicon()
    handles = [fresh.add(one) for one, _ in reversed(kept)][::-1]
    assert len(changed) == len(fresh) == len(kept)
    units = [("sail", "dog", "bee"), ("chess",)]
    for (_, handle), other in zip(kept, handles, strict=True):
        for unit in (0, 1):
            here = changed.shared(units, PAIR + unit, PAIR + handle)
            there = fresh.shared(units, PAIR + unit, PAIR + other)
            assert here == there
    weights = [weight for lexicon in (changed, fresh) if (rare := lexicon._rare("sail")) for weight in rare[1:]]
    assert len(weights) in {0, 2}
    assert len(set(weights)) <= 1


def test_rare_words_count_common_ones_do_not() -> None:
    """A word that every interest has weighs nothing, a word of one interest weighs 1."""
    lexicon = Lexicon()
    handles = [lexicon.add(("dog", f"only{number}")) for number in range(500)]
    at = np.array([handles[0]])
    assert lexicon.shared([("dog",)], PAIR, at) == 0
    assert lexicon.shared([("only0",)], PAIR, at) == 1
    assert lexicon.shared([("unknown",)], PAIR, at) == 0


def test_many_shared_words_are_capped_and_long_interests_cut() -> None:
    """All words of an interest together weigh no more than two rare words."""
    lexicon = Lexicon()
    words = tuple(f"word{number}" for number in range(MOST_STEMS + 4))
    at = np.array([lexicon.add(words)])
    assert lexicon.shared([words], PAIR, at) == MOST_SHARED
    assert lexicon.shared([words[MOST_STEMS:]], PAIR, at) == 0


def test_no_word_of_a_customer_is_kept_after_the_call() -> None:
    """Words of interests are remembered, words of messages are not: neither by us nor by the stemmer."""
    lexicon_module.interest_stems("I keep honeybees.")
    remembered = dict(lexicon_module._ROSTER_STEMS)
    assert ("honeybees", "english") in remembered
    lexicon_module.stems("My honeybees met the quxfrobnicators.")
    assert remembered == lexicon_module._ROSTER_STEMS
    stemmers = [stemmer.__self__ for stemmer in lexicon_module._STEMMERS.of.values()]  # type: ignore[attr-defined]
    assert [stemmer.maxCacheSize for stemmer in stemmers] == [0] * len(stemmers)
