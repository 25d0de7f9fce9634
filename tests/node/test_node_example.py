"""The Node example, run as its README says."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.processes import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"

pytestmark = pytest.mark.node


async def run(*command: str, folder: Path) -> tuple[int, str]:
    """Run a command to its end; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_node_example_reserves_an_agent_accepts_and_completes(service: Server, tmp_path: Path) -> None:
    """With the two standard packages a message is routed to the new agent, and its conversation is completed."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project / "examples" / "node", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(EXAMPLE.parents[1] / "proto", project / "proto")
    folder = project / "examples" / "node"
    code, output = await run("npm", "ci", "--no-audit", "--no-fund", folder=folder)
    assert code == 0, output

    site = await service.site()
    code, output = await run("node", "route.js", service.target, site, folder=folder)

    assert code == 0, output
    assert output.splitlines()[0] == "Noor is ONLINE"
    assert "Noor is reserved, AFFINITY" in output
    assert '"I repair old sailing boats."' in output or '"Every summer I sail' in output
    assert "accepted: ACCEPTED" in output
    assert "completed: COMPLETED" in output
