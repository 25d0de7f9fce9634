"""What an evaluation says of a suite, on plain cosines a person computes and on the packaged model."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matcher.evaluation import ExtraMissing, Production, evaluate
from matcher.evaluation.baselines import word_search
from matcher.evaluation.decisions import decide, free_rosters
from matcher.evaluation.floor_check import check_floor
from matcher.evaluation.suite import read_suite
from tests.evaluation.conftest import silent, write_suite
from tests.processes import ROOT

ROSTER = {"ana": "sail", "ben": "bake", "cy": "chess"}
MESSAGES = [
    ("I sail", ["ana"]),  # found at once
    ("bake or chess", ["cy"]),  # both alike: ben comes first, by order and by idleness
    ("garden", ["cy"]),  # nobody is met; cy has been idle longest by then
    ("opera", []),  # nobody is right
]


async def test_figures_are_what_a_person_counts(tmp_path: Path, plain: Production) -> None:
    """One of three is first, two are found; the fall-back to the longest idle makes one more right by luck."""
    suite = read_suite(write_suite(tmp_path / "three", ROSTER, MESSAGES))
    done = await evaluate(plain, suite, silent)
    figures = done.figures
    assert (figures.suite, figures.agents, figures.messages) == ("three", 3, 4)
    assert figures.recall_at_1 == pytest.approx(1 / 3, abs=1e-6)
    assert figures.recall_at_5 == pytest.approx(2 / 3, abs=1e-6)
    assert figures.mrr_at_10 == pytest.approx((1 + 1 / 2) / 3, abs=1e-6)
    assert figures.hit_rate_routed == pytest.approx(2 / 3, abs=1e-6)
    assert figures.top_1_percent_share == pytest.approx(2 / 4)
    assert done.fell_back == 2 / 4
    one_vector, evidence = done.methods[2:]
    assert evidence.recall_at_5.value == pytest.approx(2 / 3)
    assert one_vector.recall_at_1.value == pytest.approx(1 / 3)
    assert [round(done.methods[0].recall_at_1.value, 6), done.methods[0].recall_at_5.value] == [0.333333, 1.0]


async def test_routes_are_those_of_route_message(tmp_path: Path, plain: Production) -> None:
    """Of equals the longest idle is taken, and whoever was routed to is idle from then on."""
    suite = read_suite(write_suite(tmp_path, {"ana": "sail", "ben": "sail", "cy": "sail"}, [("sail", ["ana"])] * 4))
    suite = replace(suite, messages=tuple(replace(one, id=str(at)) for at, one in enumerate(suite.messages * 2)))
    decisions = await decide(plain, suite, silent)
    assert decisions.routed.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert decisions.confidence.max() <= 1


async def test_with_few_free_every_agent_has_a_turn(tmp_path: Path, plain: Production) -> None:
    """Each message is asked of all draws; it can be answered in the one where its agent is free, and is found there."""
    suite = read_suite(write_suite(tmp_path, ROSTER, [("sail", ["ana"]), ("chess", ["cy"])]))
    decisions = await decide(plain, suite, silent, free=1 / 3)
    assert len(decisions.message) == 6
    assert decisions.answerable.sum() == 2
    assert (decisions.place == decisions.answerable).all()
    done = await evaluate(plain, suite, silent, free=1 / 3)
    assert done.figures.recall_at_1 == 1


@pytest.mark.parametrize(("agents", "free"), [(961, 0.1), (7, 0.3), (3, 0.01), (5, 0.99), (4, 1.0)])
def test_draws_are_of_one_size_and_hold_everybody(agents: int, free: float) -> None:
    """Nobody is left out, nobody is drawn twice at once."""
    draws = free_rosters(agents, free)
    assert {len(draw) for draw in draws} == {max(1, round(agents * free))}
    assert all(len(set(draw.tolist())) == len(draw) for draw in draws)
    assert set(np.concatenate(draws).tolist()) == set(range(agents))


async def test_a_missing_library_is_said_in_one_line(
    tmp_path: Path, plain: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who serves needs none of them; who evaluates is told what to install."""
    suite = read_suite(write_suite(tmp_path, ROSTER, MESSAGES))
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ExtraMissing, match=r"^this needs bm25s: pip install 'affinity-matcher\[evaluate\]'$"):
        word_search(suite)
    assert (await evaluate(plain, suite, silent, compare=False)).methods == ()


async def test_words_never_outweigh_meaning(serving: Production) -> None:
    """Where profiles are restated in other words, what serves keeps 95 % of what evidence alone finds."""
    done = await evaluate(serving, read_suite(ROOT / "examples" / "suite_restated"), silent)
    evidence = next(one for one in done.methods if one.name.startswith("evidence alone"))
    assert done.production.recall_at_1.value >= 0.95 * evidence.recall_at_1.value


async def test_what_serves_finds_more_than_what_people_would_build_instead(serving: Production) -> None:
    """On the example suite: more than word search, and half as much again as the obvious way."""
    done = await evaluate(serving, read_suite(ROOT / "examples" / "suite"), silent)
    first = {one.name: one.recall_at_1.value for one in (done.production, *done.methods)}
    assert first["this service"] > first["BM25"] > first["random"]
    assert first["this service"] > 1.5 * first["one vector per profile"]


async def test_messages_with_nothing_to_go_by_fall_back(serving: Production) -> None:
    """Of 200 that say nothing of a person 95 % fall back."""
    said = (ROOT / "tests" / "data" / "nothing_to_go_by.txt").read_text("utf-8").splitlines()
    assert len(said) == 200
    for name in ("suite", "suite_restated"):
        checked = await check_floor(serving, read_suite(ROOT / "examples" / name), said, silent)
        assert checked.nothing_to_go_by >= 0.95
