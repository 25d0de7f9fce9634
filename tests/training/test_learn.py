"""That learning finds what is there, judges it by strangers, and says so when there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.training.calibrate import calibration_error
from matcher.training.dataset import Dataset, hits_of
from matcher.training.learn import learn

AGENTS, DIMENSION = 60, 24


def lesson(common: float, *, seed: int = 0) -> Dataset:
    """Make agents of two interests and a message each; `common` is how much of one direction all texts share."""
    chance = np.random.default_rng(seed)
    told = chance.normal(size=(2 * AGENTS, DIMENSION))
    heard = told[::2] + chance.normal(size=(AGENTS, DIMENSION)) * 0.6
    sides = []
    for texts in (told, heard):
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


def test_what_all_texts_share_is_learned_to_count_less() -> None:
    """Where texts share much that tells nobody apart, the learned map finds more strangers than the cosine does."""
    scorer, report = learn([lesson(2.0)], Scorer())
    assert report.better
    assert report.parameters.mapped
    assert report.recall["made"] > report.before["made"]
    assert hits_of(lesson(2.0, seed=1), scorer).mean() > hits_of(lesson(2.0, seed=1), Scorer()).mean()


def test_learning_twice_gives_the_same_scorer() -> None:
    """Every replica, and whoever checks, can make the same file."""
    first, second = (learn([lesson(2.0)], Scorer())[0] for _ in range(2))
    assert first.fingerprint == second.fingerprint


def test_a_scorer_is_not_better_than_itself() -> None:
    """Learning again from the same suite does not claim to have improved: the caller keeps what is there."""
    scorer, _ = learn([lesson(2.0)], Scorer())
    assert not learn([lesson(2.0)], scorer)[1].better


def test_recall_is_of_agents_who_took_no_part() -> None:
    """With messages that are noise the report stays near chance, whatever fits them."""
    made = lesson(0.0)
    noise = np.random.default_rng(3).normal(size=made.units.shape)
    noise = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    _, report = learn([replace(made, units=noise)], Scorer())
    assert report.recall["made"] < 0.15


def test_further_suites_teach_the_confidence_and_nothing_else() -> None:
    """Map, threshold and recall are those of the lessons; the weights of the margins are of all."""
    alone, before = learn([lesson(2.0)], Scorer())
    both, report = learn([lesson(2.0)], Scorer(), margins=[replace(lesson(1.0, seed=5), name="further")])
    assert replace(alone, calibration=both.calibration).fingerprint == both.fingerprint
    assert alone.calibration != both.calibration
    assert report.recall == before.recall
    assert set(report.error) == {"made", "further"}


def test_progress_is_told_from_nothing_to_all() -> None:
    """Whoever waits sees shares that only grow, up to 1."""
    shares: list[float] = []
    learn([lesson(1.0)], Scorer(), on_progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_a_fold_that_nobody_falls_in_changes_nothing() -> None:
    """With all messages about one person there are no strangers to judge, and still there is a report."""
    made = lesson(1.0)
    alone = replace(made, person=["agent-0"] * AGENTS)
    _, report = learn([made, alone], Scorer(), folds=3)
    assert set(report.recall) == {"made"}
    silent = made.of_messages(np.zeros(AGENTS, np.bool_))
    assert not hits_of(silent, Scorer()).any()


@pytest.mark.parametrize(("lessons", "folds"), [([], 5), ([lesson(1.0)], 1)])
def test_learning_from_nothing_or_without_strangers_is_refused(lessons: list[Dataset], folds: int) -> None:
    """There must be a suite, and someone to judge by."""
    with pytest.raises(ValueError, match="at least one suite and two folds"):
        learn(lessons, Scorer(), folds=folds)


def test_confidence_that_says_what_happens_has_no_error() -> None:
    """Half right at a half is no error; always wrong at certainty is all of it."""
    right = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.5), right) == 0
    assert calibration_error(np.ones(100), ~np.ones(100, np.bool_)) == 1
