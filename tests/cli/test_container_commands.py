"""What a container asks of the command line: whether the service takes calls, and a model compiled beforehand."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import matcher
from tests.processes import Server, model_cache


async def test_health_is_an_exit_code(service: Server) -> None:
    """0 for a service that takes calls, as a whole and by name; 1, with one line, for one that is not there."""
    for name in ("", "matcher.v1.RoutingService", "liveness"):
        said = await matcher("health", "--server", service.target, "--service", name)
        assert (said.code, said.out, said.err) == (0, "SERVING\n", "")
    said = await matcher("health", "--server", service.target, "--json")
    assert said.documents() == [{"service": "", "status": "SERVING"}]
    said = await matcher("health", "--server", service.target, "--service", "nobody")
    assert (said.code, said.err) == (1, "error: there is no service 'nobody' whose health could be asked\n")
    said = await matcher("health", "--server", "127.0.0.1:1")
    assert (said.code, said.out) == (1, "")
    assert "nothing answers at 127.0.0.1:1" in said.err


async def test_a_model_is_compiled_without_a_service(tmp_path: Path) -> None:
    """One line says what will run; what the settings name and cannot be found is said in one, too."""
    models = model_cache()
    said = await matcher("compile", environment={"MATCHER_MODEL_CACHE": str(models)})
    assert said.code == 0, said.err
    assert "all-MiniLM-L6-v2" in said.out
    assert any(models.iterdir())
    said = await matcher("compile", environment={"MATCHER_MODEL": str(tmp_path), "MATCHER_MODEL_CACHE": str(tmp_path)})
    assert said.code == 1
    assert said.err.startswith("error: the embedding model cannot be used: ")
