"""Outcomes: what is said of contacts afterwards reaches the ledger, is corrected, and decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from redis.asyncio import Redis

from matcher.client import MatcherCallError, MatcherClient
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.reader import LedgerReader
from matcher.model.outcomes import Life
from matcher.store.embedded.files import StoreFiles
from matcher.store.keys import Keys
from matcher.v1 import feedback_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server

SAIL = "I sail wooden boats."
BAKE = "I bake rye bread."


@asynccontextmanager
async def store_of(service: Server) -> AsyncIterator[Redis]:
    """Give a plain client of the service's store."""
    async with Redis(unix_socket_path=str(StoreFiles(service.data_dir).address()[0])) as store:
        yield store


async def served(client: MatcherClient, contact: str, **report: object) -> None:
    """Let an agent serve a contact to its end."""
    answer = await client.route("I sail.", contact_id=contact, auto_accept=True)
    await client.complete(answer.reservation.name, **report)  # type: ignore[arg-type]  # the test's own fields


async def in_ledger(service: Server, uid: str, contact: str, born_ms: int, count: int) -> None:
    """Wait until the ledger has so many values of a contact."""
    database = LedgerDatabase.at(f"sqlite:///{service.data_dir}/ledger.sqlite")

    async def has() -> bool:
        return len(LedgerReader(database).histories(uid, [Life(contact, born_ms)])[0]) == count

    try:
        await wait_until(has, f"{count} values of {contact} in the ledger")
    finally:
        database.close()


def told(found: pb.ContactOutcomes) -> tuple[dict[str, tuple[str, float]], list[tuple[str, str, float]]]:
    """Return what counts by kind, and everything that was recorded."""
    counts = {one.kind: (one.source, one.value) for one in found.standing}
    return counts, [(one.source, one.kind, one.value) for one in found.recorded]


async def test_a_time_in_whole_seconds_is_of_the_contact_that_began_in_that_second(service: Server) -> None:
    """Half a minute before the contact began counts as the contact's, an hour before as nobody's."""
    site = await service.site()
    async with service.client(site) as client:
        await hire(client, {"ana": person(SAIL)})
        await served(client, "c-1")
        born = (await client.contact("c-1")).create_time.seconds
        for source, early in (("whole", 0), ("slow", 30)):
            outcome = pb.Outcome(source=source, csat=5)
            outcome.observed_time.FromSeconds(born - early)
            await client.record_outcome("c-1", outcome)
        outcome.observed_time.FromSeconds(born - 3600)
        with pytest.raises(MatcherCallError) as refused:
            await client.record_outcome("c-1", outcome)
        assert refused.value.reason == "CONTACT_NOT_FOUND"
        found = await client.outcomes("c-1")
    assert {one.source for one in found.recorded} == {"whole", "slow"}


async def test_outcomes_are_shown_at_once_and_a_correction_keeps_what_was_said_before(service: Server) -> None:
    """Every source outranks the agent; the same value again changes nothing."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(SAIL, most=9)})
        await served(client, "c/1", resolved=True, rating=5)
        first = pb.Outcome(source="survey", csat=2, nps=3, metrics={"minutes": 7.5})
        answer = await client.record_outcome("c/1", first)
        assert answer.contact == client.name("contacts", "c/1")
        assert sorted(answer.recorded) == ["csat", "metrics.minutes", "nps"]
        again = await client.record_outcome("c/1", pb.Outcome(source="survey", csat=4, nps=3))
        assert (list(again.recorded), list(again.unchanged)) == (["csat"], ["nps"])
        counts, everything = told(await client.outcomes("c/1"))
        assert counts == {
            "csat": ("survey", 4.0),
            "metrics.minutes": ("survey", 7.5),
            "nps": ("survey", 3.0),
            "resolved": ("agent", 1.0),
        }
        assert [value for source, kind, value in everything if (source, kind) == ("survey", "csat")] in (
            [4.0],
            [2.0, 4.0],
        )
        await in_ledger(service, (await client_uid(client)), "c/1", answer.contact_create_time.ToMilliseconds(), 6)
        counts, everything = told(await client.outcomes("c/1"))
        assert counts["csat"] == ("survey", 4.0)
        assert sorted(everything) == [
            ("agent", "csat", 5.0),
            ("agent", "resolved", 1.0),
            ("survey", "csat", 2.0),
            ("survey", "csat", 4.0),
            ("survey", "metrics.minutes", 7.5),
            ("survey", "nps", 3.0),
        ]


async def client_uid(client: MatcherClient) -> str:
    """Return the uid of the client's site."""
    return next(site.uid for site in [one async for one in client.sites()] if site.name == client.parent)


async def test_what_the_agent_reports_twice_counts_once_and_another_report_corrects_it(service: Server) -> None:
    """A webhook that comes twice adds nothing; the relationship keeps the first report, the outcome has the last."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(SAIL, most=9)})
        answer = await client.route("I sail.", contact_id="c-1", auto_accept=True)
        for rating in (2, 2, 4):
            await client.complete(answer.reservation.name, rating=rating)
        born_ms = (await client.outcomes("c-1")).contact_create_time.ToMilliseconds()
        await in_ledger(service, await client_uid(client), "c-1", born_ms, 2)
        assert told(await client.outcomes("c-1")) == (
            {"csat": ("agent", 4.0)},
            [("agent", "csat", 2.0), ("agent", "csat", 4.0)],
        )


async def test_weeks_later_the_ledger_knows_the_contact_and_a_repeat_changes_nothing(service: Server) -> None:
    """The store has forgotten the contact and what was recorded; the ledger has not."""
    site = await service.site()
    async with service.client(site) as client, store_of(service) as store:
        await hire(client, {"bea": person(SAIL, most=9)})
        await served(client, "c-1")
        survey = pb.Outcome(source="survey", nps=9)
        answer = await client.record_outcome("c-1", survey)
        born_ms, uid = answer.contact_create_time.ToMilliseconds(), await client_uid(client)
        await in_ledger(service, uid, "c-1", born_ms, 1)
        assert await store.delete(Keys(site).contact("c-1"), Keys(site).outcomes("c-1")) == 2
        again = await client.record_outcome("c-1", survey)
        assert (list(again.recorded), list(again.unchanged)) == ([], ["nps"])
        assert again.contact_create_time == answer.contact_create_time
        praised = await client.record_outcome("c-1", pb.Outcome(source="survey"), praise="She was kind.")
        assert praised.praised_agent == client.name("agents", "bea"), "the ledger knows who served the contact"
        await served(client, "c-1")
        newer = await client.record_outcome("c-1", survey)
        assert newer.contact_create_time.ToMilliseconds() > born_ms, "the id has another life now"
        older = await client.record_outcome(
            "c-1", pb.Outcome(source="crm", csat=5), contact_created=answer.contact_create_time.ToDatetime()
        )
        assert older.contact_create_time == answer.contact_create_time


async def test_in_a_batch_each_fails_alone(service: Server) -> None:
    """An unknown contact, a wrong value and an observation in the future are named at their places."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person(SAIL, most=9)})
        await served(client, "c-1")
        later = pb.Outcome(source="survey", csat=5)
        later.observed_time.FromSeconds(4_000_000_000)
        requests = [
            pb.RecordOutcomeRequest(contact="c-1", outcome=pb.Outcome(source="survey", csat=5)),
            pb.RecordOutcomeRequest(contact="nobody-s", outcome=pb.Outcome(source="survey", csat=5)),
            pb.RecordOutcomeRequest(contact="c-1", outcome=pb.Outcome(source="agent", csat=9)),
            pb.RecordOutcomeRequest(contact="c-1", outcome=later),
            pb.RecordOutcomeRequest(contact="c-1", outcome=pb.Outcome(source="crm", csat=5)),
        ]
        checked = await client.record_outcomes(requests, validate_only=True)
        assert [list(result.response.recorded) for result in checked] == [["csat"], [], [], [], ["csat"]]
        assert told(await client.outcomes("c-1")) == ({}, [])
        results = await client.record_outcomes(requests)
        assert [list(result.response.recorded) for result in results] == [["csat"], [], [], [], ["csat"]]
        faults = [MatcherCallError.of_status(result.status) for result in results[1:4]]
        assert faults[0].reason == "CONTACT_NOT_FOUND"
        assert [{wrong.field for wrong in fault.violations} for fault in faults[1:]] == [
            {"outcome.source", "outcome.csat"},
            {"outcome.observed_time"},
        ]
        again = await client.record_outcomes([requests[0], requests[4]])
        assert [list(result.response.unchanged) for result in again] == [["csat"], ["csat"]]


async def test_no_decision_changes_with_thousands_of_outcomes(service: Server) -> None:
    """Two sites with the same agents and contacts; in one of them every agent is praised or damned in every way."""
    texts = ["My boat leaks.", "My dough does not rise.", "Where is my parcel?", "I sail and I bake."]

    async def decisions(client: MatcherClient, *, judge: bool) -> list[tuple[str, str, float]]:
        await hire(client, {"bea": person(SAIL, most=50), "tom": person(BAKE, most=50)})
        for number in range(20):
            await served(client, f"c-{number}")
        if judge:
            requests = [
                pb.RecordOutcomeRequest(
                    contact=f"c-{number}",
                    outcome=pb.Outcome(
                        source=f"s-{source}",
                        resolved=number % 2 == 0,
                        csat=1 + 4 * (number % 2),
                        nps=10 * (number % 2),
                        metrics={f"m-{metric}": float(number) for metric in range(10)},
                    ),
                )
                for number in range(20)
                for source in range(10)
            ]
            results = await client.record_outcomes(requests)
            assert sum(len(result.response.recorded) for result in results) == 2_600
        made: list[tuple[str, str, float]] = []
        for number, text in enumerate(texts * 3):
            answer = await client.route(text, contact_id=f"n-{number}", auto_accept=True)
            decision = await client.decision(answer.decision)
            basis = str(answer.reservation.basis)
            made += [(one.agent.rpartition("/")[2], basis, one.affinity) for one in decision.candidates]
        return made

    async with service.client(await service.site()) as judged, service.client(await service.site()) as alone:
        assert await decisions(judged, judge=True) == await decisions(alone, judge=False)


async def test_without_a_ledger_outcomes_are_refused_and_praise_and_completion_go_on(launch: StartServer) -> None:
    """What would be kept nowhere is not acknowledged."""
    server = await launch({"MATCHER_LEDGER_URL": "off"})
    async with server.client() as client:
        await hire(client, {"bea": person(SAIL, most=9)})
        await served(client, "c-1", resolved=True)
        for call in (client.record_outcome("c-1", pb.Outcome(source="survey", csat=5)), client.outcomes("c-1")):
            with pytest.raises(MatcherCallError) as refused:
                await call
            assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LEDGER_OFF")
        answer = await client.record_outcome("c-1", pb.Outcome(source="survey"), praise="She was kind.")
        assert list(answer.recorded) == ["praise"]
        async with store_of(server) as store:
            assert await store.exists(Keys("default").outcomes("c-1")) == 0
