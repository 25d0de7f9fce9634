"""The Node example, run as its README says."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.processes import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"

pytestmark = pytest.mark.node


async def run(*command: str, folder: Path) -> tuple[int, str]:
    """Run a command to its end; return its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_node_example_holds_an_agent_accepts_and_completes(service: Server, tmp_path: Path) -> None:
    """With the two ordinary packages a message is routed to the agent who was just created, and its life ends well."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project / "examples" / "node", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(EXAMPLE.parents[1] / "proto", project / "proto")
    folder = project / "examples" / "node"
    code, said = await run("npm", "ci", "--no-audit", "--no-fund", folder=folder)
    assert code == 0, said

    site = await service.site()
    code, said = await run("node", "route.js", service.target, site, folder=folder)

    assert code == 0, said
    assert said.splitlines()[0] == "Noor is ONLINE"
    assert "Noor is held, AFFINITY" in said
    assert '"I repair old sailing boats."' in said or '"Every summer I sail' in said
    assert "accepted: ACCEPTED" in said
    assert "completed: COMPLETED" in said
