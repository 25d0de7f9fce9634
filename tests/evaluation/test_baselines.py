"""The baselines on vectors of a pair of models."""

from __future__ import annotations

import numpy as np

from matcher.evaluation.baselines import cosines


def test_vectors_of_a_pair_meet_by_the_halves_that_both_have() -> None:
    """Two English texts by the mean of both halves' cosines, any others by that of the second halves."""
    english, other, nothing = np.array([[0.6, 0.8, 1, 0], [0, 0, 0.6, 0.8], [0, 0, 0, 0]], np.float32)
    rows = np.stack([english, other, nothing])
    wanted = np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(cosines(rows, rows, (2, 2)), wanted, atol=1e-6)


def test_vectors_of_one_model_meet_as_ever() -> None:
    """By the product, to the last bit."""
    rows = np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)
    np.testing.assert_array_equal(cosines(rows, rows, None), rows @ rows.T)
