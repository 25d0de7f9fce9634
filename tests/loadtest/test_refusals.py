"""The outcomes of requests: each is counted by its ending and its reason."""

import grpc

from matcher.errors import EncoderOverloaded
from matcher.loadtest.generators import generate, jobs
from matcher.loadtest.plan import Plan, Ramp, Roster, Target
from matcher.loadtest.routing_caller import RoutingCaller, open_client
from matcher.loadtest.tally import Ending, Outcome, Tally
from tests.loadtest.service_double import HELD, NOBODY, ServiceDouble

FULL = EncoderOverloaded(9, 9)


async def test_an_outcome_holds_its_reason_its_code_and_whether_it_has_retry_info() -> None:
    """The outcomes are an agent, no agent, a full encoder, and a failure without details."""
    double = ServiceDouble(answers=(HELD, NOBODY, FULL, grpc.StatusCode.INTERNAL))
    async with double.serving() as target, open_client(Target(target), "s", channels=1, deadline_seconds=9) as client:
        caller = RoutingCaller(client, ["a", "b"])
        outcomes = [(await caller.send(number))[0] for number in range(4)]
    assert outcomes == [
        Outcome(Ending.HELD, "AFFINITY"),
        Outcome(Ending.UNMATCHED, "CAPACITY"),
        Outcome(Ending.REFUSED, "ENCODER_OVERLOADED", "RESOURCE_EXHAUSTED", with_retry_info=True),
        Outcome(Ending.FAILED, "INTERNAL", "INTERNAL"),
    ]
    assert [request.message.text for request in double.routed] == ["a", "b", "a", "b"]


async def test_a_decision_that_cannot_be_completed_is_counted_by_reason() -> None:
    """The agent stays reserved, which the reader must know."""
    double = ServiceDouble(completion=EncoderOverloaded(1, 1))
    async with double.serving() as target, open_client(Target(target), "s", channels=1, deadline_seconds=9) as client:
        _, complete = await RoutingCaller(client, ["a"]).send(0)
        assert complete is not None
        assert await complete() == "ENCODER_OVERLOADED"


async def test_refusals_of_a_run_are_counted_by_reason_over_all_processes() -> None:
    """The counts are those of the double, and each ending has latencies of its own."""
    double = ServiceDouble(answers=(HELD, FULL, NOBODY))
    total = Tally()
    async with double.serving() as target:
        plan = Plan(Ramp(60, 60, 1.0), Roster(), channels=2, processes=2)
        await generate(jobs(plan, Target(target), "s", ["a"]), total.add)
    thirds = [len(range(first, len(double.routed), 3)) for first in range(3)]
    assert dict(total.endings[Ending.HELD]) == {"AFFINITY": thirds[0]}
    assert dict(total.endings[Ending.REFUSED]) == {"ENCODER_OVERLOADED": thirds[1]}
    assert dict(total.endings[Ending.UNMATCHED]) == {"CAPACITY": thirds[2]}
    assert dict(total.codes) == {"OK": thirds[0] + thirds[2], "RESOURCE_EXHAUSTED": thirds[1]}
    assert total.with_retry_info == thirds[1]
    assert [total.latencies[ending].count for ending in (Ending.HELD, Ending.REFUSED)] == thirds[:2]
