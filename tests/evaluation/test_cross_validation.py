"""Cross-validation never judges a scorer by agents it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.evaluation import Production, evaluate
from matcher.evaluation.cross_validation import evaluate_by_folds, fold_of, without
from matcher.evaluation.datasets import lesson_of
from matcher.evaluation.suite import Suite, read_suite
from tests.evaluation.conftest import WORDS, silent, write_suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Give eight agents with a word each and two messages for each, one of them for a neighbour, too."""
    agents = {f"a{number}": word for number, word in enumerate(WORDS)}
    alone = [(word, [f"a{number}"]) for number, word in enumerate(WORDS)]
    return read_suite(write_suite(tmp_path / "eight", agents, [*alone, *((f"I {word}", who) for word, who in alone)]))


async def test_a_scorer_is_judged_by_strangers_alone_and_every_message_once(suite: Suite, plain: Production) -> None:
    """The taught suites hold neither the agents nor the messages of the fold; with nothing learned nothing changes."""
    taught: list[Suite] = []

    def teach(suites: Sequence[Suite]) -> Scorer:
        taught.extend(suites)
        return Scorer()

    (done,) = await evaluate_by_folds(plain, [suite], 3, silent, teach=teach)
    folds = fold_of(suite, 3)
    assert len(set(folds.tolist())) > 1
    for fold, part in enumerate(taught):
        asked = {
            agent for message, of in zip(suite.messages, folds, strict=True) if of == fold for agent in message.relevant
        }
        assert asked.isdisjoint(agent.id for agent in part.agents)
        assert asked.isdisjoint(agent for message in part.messages for agent in message.relevant)
        assert len(part.agents) + len(asked) == len(suite.agents)
    at_once = await evaluate(plain, suite, silent)
    assert done.figures.recall_at_1 == at_once.figures.recall_at_1 == 1
    assert done.figures.messages == 16
    assert sum(size for *_, size in done.bins) == 16


def test_who_is_right_for_two_folds_is_taught_in_neither(suite: Suite) -> None:
    """A message for agents of another fold is kept for those who are left."""
    left = [without(suite, fold, 2) for fold in range(2)]
    assert {agent.id for part in left for agent in part.agents} == {agent.id for agent in suite.agents}
    assert all(message.relevant for part in left for message in part.messages)


async def test_a_lesson_is_the_suite_in_order(suite: Suite, plain: Production) -> None:
    """Interests and units stand under their owners, and whoever is right together is one person to a fold."""
    await plain.learn_suite(suite, silent)
    lesson = lesson_of(plain, suite)
    assert lesson.owner.tolist() == list(range(8))
    assert lesson.message.tolist() == list(range(16))
    assert lesson.relevant.sum() == 16
    assert (lesson.relevant.argmax(axis=1) == np.arange(16) % 8).all()
    assert np.allclose(lesson.units[0], lesson.interests[0], atol=1e-3)
    assert list(lesson.person) == [agent.id for agent in suite.agents]


async def test_one_fold_is_none(suite: Suite, plain: Production) -> None:
    """Somebody must be left to judge."""
    with pytest.raises(ValueError, match="two folds"):
        await evaluate_by_folds(plain, [suite], 1, silent)
