"""The board of the page Live, without a browser: what agents do, who is free for what, and why nobody answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.assets import Assets
from matcher.web.console.pages.live.board import Shown, board_of, diagnosis_of, line_of, lines_of
from matcher.web.console.pages.live.drawing import Pencil, told
from matcher.web.console.pages.live.facts import AgentFacts, Held, Waiting
from matcher.web.console.pages.live.floor import Floor
from matcher.web.console.render import environment

FIONA = AgentFacts(
    agent="fiona",
    etag="1",
    shown="Fiona",
    status="online",
    reason="",
    pools=("default",),
    total=2,
    channels={"chat": (1, 2), "voice": (2, 1)},
    languages=frozenset({"en"}),
    skills={"billing": 3},
    idle_since=100.0,
    changed=50.0,
)
CHAT = Held("r1", "fiona", "c-1", "chat", 1, "talking", 120.0)


def _event(
    state: pb.ContactState.ValueType, cause: pb.Cause.ValueType, *, agent: str = "fiona", reservation: str = "r1"
) -> pb.ContactEvent:
    return pb.ContactEvent(
        contact="sites/s/contacts/c-1",
        pool="sites/s/pools/default",
        state=state,
        cause=cause,
        agent=f"sites/s/agents/{agent}",
        reservation=f"sites/s/reservations/{reservation}" if reservation else "",
        time=Timestamp(seconds=200),
    )


def _floor(*agents: AgentFacts) -> Floor:
    floor = Floor(pools={"default": "Everybody"})
    floor.take_agents(agents, 1.0)
    return floor


@pytest.mark.parametrize(
    ("agent", "held", "state", "free_for", "why"),
    [
        (FIONA, (), "free", ("chat", "voice"), ""),
        (FIONA, (CHAT,), "talking", ("chat",), ""),
        (FIONA, (CHAT, replace(CHAT, reservation="r2")), "talking", (), ""),
        (FIONA, (replace(CHAT, does="wrapping"),), "wrapping", ("chat",), ""),
        (FIONA, (CHAT, replace(CHAT, does="offered")), "offered", (), ""),
        (FIONA, (replace(CHAT, counts=False),), "talking", ("chat", "voice"), ""),
        (replace(FIONA, total=0), (), "free", (), "has no capacity on any channel"),
        (replace(FIONA, status="draining"), (CHAT,), "talking", (), "takes no more after this"),
        (replace(FIONA, status="draining"), (), "draining", (), ""),
        (replace(FIONA, status="away", reason="no heartbeat"), (), "away", (), "no heartbeat"),
        (replace(FIONA, status="offline"), (), "offline", (), ""),
    ],
)
def test_an_agent_is_what_the_agent_does(
    agent: AgentFacts, held: tuple[Held, ...], state: str, free_for: tuple[str, ...], why: str
) -> None:
    """An offer comes before a conversation, that before its wrap-up; idle conversations leave capacity free."""
    line = line_of(agent, held)
    assert (line.state, line.free_for, line.why) == (state, free_for, why)


def test_events_move_a_contact_from_the_queue_to_its_end() -> None:
    """Waiting, offered, declined, offered again, talking, wrapping up: the board follows without reading a list."""
    floor = _floor(FIONA, replace(FIONA, agent="ben", shown="Ben"))

    def seen() -> tuple[str, str, int]:
        lines = lines_of(floor)
        return lines["fiona"].state, lines["ben"].state, len(floor.waiting)

    steps = [
        (_event(pb.CONTACT_QUEUED, pb.CAUSE_NOBODY_FREE, agent="", reservation=""), ("free", "free", 1)),
        (_event(pb.CONTACT_RESERVED, pb.CAUSE_OFFERED), ("offered", "free", 0)),
        (_event(pb.CONTACT_QUEUED, pb.CAUSE_DECLINED), ("free", "free", 1)),
        (_event(pb.CONTACT_RESERVED, pb.CAUSE_OFFERED, agent="ben", reservation="r2"), ("free", "offered", 0)),
        (_event(pb.CONTACT_ASSIGNED, pb.CAUSE_ACCEPTED, agent="ben", reservation="r2"), ("free", "talking", 0)),
        (_event(pb.CONTACT_CLOSED, pb.CAUSE_COMPLETED, agent="ben", reservation="r2"), ("free", "wrapping", 0)),
    ]
    for event, state in steps:
        floor.tell(event, 200.25)
        floor.apply(event)
        assert seen() == state
        floor.apply(event)
        assert seen() == state
    board = board_of(floor, Shown())
    assert [news.cause for news in board.news][:2] == ["COMPLETED", "ACCEPTED"]
    assert [(news.agent, board.names[news.agent]) for news in board.refusals] == [("fiona", "Fiona")]
    assert (board.heard, board.refused) == (len(steps), 1)
    assert board.lag == pytest.approx(0.25)


def test_the_page_counts_what_its_lists_no_longer_have() -> None:
    """250 declined offers: the page names the last of them, and says how many there were."""
    floor = Floor()
    for number in range(250):
        floor.tell(_event(pb.CONTACT_QUEUED, pb.CAUSE_DECLINED, reservation=f"r{number}"), 200.0)
    board = board_of(floor, Shown())
    assert (board.heard, board.refused) == (250, 250)
    assert len(board.news) < 250 > len(board.refusals)


@pytest.mark.parametrize(
    ("agents", "contact", "words"),
    [
        ([], Waiting("c", "default", "chat", 0), "No agent is in this pool."),
        ([replace(FIONA, status="offline")], None, "Nobody is online: 1 offline."),
        (
            [replace(FIONA, status="away", reason="missed 3 offers in a row")],
            Waiting("c", "default", "chat", 0),
            "Nobody is online: 1 away (1: missed 3 offers in a row).",
        ),
        ([FIONA], Waiting("c", "default", "chat", 0, language="de"), "do not speak “de”"),
        ([FIONA], Waiting("c", "default", "chat", 0, skills=(("billing", 4),)), "lack the skill “billing” at level 4"),
        ([FIONA], Waiting("c", "default", "email", 0), "do not take email"),
        ([FIONA], Waiting("c", "default", "chat", 0, only_agent="ben"), "whom a transfer names"),
        ([FIONA], Waiting("c", "default", "chat", 0), ""),
        ([FIONA], None, ""),
    ],
)
def test_why_nobody_answers_is_said(agents: list[AgentFacts], contact: Waiting | None, words: str) -> None:
    """Offline, away and why, full, or without what the contact needs; nothing where all is well."""
    lines = [line_of(agent, ()) for agent in agents]
    found = diagnosis_of(lines, {agent.agent: agent for agent in agents}, [contact] if contact else [])
    assert (words in found) if words else (found == "")


def test_full_agents_are_the_reason() -> None:
    """Everybody is online and has no free capacity."""
    held = (CHAT, replace(CHAT, reservation="r2"))
    ben = replace(FIONA, agent="ben", status="away", reason="no heartbeat")
    people, waits = {"fiona": FIONA, "ben": ben}, [Waiting("c", "default", "chat", 0)]
    found = diagnosis_of([line_of(FIONA, held), line_of(ben, ())], people, waits)
    assert found == "All 1 who are online are taken: 1 talking; 1 away (1: no heartbeat)."


def test_only_what_changed_is_sent() -> None:
    """One agent of a hundred takes an offer: the tile, the figures and the news are sent, and 99 tiles are not."""
    floor = _floor(*(replace(FIONA, agent=f"a-{n}", shown=f"Agent {n}") for n in range(100)))
    pencil = Pencil(environment(Assets()))
    lines = lines_of(floor)
    before = pencil.draw(board_of(floor, Shown(), lines))
    event = _event(pb.CONTACT_RESERVED, pb.CAUSE_OFFERED, agent="a-7")
    floor.tell(event, 200.0)
    floor.apply(event)
    lines |= {"a-7": lines_of(floor)["a-7"]}
    after = pencil.draw(board_of(floor, Shown(), lines))
    changes = list(pencil.changes(before, after))
    assert sum('class="t ' in change for change in changes) == 1
    assert all(" hx-swap-oob=" in change for change in changes)
    assert len(changes) == 4
    assert list(pencil.changes(after, after)) == []
    assert 'free <time data-since="100">1 min</time>' in told(
        changes[-1].replace("offered", "free").replace("200", "100"), 160.0
    )


def test_what_is_shown_can_be_chosen() -> None:
    """By free capacity on a channel, by state, by name and by pool; the figures stay those of all."""
    ben = replace(FIONA, agent="ben", shown="Ben", status="away", pools=("night",))
    floor = _floor(FIONA, ben)
    wanted = {
        Shown(): {"default": ["fiona"], "night": ["ben"]},
        Shown(only="free:voice"): {"default": ["fiona"], "night": []},
        Shown(only="away"): {"default": [], "night": ["ben"]},
        Shown(find="BEN"): {"default": [], "night": ["ben"]},
        Shown(pool="night"): {"night": ["ben"]},
    }
    for shown, people in wanted.items():
        board = board_of(floor, shown)
        assert {pool.pool: [line.agent for line in pool.lines] for pool in board.pools} == people
        assert board.counts == (("free", 1), ("away", 1))
