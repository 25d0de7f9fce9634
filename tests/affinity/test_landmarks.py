"""Landmarks: every entry of the lexicon has its place, and an interest stands beside what it is like."""

from __future__ import annotations

from typing import Final

import numpy as np

from matcher.affinity.interest_lexicon import packaged
from matcher.affinity.landmarks import NEIGHBOURHOOD, SPREAD, Landmarks, described, places

IDS: Final = tuple(packaged("en"))
AT: Final = {entry: np.array((x, y)) for entry, x, y in places()}


def landmarks() -> tuple[Landmarks, np.ndarray]:
    """Return landmarks of random directions, one for each entry, and these directions."""
    vectors = np.random.default_rng(7).standard_normal((len(IDS), 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Landmarks(vectors), vectors


def test_every_entry_of_the_lexicon_has_a_place_within_the_map_and_no_other() -> None:
    """An entry that was added without `python -m benchmarks.interest_places` would have none."""
    assert [entry for entry, _, _ in places()] == list(IDS)
    assert all(abs(x) <= 1 and abs(y) <= 1 for _, x, y in places())
    assert len(described()) == len(IDS)


def test_an_interest_stands_at_the_landmark_that_it_means() -> None:
    """The vector of a landmark is placed beside it, and names it as the nearest."""
    map_of, vectors = landmarks()
    for number in (0, 17, 400):
        (place,) = map_of.placed(["some words"], vectors[number : number + 1])
        assert place is not None
        assert place.nearest == number
        assert np.linalg.norm(AT[IDS[number]] - (place.x, place.y)) <= NEIGHBOURHOOD + SPREAD


def test_the_same_words_stand_in_the_same_place_whatever_else_is_placed() -> None:
    """The place depends on no other interest, so the map stays in place from day to day."""
    map_of, vectors = landmarks()
    (alone,) = map_of.placed(["sailing"], vectors[5:6])
    among = map_of.placed(["chess", "sailing", "go"], vectors[[90, 5, 300]])
    assert among[1] == alone


def test_an_interest_that_says_nothing_has_no_place() -> None:
    """A vector of zeros is nowhere."""
    map_of, _ = landmarks()
    assert map_of.placed(["zzqx"], np.zeros((1, 64), np.float32)) == [None]
