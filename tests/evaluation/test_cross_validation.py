"""Cross-validation: a scorer is never judged by agents it was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.evaluation.cross_validation import evaluate_by_folds, fold_of, without
from matcher.evaluation.datasets import dataset_of
from matcher.evaluation.evaluate import evaluate
from matcher.evaluation.production import Production
from matcher.evaluation.suite import Suite, read_suite
from tests.evaluation.conftest import WORDS, silent, write_suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Return eight agents with a word each, and two messages for each agent."""
    agents = {f"a{number}": word for number, word in enumerate(WORDS)}
    alone = [(word, [f"a{number}"]) for number, word in enumerate(WORDS)]
    return read_suite(write_suite(tmp_path / "eight", agents, [*alone, *((f"I {word}", who) for word, who in alone)]))


async def test_a_scorer_is_judged_only_by_unknown_agents_and_every_message_once(
    suite: Suite, plain: Production
) -> None:
    """The suites to learn from hold neither the agents nor the messages of the fold.

    A scorer that learns nothing has the figures of the evaluation without folds.
    """
    taught: list[Suite] = []

    def teach(suites: Sequence[Suite]) -> Scorer:
        taught.extend(suites)
        return Scorer()

    (by_folds,) = await evaluate_by_folds(plain, [suite], 3, silent, teach=teach)
    folds = fold_of(suite, 3)
    assert len(set(folds.tolist())) > 1
    for fold, part in enumerate(taught):
        held_out = {
            agent for message, of in zip(suite.messages, folds, strict=True) if of == fold for agent in message.relevant
        }
        assert held_out.isdisjoint(agent.id for agent in part.agents)
        assert held_out.isdisjoint(agent for message in part.messages for agent in message.relevant)
        assert len(part.agents) + len(held_out) == len(suite.agents)
    at_once = await evaluate(plain, suite, silent)
    assert by_folds.figures.recall_at_1 == at_once.figures.recall_at_1 == 1
    assert by_folds.figures.messages == 16
    assert sum(size for *_, size in by_folds.bins) == 16


def test_a_suite_without_a_fold_keeps_messages_for_the_remaining_agents(suite: Suite) -> None:
    """Every agent remains in some part, and every remaining message has a right agent."""
    parts = [without(suite, fold, 2) for fold in range(2)]
    assert {agent.id for part in parts for agent in part.agents} == {agent.id for agent in suite.agents}
    assert all(message.relevant for part in parts for message in part.messages)


def test_a_suite_without_a_fold_may_keep_all_agents(suite: Suite) -> None:
    """The messages are those that it has without these agents, and none of these agents is right for one."""
    for fold in range(2):
        kept, smaller = without(suite, fold, 2, keep_agents=True), without(suite, fold, 2)
        assert kept.agents == suite.agents
        assert kept.messages == smaller.messages


async def test_a_dataset_is_the_suite_in_order(suite: Suite, plain: Production) -> None:
    """Interests belong to their agents and units to their messages, and each agent is a person to a fold."""
    await plain.encode_suite(suite, silent)
    dataset = dataset_of(plain, suite)
    assert dataset.owner.tolist() == list(range(8))
    assert dataset.message.tolist() == list(range(16))
    assert dataset.relevant.sum() == 16
    assert (dataset.relevant.argmax(axis=1) == np.arange(16) % 8).all()
    assert np.allclose(dataset.units[0], dataset.interests[0], atol=1e-3)
    assert list(dataset.person) == [agent.id for agent in suite.agents]


async def test_a_single_fold_is_refused(suite: Suite, plain: Production) -> None:
    """With one fold no agent would remain to learn from."""
    with pytest.raises(ValueError, match="two folds"):
        await evaluate_by_folds(plain, [suite], 1, silent)
