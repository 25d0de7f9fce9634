"""Situations: what is made of the interest lexicon to learn from."""

from __future__ import annotations

from collections import Counter

from matcher.affinity.interest_lexicon import languages, packaged
from matcher.training.situations import CUE, SECOND_CUE, frames, shared_entries, situations


def test_every_language_of_the_lexicon_has_frames_with_one_place_for_a_cue() -> None:
    """Each frame has a place for one cue, and at most one for a second; no frame stands twice."""
    for language in languages():
        of_language = frames(language)
        assert len(of_language) >= 45
        assert len(set(of_language)) == len(of_language)
        assert {frame.count(CUE) for frame in of_language} == {1}
        assert {frame.count(SECOND_CUE) for frame in of_language} <= {0, 1}


def test_languages_speak_of_the_same_entries() -> None:
    """The entries that all languages have are the same in each, in one order."""
    shared = shared_entries()
    assert set(shared) == set(languages())
    assert len({tuple(entry.id for entry in entries) for entries in shared.values()}) == 1


def test_a_seed_makes_the_same_situations_of_every_entry_and_language() -> None:
    """Two runs make the same texts, as many of each entry and language, each with a cue of its entry."""
    made = list(situations(2, seed=20))
    assert made == list(situations(2, seed=20))
    assert made != list(situations(2, seed=21))
    assert set(Counter((one.language, one.entry) for one in made).values()) == {2}
    for one in made[::97]:
        cues = [cue.casefold() for cue in packaged(one.language)[one.entry].cues]
        assert any(cue in one.text.casefold() for cue in cues)
        assert "{" not in one.text
