"""The Node example, run as its README says."""

import asyncio
import shutil
from pathlib import Path

import pytest

from matcher.v1 import roster_pb2
from tests.processes import Server
from tests.tcp_proxy import TcpProxy

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"

pytestmark = pytest.mark.node

SECONDS = 120.0


async def run(*command: str, folder: Path) -> tuple[int, str]:
    """Run a command to its end; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.fixture(scope="module")
async def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the example with its packages installed."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(EXAMPLE, project / "examples" / "node", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(EXAMPLE.parents[1] / "proto", project / "proto")
    folder = project / "examples" / "node"
    code, output = await run("npm", "ci", "--no-audit", "--no-fund", folder=folder)
    assert code == 0, output
    return folder


async def test_the_node_example_reserves_an_agent_accepts_and_completes(service: Server, example: Path) -> None:
    """With the two standard packages a message is routed to the new agent, and its conversation is completed."""
    site = await service.site()
    code, output = await run("node", "route.js", service.target, site, folder=example)

    assert code == 0, output
    assert output.splitlines()[0] == "Noor is ONLINE"
    assert "Noor is reserved, AFFINITY" in output
    assert '"I repair old sailing boats."' in output or '"Every summer I sail' in output
    assert "accepted: ACCEPTED" in output
    assert "completed: COMPLETED" in output


async def test_the_node_example_misses_no_event_when_its_connection_is_cut(service: Server, example: Path) -> None:
    """What happens while there is no connection comes after it, by the resume token, and each event comes once."""
    site = await service.site()
    async with TcpProxy(service.target) as proxy, service.client(site) as client:
        await client.create_agent(
            "bea", roster_pb2.Agent(display_name="Bea", interests=["I keep bees."], status=roster_pb2.ONLINE)
        )
        process = await asyncio.create_subprocess_exec(
            "node", "watch.js", proxy.address, site, cwd=example, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SECONDS):
                assert await process.stdout.readline() == f"watching sites/{site}\n".encode()
                held = await client.route("My bees swarm in May.", contact_id="c-1", auto_accept=True)
                assert await process.stdout.readline() == b"c-1 CAUSE_ACCEPTED\n"
                proxy.refusing = True
                await proxy.cut()
                await client.complete(held.reservation.name)
                await client.route("My bees swarm in May.", contact_id="c-2", auto_accept=True)
                proxy.refusing = False
                assert await process.stdout.readline() == b"c-1 CAUSE_COMPLETED\n"
                assert await process.stdout.readline() == b"c-2 CAUSE_ACCEPTED\n"
        finally:
            process.kill()
            await process.communicate()
