"""`matcher tune`: what it refuses, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import matcher
from tests.processes import model_cache

SUITE = Path(__file__).parents[2] / "examples" / "suite"


async def test_one_model_is_not_tuned(tmp_path: Path) -> None:
    """The language map is of the second of two models: the command says which setting to change, and writes nothing."""
    out = tmp_path / "mine.npz"
    environment = {"MATCHER_MODEL_CACHE": str(model_cache()), "MATCHER_MODEL": "all-MiniLM-L6-v2"}
    result = await matcher("tune", str(SUITE), "--out", str(out), "--quick", environment=environment)
    assert result.code == 1
    assert "only the packaged pair of models is tuned" in result.err
    assert not out.exists()
