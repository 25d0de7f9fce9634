"""What the packaged scorer is worth on the suites that come with the project, through the encoder that serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matcher.affinity.scorer import Scorer
from matcher.evaluation import Production
from matcher.evaluation.datasets import dataset_of
from matcher.evaluation.floor_check import check_floor
from matcher.evaluation.suite import Suite, read_suite
from matcher.training.dataset import evidence_of, hits_of
from tests.evaluation.conftest import silent

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTHING_TO_GO_BY = Path(__file__).parents[1] / "data" / "nothing_to_go_by.txt"

EVIDENCE_ALONE = Scorer(lexical_weight=0.0, corroboration=0.0, handicap=0.0)


async def recall(serving: Production, suite: Suite, scorer: Scorer) -> float:
    """Return recall at 1 over a suite's messages."""
    await serving.encode_suite(suite, silent)
    return float(hits_of(dataset_of(serving, suite), scorer).mean())


async def test_the_default_model_is_scored_by_what_was_learned_for_it(serving: Production) -> None:
    """The packaged file is found by the packaged model's fingerprint: there is a map, of the vectors' size."""
    assert serving.scorer.map is not None
    assert serving.scorer.map.shape == (384, 384)


async def test_profiles_in_other_words_keep_what_meaning_alone_finds(serving: Production) -> None:
    """Words do not outweigh meaning: restated profiles keep at least 95 % of what evidence alone gets."""
    suite = read_suite(EXAMPLES / "suite_restated")
    learned, alone = [await recall(serving, suite, one) for one in (serving.scorer, EVIDENCE_ALONE)]
    assert learned >= 0.95 * alone


async def test_profiles_in_their_own_words_lose_nothing(serving: Production) -> None:
    """On the suite whose profiles say it as the messages do, the packaged scorer finds no fewer."""
    suite = read_suite(EXAMPLES / "suite")
    learned, alone = [await recall(serving, suite, one) for one in (serving.scorer, EVIDENCE_ALONE)]
    assert learned >= alone


async def test_messages_with_nothing_to_go_by_fall_back(serving: Production) -> None:
    """Of 200 greetings, order numbers and the like at least 95 % stay below the roster's own floor."""
    texts = [line for line in NOTHING_TO_GO_BY.read_text("utf-8").splitlines() if line.strip()]
    assert len(texts) == 200
    checked = await check_floor(serving, read_suite(EXAMPLES / "suite"), texts, silent)
    assert checked.nothing_to_go_by >= 0.95


async def test_a_request_before_the_interest_changes_little(serving: Production) -> None:
    """A sentence about an order in front of each message takes at most a twentieth of the right answers."""
    suite = read_suite(EXAMPLES / "suite")
    before = await recall(serving, suite, serving.scorer)
    await serving.encode(["My order number 4471 has not arrived yet."], "request", silent)
    lesson = dataset_of(serving, suite)
    request = serving.read("My order number 4471 has not arrived yet.")
    evidence = evidence_of(lesson, serving.scorer)
    asked = np.arange(len(lesson.relevant))
    longer = lesson.beside(np.repeat(request.vectors, len(asked), axis=0), asked, list(request.stems) * len(asked))
    assert len(evidence_of(longer, serving.scorer).unit) >= len(evidence.unit)
    assert float(hits_of(longer, serving.scorer).mean()) >= 0.95 * before
