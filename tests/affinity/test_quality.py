"""Quality of the packaged scorer on the suites that come with the project, with the encoder of the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Scorer
from matcher.evaluation.datasets import dataset_of
from matcher.evaluation.floor_check import check_floor
from matcher.evaluation.production import Production
from matcher.evaluation.suite import Suite, read_suite
from matcher.training.dataset import Dataset, evidence_of, hits_of
from tests.evaluation.conftest import silent

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTHING_TO_GO_BY = Path(__file__).parents[1] / "data" / "nothing_to_go_by.txt"

EVIDENCE_ALONE = Scorer(lexical_weight=0.0, corroboration=0.0, handicap=0.0)


async def recall(serving: Production, suite: Suite, scorer: Scorer) -> float:
    """Return recall at 1 over a suite's messages."""
    await serving.encode_suite(suite, silent)
    return float(hits_of(dataset_of(serving, suite), scorer).mean())


def with_units(
    dataset: Dataset, units: NDArray[np.float32], message: NDArray[np.intp], unit_stems: Sequence[Sequence[str]]
) -> Dataset:
    """Return a dataset with further units [n, dimension], each of the message [n]."""
    order = np.argsort(np.concatenate([dataset.message, message]), kind="stable")
    stems = [*dataset.unit_stems, *unit_stems]
    whole = dataset.whole
    return replace(
        dataset,
        units=np.concatenate([dataset.units, units])[order],
        message=np.concatenate([dataset.message, message])[order],
        unit_stems=[stems[at] for at in order.tolist()],
        whole=None if whole is None else np.concatenate([whole, np.zeros(len(units), np.bool_)])[order],
    )


async def test_the_default_model_has_a_learned_scorer(serving: Production) -> None:
    """The packaged file is found by the packaged models' fingerprint: there is a map, of the vectors' dimension."""
    assert serving.scorer.map is not None
    assert serving.scorer.map.shape == (896, 896)


async def test_profiles_in_other_words_keep_the_recall_of_meaning_alone(serving: Production) -> None:
    """Words do not outweigh meaning: restated profiles keep at least 95 % of the recall of evidence alone."""
    suite = read_suite(EXAMPLES / "suite_restated")
    learned, alone = [await recall(serving, suite, scorer) for scorer in (serving.scorer, EVIDENCE_ALONE)]
    assert learned >= 0.95 * alone


async def test_profiles_in_the_words_of_messages_lose_no_recall(serving: Production) -> None:
    """On the suite whose profiles use the words of the messages, the packaged scorer has at least the same recall."""
    suite = read_suite(EXAMPLES / "suite")
    learned, alone = [await recall(serving, suite, scorer) for scorer in (serving.scorer, EVIDENCE_ALONE)]
    assert learned >= alone


async def test_messages_with_nothing_to_go_by_fall_back(serving: Production) -> None:
    """Of 200 greetings, order numbers and the like, at least 95 % stay below the roster's floor."""
    texts = [line for line in NOTHING_TO_GO_BY.read_text("utf-8").splitlines() if line.strip()]
    assert len(texts) == 200
    checked = await check_floor(serving, read_suite(EXAMPLES / "suite"), texts, silent)
    assert checked.nothing_to_go_by >= 0.95


async def test_a_request_before_the_interest_changes_little(serving: Production) -> None:
    """A sentence about an order before each message costs at most a twentieth of the recall."""
    suite = read_suite(EXAMPLES / "suite")
    before = await recall(serving, suite, serving.scorer)
    await serving.encode((), "request", silent, messages=["My order number 4471 has not arrived yet."])
    dataset = dataset_of(serving, suite)
    request = serving.read("My order number 4471 has not arrived yet.")
    evidence = evidence_of(dataset, serving.scorer)
    messages = np.arange(len(dataset.relevant))
    longer = with_units(
        dataset, np.repeat(request.vectors, len(messages), axis=0), messages, list(request.stems) * len(messages)
    )
    assert len(evidence_of(longer, serving.scorer).unit) >= len(evidence.unit)
    assert float(hits_of(longer, serving.scorer).mean()) >= 0.95 * before
