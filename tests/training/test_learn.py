"""Learning of a scorer: it finds a better map, judges it on other agents, and reports when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matcher.affinity.kinds import Others
from matcher.affinity.scorer import Scorer, untrained
from matcher.training.calibrate import calibration_error
from matcher.training.dataset import Dataset, hits_of
from matcher.training.learn import SHARES, learn
from matcher.training.linear_map import Powers, learn_block

AGENTS, DIMENSION = 60, 24


def dataset(common: float, *, seed: int = 0) -> Dataset:
    """Make agents of two interests and a message each; `common` is how much of one direction all texts share."""
    chance = np.random.default_rng(seed)
    interests = chance.normal(size=(2 * AGENTS, DIMENSION))
    units = interests[::2] + chance.normal(size=(AGENTS, DIMENSION)) * 0.6
    sides = []
    for texts in (interests, units):
        texts[:, :3] += common * chance.normal(2.0, 1.0, size=(len(texts), 3))
        sides.append((texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32))
    return Dataset(
        name="made",
        agents=AGENTS,
        interests=sides[0],
        owner=np.repeat(np.arange(AGENTS), 2),
        interest_stems=[()] * (2 * AGENTS),
        units=sides[1],
        message=np.arange(AGENTS),
        unit_stems=[()] * AGENTS,
        relevant=np.eye(AGENTS, dtype=np.bool_),
        person=[f"agent-{number}" for number in range(AGENTS)],
    )


def test_the_learned_map_lowers_what_all_texts_share() -> None:
    """Where texts share much that distinguishes no agent, the learned map has a higher recall than the cosine."""
    scorer, report = learn([dataset(2.0)], Scorer())
    assert report.better
    assert report.parameters.mapped
    assert report.recall["made"] > report.before["made"]
    assert hits_of(dataset(2.0, seed=1), scorer).mean() > hits_of(dataset(2.0, seed=1), Scorer()).mean()


def test_learning_twice_gives_the_same_scorer() -> None:
    """Everybody who learns from the same suites gets the same file."""
    first, second = (learn([dataset(2.0)], Scorer())[0] for _ in range(2))
    assert first.fingerprint == second.fingerprint


def test_a_scorer_is_not_better_than_itself() -> None:
    """Learning again from the same suite is not reported as better, so the caller keeps the present scorer."""
    scorer, _ = learn([dataset(2.0)], Scorer())
    assert not learn([dataset(2.0)], scorer)[1].better


def test_recall_is_of_agents_who_took_no_part() -> None:
    """With messages of noise the reported recall stays near chance."""
    made = dataset(0.0)
    noise = np.random.default_rng(3).normal(size=made.units.shape)
    noise = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    _, report = learn([replace(made, units=noise)], Scorer())
    assert report.recall["made"] < 0.15


def test_further_suites_change_the_confidence_and_nothing_else() -> None:
    """Map, threshold and recall are those of the datasets; the weights of the confidence are of all datasets."""
    alone, before = learn([dataset(2.0)], Scorer())
    both, report = learn([dataset(2.0)], Scorer(), margins=[replace(dataset(1.0, seed=5), name="further")])
    assert replace(alone, calibration=both.calibration).fingerprint == both.fingerprint
    assert alone.calibration != both.calibration
    assert report.recall == before.recall
    assert set(report.error) == {"made", "further"}


def test_progress_is_reported_from_0_to_1() -> None:
    """The reported shares only grow, up to 1."""
    shares: list[float] = []
    learn([dataset(1.0)], Scorer(), on_progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_an_empty_fold_changes_nothing() -> None:
    """With all messages about one person no other person is left to judge on, and still there is a report."""
    made = dataset(1.0)
    alone = replace(made, person=["agent-0"] * AGENTS)
    _, report = learn([made, alone], Scorer(), folds=3)
    assert set(report.recall) == {"made"}
    silent = made.of_messages(np.zeros(AGENTS, np.bool_))
    assert not hits_of(silent, Scorer()).any()


@pytest.mark.parametrize(("datasets", "folds"), [([], 5), ([dataset(1.0)], 1)])
def test_learning_without_a_suite_or_with_one_fold_is_refused(datasets: list[Dataset], folds: int) -> None:
    """Learning needs a suite, and a fold to judge on."""
    with pytest.raises(ValueError, match="at least one suite and two folds"):
        learn(datasets, Scorer(), folds=folds)


def test_confidence_that_equals_the_frequency_has_no_error() -> None:
    """Half right at 0.5 is no error; always wrong at 1 is an error of 1."""
    right = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.5), right) == 0
    assert calibration_error(np.ones(100), ~np.ones(100, np.bool_)) == 1


HALVES = (DIMENSION, DIMENSION)


def dataset_of_a_pair(others: float, *, seed: int = 0) -> Dataset:
    """Make agents and messages of which a share is not in English; all texts share much in both halves."""
    chance = np.random.default_rng(seed)
    first, second = dataset(4.0, seed=seed), dataset(4.0, seed=seed + 50)
    sides = []
    for one, two in ((first.interests, second.interests), (first.units, second.units)):
        blurred = one + chance.normal(size=one.shape) * 0.1
        blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
        sides.append(np.concatenate([blurred, two], axis=1).astype(np.float32))
        sides[-1][chance.random(len(one)) < others, :DIMENSION] = 0
    return replace(first, interests=sides[0], units=sides[1])


def test_a_scorer_of_a_pair_is_learned_in_each_half_by_itself() -> None:
    """It is better than the untrained one on other agents, and its map does not mix the halves."""
    before = untrained(HALVES)
    scorer, report = learn([dataset_of_a_pair(0.4)], before)
    assert report.better
    assert scorer.halves == HALVES
    assert scorer.others == report.parameters.others
    assert scorer.map is not None
    assert not scorer.map[:DIMENSION, DIMENSION:].any()
    assert not scorer.map[DIMENSION:, :DIMENSION].any()
    other = dataset_of_a_pair(0.4, seed=1)
    assert hits_of(other, scorer).mean() > hits_of(other, before).mean()


def test_english_alone_says_nothing_of_other_languages() -> None:
    """From suites in English no threshold of other languages is learned: they keep that of the map."""
    scorer, report = learn([dataset_of_a_pair(0.0)], untrained(HALVES))
    assert scorer.others == Others(scorer.threshold)
    assert report.parameters.share in SHARES


def test_no_text_in_english_teaches_the_second_half_alone() -> None:
    """Where no text is English the first block stays as it is, but for its share."""
    scorer, _ = learn([dataset_of_a_pair(1.0)], untrained(HALVES))
    assert scorer.map is not None
    first = scorer.map[:DIMENSION, :DIMENSION]
    assert np.allclose(first, first[0, 0] * np.eye(DIMENSION), atol=1e-3)


def test_nobody_held_out_is_easier_to_find() -> None:
    """For a pair of models, a map is learned from the interests of all agents, also of those who are held out.

    A map shortens what it was learned from: right agents who took no part would be nearer to their messages.
    """
    made = dataset_of_a_pair(0.4)
    turned = replace(made, relevant=np.roll(made.relevant, 7, axis=1))
    taken = [np.arange(AGENTS) % 5 != 0]
    powers, part = Powers(0.4, 0.0), slice(DIMENSION, 2 * DIMENSION)
    one, other = (learn_block([of], taken, powers, part, HALVES) for of in (made, turned))
    assert np.array_equal(one, other)
    without = learn_block([made.of_messages(taken[0])], [np.ones(AGENTS, np.bool_)], powers, part, HALVES)
    assert np.allclose(one, without)
