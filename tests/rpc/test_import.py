"""ImportAgents: every row is answered as it is done, in order; a bad row stops nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import pytest

from matcher.errors import AgentHasHolds, FieldsInvalid, PoolNotFound
from matcher.model import ImportAction, ImportResult
from matcher.rpc.import_agents import MOST_ROWS, in_batches
from matcher.v1 import roster_pb2 as pb
from tests.rpc.conftest import Service, told, told_by

Action = pb.ImportAgentsResponse
END = pb.ImportAgentsRequest(end=pb.ImportEnd())


def config(**fields: Any) -> pb.ImportAgentsRequest:
    """Return the first step of an import."""
    return pb.ImportAgentsRequest(config=pb.ImportConfig(**{"parent": "sites/default", **fields}))


def row(number: int, agent_id: str, *interests: str) -> pb.ImportAgentsRequest:
    """Return a row; without interests it is a bad one."""
    return pb.ImportAgentsRequest(row=pb.ImportRow(row=number, agent_id=agent_id, agent=pb.Agent(interests=interests)))


async def run(service: Service, steps: Iterable[pb.ImportAgentsRequest]) -> list[pb.ImportAgentsResponse]:
    """Import, and return all answers."""
    return [answer async for answer in service.people.ImportAgents(iter(list(steps)))]


async def test_a_bad_row_is_rejected_and_the_others_go_on(service: Service) -> None:
    """Three rows, the second without interests: answered in order, the second with all that is wrong with it."""
    answers = await run(service, [config(), row(2, "ann", "I run."), row(3, "Bob"), row(4, "cem", "I bake.")])
    assert [(a.row, a.agent, a.action) for a in answers] == [
        (2, "sites/default/agents/ann", Action.CREATED),
        (3, "", Action.REJECTED),
        (4, "sites/default/agents/cem", Action.CREATED),
    ]
    answer = told_by(answers[1].status)
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELDS_INVALID")
    assert set(answer.violations) == {"row.agent_id", "row.agent.interests"}
    assert imported(service) == ["ann", "cem"]


async def test_an_id_given_twice_is_rejected_the_second_time(service: Service) -> None:
    """The second row of an id says which row had it before; only the first is written."""
    answers = await run(service, [config(), row(2, "ann", "I run."), row(3, "ann", "I swim.")])
    assert [a.action for a in answers] == [Action.CREATED, Action.REJECTED]
    assert told_by(answers[1].status).violations == {"row.agent_id": "was already given by row 2 of this import"}
    assert imported(service) == ["ann"]


async def test_what_the_roster_rejects_comes_back_with_its_status(service: Service) -> None:
    """A row that names a pool that does not exist is answered with the status a CreateAgent would have had."""
    service.doubles.imports.answers["import_agents"] = {"ann": PoolNotFound("sites/default/pools/gone")}
    (answer,) = await run(service, [config(), row(2, "ann", "I run.")])
    assert (answer.row, answer.action) == (2, Action.REJECTED)
    assert told_by(answer.status).reason == "POOL_NOT_FOUND"


async def test_every_row_of_many_is_answered_once_and_in_order(service: Service) -> None:
    """500 rows come back as 500 answers in the order of the rows, in batches of at most 64."""
    rows = [row(n, f"a{n}", "I run.") if n % 7 else row(n, f"a{n}") for n in range(1, 501)]
    answers = await run(service, [config(), *rows])
    assert [a.row for a in answers] == list(range(1, 501))
    assert [a.row for a in answers if a.action == Action.REJECTED] == [n for n in range(1, 501) if n % 7 == 0]
    assert all(len(arguments[1]) <= MOST_ROWS for _, arguments in service.doubles.imports.calls)
    assert imported(service) == [f"a{n}" for n in range(1, 501) if n % 7]


async def test_a_row_is_answered_while_the_stream_pauses(service: Service) -> None:
    """A caller who waits for each answer before the next row gets it: no row waits for a batch to fill."""
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
    ids=["no step", "a row first", "an empty step first", "a site that is no name", "a prune without an end"],
)
async def test_a_wrong_step_ends_the_import(service: Service, steps: list[pb.ImportAgentsRequest], field: str) -> None:
    """An import that starts or ends wrongly fails with the step's name, and nothing is written."""
    answer = await told(service.people.ImportAgents(iter(steps)))
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
    """What came before a wrong step is written and answered; what comes after is not looked at."""
    call = service.people.ImportAgents(iter([config(prune=True), row(1, "ann", "I run."), *steps, row(9, "zoe", "x")]))
    assert await next_row(call) == 1
    assert set((await told(call)).violations) == {field}
    assert imported(service) == ["ann"]
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_prune_removes_whom_no_row_named(service: Service) -> None:
    """After the end the roster is told whom to keep, and what it removed or kept back is answered."""
    held = AgentHasHolds("sites/default/agents/tom", 1)
    service.doubles.imports.answers["prune"] = [
        ImportResult(0, "gone", ImportAction.PRUNED),
        ImportResult(0, "tom", ImportAction.REJECTED, held),
    ]
    answers = await run(
        service, [config(prune=True, validate_only=True), row(1, "ann", "I run."), row(2, "bob", "I bake."), END]
    )
    assert [(a.row, a.agent, a.action) for a in answers[2:]] == [
        (0, "sites/default/agents/gone", Action.PRUNED),
        (0, "sites/default/agents/tom", Action.REJECTED),
    ]
    assert told_by(answers[3].status).reason == "AGENT_HAS_HOLDS"
    assert service.doubles.imports.calls[-1] == ("prune", ("default", frozenset({"ann", "bob"}), True))


async def test_nothing_is_pruned_after_a_rejected_row(service: Service) -> None:
    """One bad row, and nobody is removed: the roster that was sent is not the roster that was meant."""
    answers = await run(service, [config(prune=True), row(1, "ann", "I run."), row(2, "bob"), END])
    assert [a.action for a in answers] == [Action.CREATED, Action.REJECTED]
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_nothing_is_pruned_when_the_caller_dies_amid_the_rows(service: Service) -> None:
    """A caller that vanishes before the end, which reads like a finished stream, removes nobody."""
    for _ in range(20):
        call = service.people.ImportAgents()
        await call.write(config(prune=True))
        await call.write(row(1, "ann", "I run."))
        await call.read()
        call.cancel()
    await service.server.stop(60.0)
    assert len(imported(service)) == 20
    assert "prune" not in dict(service.doubles.imports.calls)


async def test_batches_hold_what_came_while_the_one_before_was_worked_on() -> None:
    """Items that are there go together, at most as many as asked; a fault comes after the items before it."""

    async def items() -> AsyncIterator[int]:
        for number in range(5):
            yield number
        raise FieldsInvalid([])

    seen: list[list[int]] = []

    async def take() -> None:
        async for batch in in_batches(items(), 3):
            seen.append(batch)  # noqa: PERF401 - what came before the fault counts

    with pytest.raises(FieldsInvalid):
        await take()
    assert [number for batch in seen for number in batch] == list(range(5))
    assert max(len(batch) for batch in seen) == 3


async def test_reading_ahead_is_bounded() -> None:
    """A consumer that does not come back for more lets at most one batch be read ahead."""
    taken = 0
    blocked = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken
            if taken == 2 * 4:
                blocked.set()

    batches = in_batches(items(), 4)
    first = await anext(batches)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(first) + 4 == taken
    await batches.aclose()


async def next_row(call: Any) -> int:
    """Return the row of the next answer."""
    answer: pb.ImportAgentsResponse = await call.read()
    return answer.row


def imported(service: Service) -> list[str]:
    """Return the ids of the rows that reached the roster, in order."""
    return [one.agent for name, given in service.doubles.imports.calls if name == "import_agents" for one in given[1]]
