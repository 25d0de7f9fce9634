"""The commands that a container runs: the health check, and the compilation of the model."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import matcher
from tests.processes import Server, model_cache


async def test_health_is_an_exit_code(service: Server) -> None:
    """The code is 0 for a service that accepts calls, and 1, with one line, for a service that does not exist."""
    for name in ("", "matcher.v1.RoutingService", "liveness"):
        result = await matcher("health", "--server", service.target, "--service", name)
        assert (result.code, result.out, result.err) == (0, "SERVING\n", "")
    result = await matcher("health", "--server", service.target, "--json")
    assert result.documents() == [{"service": "", "status": "SERVING"}]
    result = await matcher("health", "--server", service.target, "--service", "nobody")
    assert (result.code, result.err) == (1, "error: the server has no service 'nobody' to check\n")
    result = await matcher("health", "--server", "127.0.0.1:1")
    assert (result.code, result.out) == (1, "")
    assert "no service answers at 127.0.0.1:1" in result.err


async def test_a_model_is_compiled_without_a_service(tmp_path: Path) -> None:
    """One line names the model and its runtime; a model that cannot be found is one line too."""
    models = model_cache()
    result = await matcher("compile", environment={"MATCHER_MODEL_CACHE": str(models)})
    assert result.code == 0, result.err
    assert "all-MiniLM-L6-v2+universal-sentence-encoder-multilingual (" in result.out
    assert any(models.iterdir())
    result = await matcher(
        "compile", environment={"MATCHER_MODEL": str(tmp_path), "MATCHER_MODEL_CACHE": str(tmp_path)}
    )
    assert result.code == 1
    assert result.err.startswith("error: the embedding model cannot be used: ")
