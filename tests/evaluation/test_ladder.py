"""The ladder: its rungs are those of the evaluation, and table and plot show every rung of every suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ladder import BOTH, ONE, RUNGS, Rung, draw, rungs_of, table
from matcher.evaluation.evaluate import evaluate
from matcher.evaluation.production import Production
from matcher.evaluation.suite import read_suite
from tests.evaluation.conftest import silent, write_suite


async def test_every_rung_is_a_method_of_the_evaluation(tmp_path: Path, plain: Production) -> None:
    """A rung whose method was renamed would end the command after minutes of measuring."""
    suite = read_suite(write_suite(tmp_path / "two", {"ana": "sail", "ben": "bake"}, [("sail", ["ana"])]))
    evaluation = await evaluate(plain, suite, silent)
    rungs = [rung for arm in (ONE, BOTH) for rung in rungs_of(arm, evaluation, ["two"])]
    assert [rung.name for rung in rungs] == [name for arm in RUNGS.values() for name in arm.values()]
    assert [rung.name for rung in rungs if rung.learned] == [RUNGS[arm]["this service"] for arm in (ONE, BOTH)]
    assert rungs[-1].recall_at_1 == evaluation.production.recall_at_1.value


def test_the_table_says_which_figures_are_a_fit(tmp_path: Path) -> None:
    """A figure on a suite that the scorer was learned from must not pass for quality."""
    rungs = [Rung("old", 200, "words", 0.1, 0.0, 0.3, 0.0, learned=False)]
    rungs += [Rung("old", 200, "map", 0.25, 0.051, 0.5, 0.06, learned=True)]
    assert table(rungs).splitlines()[2:] == ["| words | 10.0, 30.0 |", "| map | 25.0 ± 5.1, 50.0* |"]
    assert draw(rungs * 4, tmp_path / "ladder.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("arm", RUNGS)
def test_the_rung_that_serves_ends_each_arm(arm: str) -> None:
    """The plot reads upwards from chance to what serves."""
    assert list(RUNGS[arm])[-1] == "this service"
