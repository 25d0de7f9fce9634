"""Export and import against the running service: what export writes, import takes back as unchanged."""

from __future__ import annotations

import io
import itertools
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from rich.console import Console

from matcher.cli.agent_commands import export
from matcher.cli.import_command import import_agents
from matcher.cli.session import Session
from matcher.client import MatcherClient
from matcher.files.roster_file import Form
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as pb
from tests.cli.command import Person, lines
from tests.conftest import StartServer
from tests.processes import Server

TEXTS = st.text(max_size=60) | st.text("a|[]\"'=+-@\n\r\t ,;:\\\ufeff\uff1d\u00c3\u00a1", max_size=12)
IDS = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
POOLS = ("default", "p.1", "p-2")
FOLDERS = itertools.count()


@st.composite
def agents(draw: st.DrawFn) -> pb.Agent:
    """Draw an agent in any state that the service has agents in."""
    agent = pb.Agent(
        display_name=draw(TEXTS),
        interests=draw(
            st.lists(TEXTS.map(str.strip).filter(bool), min_size=1, max_size=4, unique_by=lambda text: text.casefold())
        ),
        skills=[
            pb.Skill(skill=skill, level=draw(st.integers(1, 100)))
            for skill in draw(st.lists(IDS, max_size=3, unique=True))
        ],
        languages=draw(st.lists(st.sampled_from(["en", "German", "pt_BR", "no", "iw", "zh-Hans"]), unique=True)),
        pools=[],
        manager=draw(st.just("") | IDS),
        status=draw(st.sampled_from([pb.ONLINE, pb.DRAINING, pb.OFFLINE, pb.AWAY])),
    )
    if draw(st.booleans()):
        agent.capacity.CopyFrom(
            pb.Capacity(
                total=draw(st.integers(0, 1_000_000)),
                channels=[
                    pb.ChannelCapacity(channel=channel, cost=draw(st.integers(1, 9)), max=draw(st.integers(0, 9)))
                    for channel in draw(st.lists(IDS, max_size=3, unique=True))
                ],
            )
        )
    agent.pools.extend(draw(st.lists(st.sampled_from(POOLS), max_size=3, unique=True)))
    return agent


def session_of(client: MatcherClient, service: Server) -> tuple[Session, io.StringIO]:
    """Return the session of a command and what it prints, without its notes on interests that meet nothing."""
    printed = io.StringIO()
    out, notes = Console(file=printed, width=200), Console(file=io.StringIO())
    return Session(target=service.target, site=client.site, out=out, err=notes), printed


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(roster=st.dictionaries(IDS, agents(), min_size=1, max_size=4))
async def test_what_export_writes_import_takes_back_as_unchanged(
    service: Server, tmp_path: Path, roster: dict[str, pb.Agent]
) -> None:
    """For agents in any state, in all three formats, with the status and without."""
    async with MatcherClient(service.target, site=await service.site()) as client:
        for pool in POOLS[1:]:
            await client.create_pool(pool, pb.Pool())
        for agent_id, agent in roster.items():
            agent.pools[:] = [client.name("pools", pool) for pool in agent.pools]
            await client.create_agent(agent_id, agent)
        for form in Form:
            file = tmp_path / f"agents-{next(FOLDERS)}.{form}"
            session, printed = session_of(client, service)
            await export(session, str(file))
            for with_status in (False, True):
                assert await import_agents(session, str(file), with_status=with_status) == 0
            assert printed.getvalue().splitlines()[1:] == [f"{len(roster)} unchanged"] * 2


@pytest.fixture
async def client(service: Server) -> MatcherClient:
    """Return a client of a fresh site."""
    return MatcherClient(service.target, site=await service.site())


async def test_the_csv_of_an_export_begins_with_the_mark_that_spreadsheets_need(
    client: MatcherClient, service: Server, tmp_path: Path
) -> None:
    """Without it "Tomás" is "TomÃ¡s" in a spreadsheet, and so it comes back."""
    async with client:
        await client.create_agent("tom", pb.Agent(display_name="=Tomás", interests=["I sail."]))
    session, _ = session_of(client, service)
    await export(session, str(tmp_path / "agents.csv"))
    text = (tmp_path / "agents.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbfid,display_name,")
    assert "\ntom,'=Tomás,I sail.,".encode() in text


@pytest.mark.parametrize("form", list(Form))
async def test_languages_that_an_earlier_version_took_come_back_unchanged(
    launch: StartServer, tmp_path: Path, form: Form
) -> None:
    """They are no languages today, and the agent keeps them; who changes them, or is new, gets the fault named."""
    server = await launch({})
    typed = Person(server.target, "default")
    assert (await typed.imports(data=lines([{"id": "ana", "interests": ["I sail."]}]))).code == 0
    assert await server.stop() == 0
    await _write_languages(server.data_dir, "ana", ["gibberish", "en|fr", "English", "en"])
    server = await launch({})
    typed = Person(server.target, "default")
    file = str(tmp_path / f"roster.{form}")
    assert (await typed.types("agents", "export", file)).code == 0
    again = await typed.types("agents", "import", file)
    assert (again.code, again.out) == (0, "1 unchanged\n"), again.err
    renamed = [{"id": "ana", "display_name": "Ana", "languages": ["gibberish", "en|fr", "English", "en"]}]
    assert (await typed.imports(data=lines(renamed))).documents()[-1]["summary"] == {"updated": 1}
    for wrong in ({"id": "ana", "languages": ["gibberish"]}, {"id": "ben", "interests": ["x"], "languages": ["jp"]}):
        refused = await typed.types("agents", "import", "-", stdin=lines([wrong]))
        assert refused.code == 1
        assert "languages[0] is no language" in refused.err
    script = tmp_path / "editor.py"
    code = "import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.write_text(f.read_text().replace('sail', 'row'))"
    script.write_text(code, "utf-8")
    edited = await typed.types("agents", "edit", "ana", environment={"EDITOR": f"{sys.executable} {script}"})
    assert edited.code == 0, edited.err
    assert "I row." in edited.out
    assert "gibberish" in edited.out


async def _write_languages(data_dir: Path, agent: str, languages: list[str]) -> None:
    """Write languages into an agent's record, as a version did that took any text."""
    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        async with Redis.from_url(store.url) as client:
            key = Keys("default").agent(agent)
            profile = json.loads(await client.hget(key, "profile") or "")
            await client.hset(key, "profile", json.dumps(profile | {"languages": languages}))
    finally:
        await store.close()
