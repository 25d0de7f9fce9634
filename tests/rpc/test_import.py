"""ImportAgents: every row is answered when it is done, in order; a wrong row does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import pytest

from matcher.errors import AgentHasHolds, FieldsInvalid, PoolNotFound
from matcher.model import ImportAction, ImportResult
from matcher.rpc import import_agents
from matcher.rpc.body_limits import AGENT_BYTES
from matcher.rpc.import_agents import MOST_ROWS, in_batches
from matcher.v1 import roster_pb2 as pb
from tests.rpc.conftest import Service, failure, failure_of

Action = pb.ImportAgentsResponse
END = pb.ImportAgentsRequest(end=pb.ImportEnd())


def config(**fields: Any) -> pb.ImportAgentsRequest:
    """Return the first step of an import."""
    return pb.ImportAgentsRequest(config=pb.ImportConfig(**{"parent": "sites/default", **fields}))


def row(number: int, agent_id: str, *interests: str) -> pb.ImportAgentsRequest:
    """Return a row; without interests it is wrong."""
    return pb.ImportAgentsRequest(row=pb.ImportRow(row=number, agent_id=agent_id, agent=pb.Agent(interests=interests)))


async def run(service: Service, steps: Iterable[pb.ImportAgentsRequest]) -> list[pb.ImportAgentsResponse]:
    """Import, and return all answers."""
    return [answer async for answer in service.people.ImportAgents(iter(list(steps)))]


async def test_a_wrong_row_is_rejected_and_the_others_are_imported(service: Service) -> None:
    """Three rows are answered in order; the second, with a wrong id and no interests, with both faults."""
    answers = await run(service, [config(), row(2, "ann", "I run."), row(3, "Bob"), row(4, "cem", "I bake.")])
    assert [(a.row, a.agent, a.action) for a in answers] == [
        (2, "sites/default/agents/ann", Action.CREATED),
        (3, "", Action.REJECTED),
        (4, "sites/default/agents/cem", Action.CREATED),
    ]
    answer = failure_of(answers[1].status)
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELDS_INVALID")
    assert set(answer.violations) == {"row.agent_id", "row.agent.interests"}
    assert imported(service) == ["ann", "cem"]


async def test_an_id_given_twice_is_rejected_the_second_time(service: Service) -> None:
    """The answer to the second row of an id names the first; only the first is written."""
    answers = await run(service, [config(), row(2, "ann", "I run."), row(3, "ann", "I swim.")])
    assert [a.action for a in answers] == [Action.CREATED, Action.REJECTED]
    assert failure_of(answers[1].status).violations == {"row.agent_id": "was already given by row 2 of this import"}
    assert imported(service) == ["ann"]


async def test_a_row_that_the_service_rejects_is_answered_with_its_status(service: Service) -> None:
    """A row with a pool that does not exist is answered with the same status as CreateAgent."""
    service.doubles.imports.answers["import_agents"] = {"ann": PoolNotFound("sites/default/pools/gone")}
    (answer,) = await run(service, [config(), row(2, "ann", "I run.")])
    assert (answer.row, answer.action) == (2, Action.REJECTED)
    assert failure_of(answer.status).reason == "POOL_NOT_FOUND"


async def test_every_row_of_many_is_answered_once_and_in_order(service: Service) -> None:
    """500 rows come back as 500 answers in the order of the rows, in batches of at most 64."""
    rows = [row(n, f"a{n}", "I run.") if n % 7 else row(n, f"a{n}") for n in range(1, 501)]
    answers = await run(service, [config(), *rows])
    assert [a.row for a in answers] == list(range(1, 501))
    assert [a.row for a in answers if a.action == Action.REJECTED] == [n for n in range(1, 501) if n % 7 == 0]
    assert all(len(arguments[1]) <= MOST_ROWS for _, arguments in service.doubles.imports.calls)
    assert imported(service) == [f"a{n}" for n in range(1, 501) if n % 7]


async def test_a_row_is_answered_while_the_stream_pauses(service: Service) -> None:
    """A caller may wait for each answer before it sends the next row: no row waits for a batch to fill."""
    call = service.people.ImportAgents()
    await call.write(config())
    for number in (1, 2, 3):
        await call.write(row(number, f"a{number}", "I run."))
        assert await next_row(call) == number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "config"),
        ([row(1, "ann", "I run.")], "config"),
        ([pb.ImportAgentsRequest()], "config"),
        ([config(parent="default")], "config.parent"),
        ([config(prune=True)], "end"),
    ],
    ids=["no step", "a row first", "an empty step first", "a site that is no resource name", "a prune without an end"],
)
async def test_a_wrong_step_ends_the_import(service: Service, steps: list[pb.ImportAgentsRequest], field: str) -> None:
    """An import that starts or ends wrongly fails with the name of the step, and nothing is written."""
    answer = await failure(service.people.ImportAgents(iter(steps)))
    assert (answer.code, set(answer.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, {field})
    assert service.calls() == []


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([config()], "config"),
        ([pb.ImportAgentsRequest()], "step"),
        ([END, row(2, "bob", "I bake.")], "row"),
        ([END, END], "end"),
    ],
    ids=["a second config", "an empty step", "a row after the end", "a second end"],
)
async def test_rows_before_a_wrong_step_are_answered(
    service: Service, steps: list[pb.ImportAgentsRequest], field: str
) -> None:
    """Rows before a wrong step are written and answered; rows after it are ignored."""
    call = service.people.ImportAgents(iter([config(prune=True), row(1, "ann", "I run."), *steps, row(9, "zoe", "x")]))
    assert await next_row(call) == 1
    assert set((await failure(call)).violations) == {field}
    assert imported(service) == ["ann"]
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_prune_removes_the_agents_that_no_row_named(service: Service) -> None:
    """After the end the service gets the agents to keep; every agent that it removes or cannot remove is answered."""
    has_holds = AgentHasHolds("sites/default/agents/tom", 1)
    service.doubles.imports.answers["prune"] = [
        ImportResult(0, "gone", ImportAction.PRUNED),
        ImportResult(0, "tom", ImportAction.REJECTED, has_holds),
    ]
    answers = await run(
        service, [config(prune=True, validate_only=True), row(1, "ann", "I run."), row(2, "bob", "I bake."), END]
    )
    assert [(a.row, a.agent, a.action) for a in answers[2:]] == [
        (0, "sites/default/agents/gone", Action.PRUNED),
        (0, "sites/default/agents/tom", Action.REJECTED),
    ]
    assert failure_of(answers[3].status).reason == "AGENT_HAS_HOLDS"
    assert service.doubles.imports.calls[-1] == ("prune", ("default", frozenset({"ann", "bob"}), None, True))


async def test_nothing_is_pruned_after_a_rejected_row(service: Service) -> None:
    """After one wrong row no agent is removed: the imported roster is not the intended one."""
    answers = await run(service, [config(prune=True), row(1, "ann", "I run."), row(2, "bob"), END])
    assert [a.action for a in answers] == [Action.CREATED, Action.REJECTED]
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_nothing_is_pruned_when_the_client_dies_in_mid_stream(service: Service) -> None:
    """A client that dies before the end, which looks like a finished stream, removes no agent."""
    for _ in range(20):
        call = service.people.ImportAgents()
        await call.write(config(prune=True))
        await call.write(row(1, "ann", "I run."))
        await call.read()
        call.cancel()
    await service.server.stop(60.0)
    assert len(imported(service)) == 20
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_a_batch_has_the_items_that_arrived_during_the_batch_before() -> None:
    """All items that have arrived form a batch, up to `most`; an exception is raised after the items before it."""

    async def items() -> AsyncIterator[int]:
        for number in range(5):
            yield number
        raise FieldsInvalid([])

    batches: list[list[int]] = []

    async def take() -> None:
        async for batch in in_batches(items(), 3, 100, lambda _: 1):
            batches.append(batch)  # noqa: PERF401 - the batches before the exception count

    with pytest.raises(FieldsInvalid):
        await take()
    assert [number for batch in batches for number in batch] == list(range(5))
    assert max(len(batch) for batch in batches) == 3


async def test_reading_ahead_is_bounded() -> None:
    """While the consumer does not ask for more, at most one batch is read ahead."""
    count = 0
    blocked = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        nonlocal count
        while True:
            count += 1
            yield count
            if count == 2 * 4:
                blocked.set()

    batches = in_batches(items(), 4, 100, lambda _: 1)
    first = await anext(batches)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(first) + 4 == count
    await batches.aclose()


async def test_reading_ahead_is_bounded_by_bytes_too() -> None:
    """Items of 40 bytes are read ahead until they are 100 bytes or more: three, though 64 are allowed."""
    count = 0

    async def items() -> AsyncIterator[int]:
        nonlocal count
        while True:
            count += 1
            yield count

    batches = in_batches(items(), 64, 100, lambda _: 40)
    first = await anext(batches)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(first) + 3 == count
    await batches.aclose()


async def test_what_is_no_id_is_not_kept(service: Service) -> None:
    """Two rows with the same text that is no id are each rejected for that alone: the import has not kept the text."""
    wrong = "X" * 10_000
    answers = await run(service, [config(), row(2, wrong, "I run."), row(3, wrong, "I run.")])
    assert [a.action for a in answers] == [Action.REJECTED, Action.REJECTED]
    assert failure_of(answers[0].status).violations == failure_of(answers[1].status).violations


async def test_a_row_has_the_limit_of_an_agent_and_the_next_row_is_imported(service: Service) -> None:
    """A row of more than 256 KiB is rejected unchecked, as its agent alone would be."""
    answers = await run(service, [config(), row(2, "ann", "x" * AGENT_BYTES), row(3, "bob", "I run.")])
    assert [a.action for a in answers] == [Action.REJECTED, Action.CREATED]
    assert failure_of(answers[0].status).reason == "MESSAGE_TOO_LARGE"
    assert imported(service) == ["bob"]


async def test_an_import_remembers_a_bounded_number_of_agents(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row after the last that is allowed ends the import; the rows before it are imported and answered."""
    monkeypatch.setattr(import_agents, "MOST_AGENTS", 2)
    call = service.people.ImportAgents(
        iter([config(), row(2, "ann", "I run."), row(3, "bob", "I run."), row(4, "cem", "I run.")])
    )
    answer = await failure(call)
    assert answer.violations == {"row": "is one too many: an import takes at most 2 agents"}
    assert imported(service) == ["ann", "bob"]


async def next_row(call: Any) -> int:
    """Return the row of the next answer."""
    answer: pb.ImportAgentsResponse = await call.read()
    return answer.row


def imported(service: Service) -> list[str]:
    """Return the ids of the rows that reached the service, in order."""
    return [
        row.agent
        for name, arguments in service.doubles.imports.calls
        if name == "import_agents"
        for row in arguments[1]
    ]
