"""The report through the service: arms that it drew, outcomes that it recorded, and the figures of its own ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import feedback_pb2, impact_pb2, roster_pb2
from matcher.v1 import routing_pb2 as pb
from tests.people import person
from tests.processes import Server

CONTACTS = 280
"""Half of them control, at least 100 in each arm in all but one of a million sites."""
AT_ONCE = 16
TEXT = "My bees have swarmed, and the veil you sent is torn."


@dataclass(frozen=True)
class Served:
    """A contact that is over, and whether its concern was resolved; None: nobody said so."""

    decision: pb.Decision
    resolved: bool | None


async def serve(client: MatcherClient, number: int) -> Served:
    """Serve a contact to its end."""
    answer = await client.route(TEXT, customer=f"customer {number % 90}", auto_accept=True)
    decision = await client.decision(answer.reservation.decision)
    await client.complete(answer.reservation.name, resolved=True)
    return Served(decision, None if number % 7 == 0 else number % 3 > 0)


async def serve_all(client: MatcherClient) -> list[Served]:
    """Serve the contacts, some at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Served:
        async with places:
            return await serve(client, number)

    return await asyncio.gather(*(one(number) for number in range(CONTACTS)))


async def record(client: MatcherClient, served: Sequence[Served]) -> None:
    """Record what a survey says; what the agents said of the others stands."""
    results = await client.record_outcomes(
        feedback_pb2.RecordOutcomeRequest(
            contact=one.decision.contact, outcome=feedback_pb2.Outcome(source="survey", resolved=one.resolved)
        )
        for one in served
        if one.resolved is not None
    )
    assert not [result.status for result in results if result.HasField("status")]


async def reported(client: MatcherClient, said: int) -> impact_pb2.PoolImpact:
    """Wait until the ledger has so many contacts whose concern was not resolved, and return the pool's report."""
    async with asyncio.timeout(120):
        while True:
            for pool in (await client.impact_report(with_days=True)).pools:
                for outcome in pool.outcomes:
                    found = outcome.difference
                    good = found.treatment_mean * found.treatment_outcomes + found.control_mean * found.control_outcomes
                    if round(found.treatment_outcomes + found.control_outcomes - good) == said:
                        return pool
            await asyncio.sleep(0.2)


async def test_the_report_is_of_the_arms_and_outcomes_that_the_service_gave(service: Server) -> None:
    """Counts and means of either arm are those that the client saw, exactly; the survey outranks the agents."""
    async with service.client(await service.site()) as client:
        for number in range(8):
            agent = person("I keep bees." if number % 2 else "I play the cello.", most=CONTACTS)
            await client.create_agent(f"agent-{number}", agent)
        await client.update_pool(roster_pb2.Pool(name="default", control_share=0.5), ("control_share",))
        served = await serve_all(client)
        await record(client, served)
        unresolved = sum(one.resolved is False for one in served)
        pool = await reported(client, unresolved)
    assert all(one.decision.part == pb.PART_TOOK_PART for one in served)
    assert all(one.decision.would_be_basis == pb.AFFINITY for one in served)
    assert (pool.contacts, pool.compared_contacts) == (CONTACTS, CONTACTS)
    (outcome,) = pool.outcomes
    found = outcome.difference
    for arm, outcomes, mean in (
        (pb.ARM_TREATMENT, found.treatment_outcomes, found.treatment_mean),
        (pb.ARM_CONTROL, found.control_outcomes, found.control_mean),
    ):
        of_arm = [one.resolved is not False for one in served if one.decision.arm == arm]
        assert outcomes == len(of_arm)
        assert mean == pytest.approx(sum(of_arm) / len(of_arm))
    assert found.low < found.difference < found.high
    assert outcome.days[-1].difference == found
    assert [band.difference for band in outcome.bands] == [found], "the band of a message depends on its arm"
    assert outcome.missing.treatment_share == outcome.missing.control_share == 0
    assert pool.sentence.startswith("resolved ")


async def test_a_pool_that_is_not_there_is_named(service: Server) -> None:
    """A typing error is no empty report."""
    async with service.client(await service.site()) as client:
        with pytest.raises(MatcherCallError) as refused:
            await client.impact_report("nihgt")
        assert refused.value.reason == "POOL_NOT_FOUND"
        assert not (await client.impact_report()).pools
