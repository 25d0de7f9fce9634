"""People of the tests of the console: the roster of the demo, and names that somebody hostile chose."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matcher.cli.file_access import form_of
from matcher.files.roster_file import read_roster
from matcher.v1.roster_pb2 import ONLINE, Agent, ImportRow, Pool
from tests.processes import Server

EXAMPLES: Final = Path(__file__).parents[3] / "examples"

HOSTILE: Final = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=document.title='taken'>",
    "\"'><svg/onload=document.title='taken'>",
    "{{ 7*7 }}${7*7}#{7*7}",
    "Ann \u202egnirts lamron",
    "\u0301" * 30 + "Zalgo",
    "a" * 128,
    "مرحبا بالعالم",
)
"""Display names as the service takes them: at most 128 characters."""
INTERESTS: Final = ("horse riding", "sailing", "baking bread", "chess", "astronomy", "gardening", "football", "jazz")
LONG_INTEREST: Final = "horse " * 85
"""An interest as long as the service takes it: 512 characters."""


async def demo_site(service: Server) -> str:
    """Create a site with the 60 agents of the demo, online; return its id."""
    site = await service.site()
    file = EXAMPLES / "agents.jsonl"
    rows = read_roster(file.read_bytes(), form_of(str(file), None), site, ONLINE).good
    async with service.client(site) as client:
        results = [result async for result in client.import_agents(row.row for row in rows)]
    assert len(results) == 60
    return site


async def hostile_site(service: Server) -> str:
    """Create a site whose agents and pools have hostile names; return its id."""
    site = await service.site()
    async with service.client(site) as client:
        for number, text in enumerate(HOSTILE):
            await client.create_pool(f"pool-{number}", Pool(display_name=text))
            agent = Agent(
                display_name=text,
                interests=(text, LONG_INTEREST),
                status=ONLINE,
                pools=[f"{client.parent}/pools/pool-{number}"],
            )
            await client.create_agent(f"agent-{number}", agent)
    return site


async def large_site(service: Server) -> str:
    """Create a site with 10,000 agents in twenty pools, all online; return its id."""
    site = await service.site()
    async with service.client(site) as client:
        pools = [
            (await client.create_pool(f"pool-{number}", Pool(display_name=f"The pool number {number}"))).name
            for number in range(20)
        ]
        rows = (
            ImportRow(
                row=number + 1,
                agent_id=f"agent-{number:05}",
                agent=Agent(
                    display_name=f"Alexandra Montgomery {number:05}",
                    interests=[INTERESTS[number % 8], INTERESTS[(number + 1) % 8]],
                    pools=[pools[number % 20]],
                    status=ONLINE,
                ),
            )
            for number in range(10_000)
        )
        results = [result async for result in client.import_agents(rows)]
    assert len(results) == 10_000
    return site
