"""The language map takes out of vectors what tells a text's language, and leaves the rest as it is."""

from __future__ import annotations

import numpy as np
import pytest

from matcher.training.language_map import language_map

DIMENSION = 16


def texts(chance: np.random.Generator) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Make 50 topics in three languages: a topic's vector, plus a direction that only tells the language."""
    topics = chance.normal(size=(50, DIMENSION))
    accents = 3 * np.eye(DIMENSION)[:3]
    vectors = np.concatenate([topics + accent for accent in accents]).astype(np.float32)
    return vectors, [tag for tag in ("de", "en", "fr") for _ in topics], topics


def test_the_same_topic_in_two_languages_is_one_vector_under_the_map() -> None:
    """Three languages that differ by a direction each do not differ any more; what the topics differ in stays."""
    vectors, languages, _ = texts(np.random.default_rng(0))
    linear = language_map([(vectors, languages)])
    german, english, french = np.split(vectors @ linear, 3)
    assert np.allclose(german, english, atol=1e-5)
    assert np.allclose(german, french, atol=1e-5)
    # Only the two directions that distinguish three languages are gone.
    assert np.linalg.matrix_rank(linear, tol=1e-6) == DIMENSION - 2
    assert np.allclose(linear[3:, 3:], np.eye(DIMENSION - 3), atol=1e-6)


def test_each_kind_of_text_has_directions_of_its_own() -> None:
    """What tells the language of situations is taken out besides what tells the language of cues."""
    chance = np.random.default_rng(1)
    vectors, languages, topics = texts(chance)
    shifted = np.concatenate([topics + 2 * np.eye(DIMENSION)[at] for at in (5, 6, 7)]).astype(np.float32)
    linear = language_map([(vectors, languages), (shifted, languages)])
    german, english, _ = np.split(shifted @ linear, 3)
    assert np.allclose(german, english, atol=1e-5)
    assert np.linalg.matrix_rank(linear, tol=1e-6) == DIMENSION - 4


def test_one_language_tells_no_direction() -> None:
    """A map cannot be made from texts of one language."""
    with pytest.raises(ValueError, match="two languages"):
        language_map([(np.ones((3, 4), np.float32), ["en"] * 3)])
