"""The plots: PNG files, for any text in their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matcher.evaluation.day import compare_strategies
from matcher.evaluation.day_ledger import Terms
from matcher.evaluation.evaluate import evaluate
from matcher.evaluation.interest_map import Meeting, draw_interests, flat
from matcher.evaluation.plots import draw_reliability, draw_trade_off
from matcher.evaluation.production import Production
from matcher.evaluation.suite import read_suite
from tests.evaluation.conftest import silent, write_suite

PNG = b"\x89PNG\r\n\x1a\n"


async def test_every_suite_has_a_panel_and_every_day_a_curve(tmp_path: Path, plain: Production) -> None:
    """A suite's name with characters of mathematics is drawn as text."""
    suite = read_suite(write_suite(tmp_path / "$a_b$", {"ana": "sail", "ben": "bake"}, [("sail", ["ana"])]))
    evaluation = await evaluate(plain, suite, silent)
    day = await compare_strategies(plain, suite, silent, Terms(hours=1), tolerances=(0.1,))
    drawn = [
        draw_reliability([evaluation] * 5, tmp_path / "new" / "r.png"),
        draw_trade_off([(suite.name, day, 0.1)] * 3, tmp_path / "t.png"),
    ]
    assert [path.read_bytes()[:8] for path in drawn] == [PNG, PNG]


def test_a_map_is_drawn_for_any_text(tmp_path: Path) -> None:
    """The texts hold dollars, line ends and other scripts, and one roster has a single interest."""
    vectors = np.eye(4, dtype=np.float32)
    texts = ["$a$ and $", "釣り\nが好き"]
    meetings = [Meeting(0, 0, "René"), Meeting(1, 1, "$x_")]
    path = draw_interests(texts, ["ahoy $", "ふね"], vectors, meetings, tmp_path / "m.png")
    assert path.read_bytes()[:8] == PNG
    assert draw_interests(texts[:1], ["ahoy"], vectors[:2], [], tmp_path / "one.png").read_bytes()[:8] == PNG


def test_the_plane_is_the_one_in_which_interests_differ_most() -> None:
    """Points of a tilted plane keep their distances, and the order of the roster does not change the map."""
    random = np.random.default_rng(1)
    corners = random.normal(size=(6, 2)) * (3, 1)
    turned, _ = np.linalg.qr(random.normal(size=(5, 5)))
    space = (corners @ turned[:2]).astype(np.float32)
    here, _ = flat(space, space)
    again, _ = flat(space[::-1], space)
    np.testing.assert_allclose(
        np.linalg.norm(here[:, None] - here, axis=2), np.linalg.norm(corners[:, None] - corners, axis=2), atol=1e-4
    )
    np.testing.assert_allclose(here, again[::-1], atol=1e-4)
