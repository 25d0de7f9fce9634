"""ImportAgents against the running service: the fields a row changes, statuses that stay, and bounded pruning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as pb
from tests.people import wait_until
from tests.processes import Server

Answer = pb.ImportAgentsResponse

ANA = pb.Agent(
    display_name="Ana",
    interests=["I sail.", "I row."],
    skills=[pb.Skill(skill="tax", level=3), pb.Skill(skill="law", level=1)],
    languages=["de", "en"],
    capacity=pb.Capacity(total=4, channels=[pb.ChannelCapacity(channel="email", cost=2, max=1)]),
    status=pb.ONLINE,
)


@pytest.fixture
async def client(service: Server) -> AsyncIterator[MatcherClient]:
    """Return a client of a fresh site with the agent "ana"."""
    async with MatcherClient(service.target, site=await service.site()) as client:
        await client.create_agent("ana", ANA)
        yield client


async def put(
    client: MatcherClient, agent: pb.Agent, *fields: str, agent_id: str = "ana", check: bool = False
) -> Answer:
    """Import one row that names these fields, and return its answer."""
    row = pb.ImportRow(row=1, agent_id=agent_id, agent=agent)
    row.update_mask.paths.extend(fields)
    (answer,) = [answer async for answer in client.import_agents([row], validate_only=check)]
    return answer


def told(answer: Answer) -> list[tuple[str, list[str], list[str], int]]:
    """Return the changes of an answer."""
    return [(change.field, list(change.before), list(change.after), change.lost) for change in answer.changes]


async def test_a_field_that_the_row_does_not_name_stays_as_it_is(client: MatcherClient) -> None:
    """A row with a name only changes the name; a named field without a value is cleared."""
    answer = await put(client, pb.Agent(display_name="Anna"), "display_name", "skills")
    assert answer.action == Answer.UPDATED
    assert told(answer) == [("display_name", ["Ana"], ["Anna"], 0), ("skills", ["law:1", "tax:3"], [], 2)]
    now = await client.agent("ana")
    assert (now.display_name, list(now.interests), list(now.skills)) == ("Anna", ["I sail.", "I row."], [])
    assert (now.capacity, list(now.languages), now.status) == (ANA.capacity, ["de", "en"], pb.ONLINE)


async def test_a_part_of_the_capacity_leaves_the_other_part(client: MatcherClient) -> None:
    """A file with a total and no channels changes the total; a new agent gets the channel of a new agent."""
    await put(client, pb.Agent(capacity=pb.Capacity(total=9)), "capacity.total")
    assert (await client.agent("ana")).capacity == pb.Capacity(total=9, channels=ANA.capacity.channels)
    await put(
        client,
        pb.Agent(interests=["I dig."], capacity=pb.Capacity(total=9)),
        "interests",
        "capacity.total",
        agent_id="ben",
    )
    chat = pb.ChannelCapacity(channel="chat", cost=1, max=1)
    assert (await client.agent("ben")).capacity == pb.Capacity(total=9, channels=[chat])


async def test_the_mask_of_the_config_counts_for_rows_that_name_nothing(client: MatcherClient) -> None:
    """A row's own mask comes first; "name" alone changes nothing."""
    rows = [
        pb.ImportRow(row=1, agent_id="ana", agent=pb.Agent(display_name="Anna", interests=["I dig."])),
    ]
    (answer,) = [a async for a in client.import_agents(rows, update_mask=["interests"])]
    assert [change.field for change in answer.changes] == ["interests"]
    assert (await put(client, pb.Agent(display_name="X"), "name")).action == Answer.UNCHANGED
    with pytest.raises(MatcherCallError, match="update_mask") as refused:
        [a async for a in client.import_agents(rows, update_mask=["interest"])]
    assert refused.value.violations[0].field == "config.update_mask.paths[0]"


async def test_a_check_says_what_would_change_and_writes_nothing(client: MatcherClient) -> None:
    """The answer is that of the import itself."""
    changed = pb.Agent(interests=["I sail.", "I knit."])
    checked = await put(client, changed, "interests", check=True)
    assert list((await client.agent("ana")).interests) == ["I sail.", "I row."]
    assert checked == await put(client, changed, "interests")
    assert told(checked) == [("interests", ["I sail.", "I row."], ["I sail.", "I knit."], 1)]


async def test_a_status_that_is_not_named_stays_and_the_answer_says_so(client: MatcherClient) -> None:
    """A new agent gets the row's status all the same."""
    answer = await put(client, pb.Agent(display_name="Ana", status=pb.OFFLINE), "display_name")
    assert (answer.action, answer.status_kept) == (Answer.UNCHANGED, Answer.STATUS_NOT_NAMED)
    assert (await client.agent("ana")).status == pb.ONLINE
    await put(client, pb.Agent(interests=["I dig."], status=pb.AWAY), "interests", agent_id="ben")
    assert (await client.agent("ben")).status == pb.AWAY


async def test_an_import_neither_ends_a_silence_nor_removes_a_heartbeat_guard(client: MatcherClient) -> None:
    """Ana went home: her desk is silent. The file says ONLINE; she stays AWAY until her desk sends a heartbeat."""
    await client.beat_agent("ana", ttl=timedelta(seconds=1))
    await wait_until(lambda: _is(client, pb.AWAY), "ana is AWAY")
    answer = await put(client, pb.Agent(interests=["I dig."], status=pb.ONLINE))
    assert (answer.action, answer.status_kept) == (Answer.UPDATED, Answer.NO_HEARTBEAT)
    assert "status" not in [change.field for change in answer.changes]
    now = await client.agent("ana")
    assert (now.status, now.status_reason, list(now.interests)) == (pb.AWAY, "no heartbeat", ["I dig."])
    assert now.HasField("heartbeat_expire_time")
    await client.beat_agent("ana", ttl=timedelta(seconds=1))
    assert (await client.agent("ana")).status == pb.ONLINE
    await wait_until(lambda: _is(client, pb.AWAY), "ana is AWAY")


@pytest.mark.parametrize(
    ("max_removed", "removed"), [(None, 0), (2, 0), (3, 3), (1_000_000, 3)], ids=["unsaid", "too few", "enough", "any"]
)
async def test_pruning_is_checked_before_anybody_is_removed(
    client: MatcherClient, max_removed: int | None, removed: int
) -> None:
    """Four agents, of whom the file names one: three of four is over half, which has to be said."""
    for agent in ("ben", "cy", "dee"):
        await client.create_agent(agent, ANA)
    rows = [pb.ImportRow(row=1, agent_id="ana", agent=ANA)]
    for check in (True, False):
        answers = client.import_agents(rows, validate_only=check, prune=True, max_removed=max_removed)
        if removed:
            assert [answer.action async for answer in answers].count(Answer.PRUNED) == removed
            continue
        with pytest.raises(MatcherCallError) as refused:
            [answer async for answer in answers]
        assert (refused.value.reason, refused.value.metadata["removed"]) == ("PRUNE_TOO_LARGE", "3")
    assert len([agent async for agent in client.agents()]) == 4 - removed


async def test_a_new_agent_needs_interests(client: MatcherClient) -> None:
    """A file without interests changes agents who exist; a new one is refused by name of the field."""
    answer = await put(client, pb.Agent(display_name="Ben"), "display_name", agent_id="ben")
    assert answer.action == Answer.REJECTED
    assert MatcherCallError.of_status(answer.status).violations[0].field == "row.agent.interests"


async def _is(client: MatcherClient, status: pb.AgentStatus.ValueType) -> bool:
    return (await client.agent("ana")).status == status
