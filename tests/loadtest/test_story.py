"""The service's metrics beside the client's counts, and what is said when they differ."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from matcher.loadtest.service_metrics import Page, ServiceSaid, compare_pages, read_page
from matcher.loadtest.story import Line, compare
from matcher.loadtest.tally import Ending, Outcome, Tally
from matcher.telemetry import Telemetry

CALL = ("UNARY", "matcher.v1.RoutingService", "RouteMessage")


def page(telemetry: Telemetry) -> Page:
    """Return what /metrics would say now."""
    return read_page(generate_latest(telemetry.registry).decode())


def tally(*outcomes: Outcome) -> Tally:
    """Return a tally of outcomes."""
    made = Tally()
    for one in outcomes:
        made.record(one, 0.01)
    return made


@pytest.fixture
def said() -> ServiceSaid:
    """Give what two processes counted between two readings; what they had counted before is not in it."""
    processes = [Telemetry(CollectorRegistry()) for _ in range(2)]
    for telemetry in processes:
        telemetry.routes.labels("held", "AFFINITY").inc(5)
        telemetry.encoder_batch_size.observe(64)
    before = [page(telemetry) for telemetry in processes]
    for telemetry in processes:
        telemetry.routes.labels("held", "AFFINITY").inc(2)
        telemetry.routes.labels("replayed", "FALLBACK").inc()
        telemetry.routes.labels("unmatched", "NONE").inc(3)
        telemetry.calls_handled.labels(*CALL, "OK").inc(6)
        telemetry.calls_handled.labels(*CALL, "RESOURCE_EXHAUSTED").inc(4)
        telemetry.calls_handled.labels(*CALL[:2], "CompleteReservation", "OK").inc(9)
        telemetry.encoder_batch_size.observe(1)
        telemetry.encoder_batch_size.observe(4)
        telemetry.index_lag_seconds.observe(0.003)
        telemetry.store_round_trips.labels("reserve").inc(3)
    return compare_pages(before, [page(telemetry) for telemetry in processes])


def test_the_metrics_of_a_run_are_what_all_processes_added(said: ServiceSaid) -> None:
    """Sums over the processes, means of the run alone, and the routes of each process."""
    assert said.held == {"AFFINITY": 4, "FALLBACK": 2}
    assert said.unmatched == 6
    assert said.codes == {"OK": 12, "RESOURCE_EXHAUSTED": 8}
    assert said.batch_size is not None
    assert (said.batch_size.count, said.batch_size.mean, said.batch_size.p99_at_most) == (4, 2.5, 4.0)
    assert said.index_lag_seconds is not None
    assert said.index_lag_seconds.p99_at_most == 0.005
    assert said.queue_seconds is None
    assert said.store_round_trips == {"reserve": 6}
    assert said.routes_by_process == [6, 6]


def test_counts_that_are_the_same_agree(said: ServiceSaid) -> None:
    """Decisions by basis, unmatched, and refusals by code: the same story."""
    mine = tally(
        *[Outcome(Ending.HELD, "AFFINITY")] * 4,
        *[Outcome(Ending.HELD, "FALLBACK")] * 2,
        *[Outcome(Ending.UNMATCHED, "CAPACITY")] * 6,
        *[Outcome(Ending.REFUSED, "ENCODER_OVERLOADED", "RESOURCE_EXHAUSTED")] * 8,
    )
    lines = compare(mine, said)
    assert [(line.what, line.client, line.service) for line in lines] == [
        ("held, basis AFFINITY", 4, 4),
        ("held, basis FALLBACK", 2, 2),
        ("unmatched", 6, 6),
        ("error, RESOURCE_EXHAUSTED", 8, 8),
    ]
    assert all(line.agrees for line in lines)


def test_a_decision_that_only_one_of_them_counted_is_told(said: ServiceSaid) -> None:
    """A held agent that the service knows nothing of, and one that the client was never told of."""
    mine = tally(*[Outcome(Ending.HELD, "AFFINITY")] * 5, Outcome(Ending.HELD, "FALLBACK"))
    lines = {line.what: line.agrees for line in compare(mine, said)}
    assert lines["held, basis AFFINITY"] is False
    assert lines["held, basis FALLBACK"] is False


def test_an_answer_that_was_lost_may_have_been_counted_by_the_service() -> None:
    """After a timeout nobody knows: the service may have held as many more, and not one beyond that."""
    assert Line("held", 10, 12, unsure=2).agrees
    assert not Line("held", 10, 13, unsure=2).agrees
    assert not Line("held", 10, 9, unsure=2).agrees
