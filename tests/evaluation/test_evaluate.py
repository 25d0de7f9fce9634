"""The evaluation of a suite, on plain cosines that a person can compute and on the packaged model."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matcher.evaluation.baselines import word_search
from matcher.evaluation.decisions import decide, free_rosters
from matcher.evaluation.evaluate import evaluate
from matcher.evaluation.extras import ExtraMissing
from matcher.evaluation.floor_check import check_floor
from matcher.evaluation.production import Production
from matcher.evaluation.suite import read_suite
from tests.evaluation.conftest import silent, write_suite
from tests.processes import ROOT

ROSTER = {"ana": "sail", "ben": "bake", "cy": "chess"}
MESSAGES = [
    ("I sail", ["ana"]),  # ana is first
    ("bake or chess", ["cy"]),  # equal affinities: ben is first, by order and by idle time
    ("garden", ["cy"]),  # no interest is met; cy is idle longest by then
    ("opera", []),  # no agent is right
]


async def test_figures_are_those_that_a_person_counts(tmp_path: Path, plain: Production) -> None:
    """Of three right agents one is first and two are found; the fallback adds one right agent by luck."""
    suite = read_suite(write_suite(tmp_path / "three", ROSTER, MESSAGES))
    evaluation = await evaluate(plain, suite, silent)
    figures = evaluation.figures
    assert (figures.suite, figures.agents, figures.messages) == ("three", 3, 4)
    assert figures.recall_at_1 == pytest.approx(1 / 3, abs=1e-6)
    assert figures.recall_at_5 == pytest.approx(2 / 3, abs=1e-6)
    assert figures.mrr_at_10 == pytest.approx((1 + 1 / 2) / 3, abs=1e-6)
    assert figures.hit_rate_routed == pytest.approx(2 / 3, abs=1e-6)
    assert figures.top_1_percent_share == pytest.approx(2 / 4)
    assert evaluation.fell_back == 2 / 4
    one_vector, evidence = evaluation.methods[2:]
    assert evidence.recall_at_5.value == pytest.approx(2 / 3)
    assert one_vector.recall_at_1.value == pytest.approx(1 / 3)
    assert [round(evaluation.methods[0].recall_at_1.value, 6), evaluation.methods[0].recall_at_5.value] == [
        0.333333,
        1.0,
    ]


async def test_routes_are_those_of_route_message(tmp_path: Path, plain: Production) -> None:
    """Of equal agents the one who is idle longest is chosen, and a chosen agent is idle from then on."""
    suite = read_suite(write_suite(tmp_path, {"ana": "sail", "ben": "sail", "cy": "sail"}, [("sail", ["ana"])] * 4))
    suite = replace(
        suite, messages=tuple(replace(message, id=str(at)) for at, message in enumerate(suite.messages * 2))
    )
    decisions = await decide(plain, suite, silent)
    assert decisions.routed.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert decisions.confidence.max() <= 1


async def test_with_few_free_agents_every_agent_is_free_in_one_draw(tmp_path: Path, plain: Production) -> None:
    """Each message is decided on all draws; its right agent is found in the draw in which the agent is free."""
    suite = read_suite(write_suite(tmp_path, ROSTER, [("sail", ["ana"]), ("chess", ["cy"])]))
    decisions = await decide(plain, suite, silent, free=1 / 3)
    assert len(decisions.message) == 6
    assert decisions.answerable.sum() == 2
    assert (decisions.place == decisions.answerable).all()
    evaluation = await evaluate(plain, suite, silent, free=1 / 3)
    assert evaluation.figures.recall_at_1 == 1


@pytest.mark.parametrize(("agents", "free"), [(961, 0.1), (7, 0.3), (3, 0.01), (5, 0.99), (4, 1.0)])
def test_draws_have_one_size_and_hold_every_agent(agents: int, free: float) -> None:
    """Every agent is in some draw, and in no draw twice."""
    draws = free_rosters(agents, free)
    assert {len(draw) for draw in draws} == {max(1, round(agents * free))}
    assert all(len(set(draw.tolist())) == len(draw) for draw in draws)
    assert set(np.concatenate(draws).tolist()) == set(range(agents))


async def test_a_missing_library_is_reported_in_one_line(
    tmp_path: Path, plain: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names what to install; without the baselines the library is not needed."""
    suite = read_suite(write_suite(tmp_path, ROSTER, MESSAGES))
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ExtraMissing, match=r"^this needs bm25s: pip install 'affinity-matcher\[evaluate\]'$"):
        word_search(suite)
    assert (await evaluate(plain, suite, silent, compare=False)).methods == ()


async def test_words_never_outweigh_meaning(serving: Production) -> None:
    """On profiles restated in other words the service keeps at least 95 % of the recall of the evidence alone."""
    evaluation = await evaluate(serving, read_suite(ROOT / "examples" / "suite_restated"), silent)
    evidence = next(method for method in evaluation.methods if method.name.startswith("evidence alone"))
    assert evaluation.production.recall_at_1.value >= 0.95 * evidence.recall_at_1.value


async def test_the_service_finds_more_right_agents_than_the_baselines(serving: Production) -> None:
    """On the example suite its recall is above BM25's and above 1.5 times that of one vector per profile."""
    evaluation = await evaluate(serving, read_suite(ROOT / "examples" / "suite"), silent)
    first = {method.name: method.recall_at_1.value for method in (evaluation.production, *evaluation.methods)}
    assert first["this service"] > first["BM25"] > first["random"]
    assert first["this service"] > 1.5 * first["one vector per profile"]


async def test_messages_with_nothing_to_go_by_fall_back(serving: Production) -> None:
    """Of 200 messages that say nothing of an interest at least 95 % fall back."""
    messages = (ROOT / "tests" / "data" / "nothing_to_go_by.txt").read_text("utf-8").splitlines()
    assert len(messages) == 200
    for name in ("suite", "suite_restated"):
        checked = await check_floor(serving, read_suite(ROOT / "examples" / name), messages, silent)
        assert checked.nothing_to_go_by >= 0.95
