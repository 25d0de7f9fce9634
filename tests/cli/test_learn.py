"""A person learns a scorer at the command line."""

import json
from pathlib import Path

from matcher.scorer_file import read
from tests.cli.command import matcher
from tests.processes import model_cache

SUITE = Path(__file__).parents[2] / "examples" / "suite"


async def test_a_scorer_is_learned_and_one_as_good_is_not_replaced(tmp_path: Path) -> None:
    """The report is by folds, the file names what it was learned from, and the second time nothing is written."""
    out, environment = tmp_path / "mine.npz", {"MATCHER_MODEL_CACHE": str(model_cache())}
    said = await matcher("learn", str(SUITE), "--out", str(out), "--json", environment=environment)
    assert said.code == 0, said.err
    report = json.loads(said.out)
    assert report["written"]
    assert report["recall_at_1"]["suite"] > report["before"]["suite"]
    _, provenance = read(out)
    assert (provenance.suites, provenance.recall) == (("suite",), report["recall_at_1"])
    written = out.read_bytes()
    again = await matcher("learn", str(SUITE), "--out", str(out), environment=environment)
    assert again.code == 1
    assert "not written: the scorer that is there is as good on suite" in again.err
    assert out.read_bytes() == written
