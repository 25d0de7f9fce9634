"""The comparison of the client's counts with the service's metrics."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from matcher.loadtest.service_metrics import Page, ServiceFigures, figures_between, read_page
from matcher.loadtest.story import ComparedCount, compare
from matcher.loadtest.tally import Ending, Outcome, Tally
from matcher.telemetry import Telemetry

CALL = ("UNARY", "matcher.v1.RoutingService", "RouteMessage")


def page(telemetry: Telemetry) -> Page:
    """Return the page that /metrics would return now."""
    return read_page(generate_latest(telemetry.registry).decode())


def tally(*outcomes: Outcome) -> Tally:
    """Return a tally of outcomes."""
    counts = Tally()
    for outcome in outcomes:
        counts.record(outcome, 0.01)
    return counts


@pytest.fixture
def figures() -> ServiceFigures:
    """Return the figures of two processes between two readings, without their counts before the first."""
    processes = [Telemetry(CollectorRegistry()) for _ in range(2)]
    for telemetry in processes:
        telemetry.routes.labels("default", "held", "AFFINITY").inc(5)
        telemetry.encoder_batch_size.observe(64)
    before = [page(telemetry) for telemetry in processes]
    for telemetry in processes:
        telemetry.routes.labels("default", "held", "AFFINITY").inc(2)
        telemetry.routes.labels("default", "replayed", "FALLBACK").inc()
        telemetry.routes.labels("default", "unmatched", "NONE").inc(3)
        telemetry.calls_handled.labels(*CALL, "OK").inc(6)
        telemetry.calls_handled.labels(*CALL, "RESOURCE_EXHAUSTED").inc(4)
        telemetry.calls_handled.labels(*CALL[:2], "CompleteReservation", "OK").inc(9)
        telemetry.encoder_batch_size.observe(1)
        telemetry.encoder_batch_size.observe(4)
        telemetry.index_lag_seconds.observe(0.003)
        telemetry.store_round_trips.labels("reserve").inc(3)
    return figures_between(before, [page(telemetry) for telemetry in processes])


def test_the_figures_of_a_run_are_the_differences_of_all_processes(figures: ServiceFigures) -> None:
    """The figures are sums over the processes, means of the run alone, and the routes of each process."""
    assert figures.held == {"AFFINITY": 4, "FALLBACK": 2}
    assert figures.unmatched == 6
    assert figures.codes == {"OK": 12, "RESOURCE_EXHAUSTED": 8}
    assert figures.batch_size is not None
    assert (figures.batch_size.count, figures.batch_size.mean, figures.batch_size.p99_at_most) == (4, 2.5, 4.0)
    assert figures.index_lag_seconds is not None
    assert figures.index_lag_seconds.p99_at_most == 0.005
    assert figures.queue_seconds is None
    assert figures.store_round_trips == {"reserve": 6}
    assert figures.routes_by_process == [6, 6]


def test_counts_that_are_the_same_agree(figures: ServiceFigures) -> None:
    """Equal counts of decisions by basis, of unmatched messages and of errors by code agree."""
    mine = tally(
        *[Outcome(Ending.HELD, "AFFINITY")] * 4,
        *[Outcome(Ending.HELD, "FALLBACK")] * 2,
        *[Outcome(Ending.UNMATCHED, "CAPACITY")] * 6,
        *[Outcome(Ending.REFUSED, "ENCODER_OVERLOADED", "RESOURCE_EXHAUSTED")] * 8,
    )
    counts = compare(mine, figures)
    assert [(count.what, count.client, count.service) for count in counts] == [
        ("held, basis AFFINITY", 4, 4),
        ("held, basis FALLBACK", 2, 2),
        ("unmatched", 6, 6),
        ("error, RESOURCE_EXHAUSTED", 8, 8),
    ]
    assert all(count.agrees for count in counts)


def test_a_decision_that_only_one_side_counted_is_a_difference(figures: ServiceFigures) -> None:
    """Counts differ if the service does not know a reserved agent, or if the client does not."""
    mine = tally(*[Outcome(Ending.HELD, "AFFINITY")] * 5, Outcome(Ending.HELD, "FALLBACK"))
    agrees = {count.what: count.agrees for count in compare(mine, figures)}
    assert agrees["held, basis AFFINITY"] is False
    assert agrees["held, basis FALLBACK"] is False


def test_the_service_may_have_counted_lost_answers() -> None:
    """After a timeout the service may have reserved as many agents more as answers were lost, and no more."""
    assert ComparedCount("held", 10, 12, unsure=2).agrees
    assert not ComparedCount("held", 10, 13, unsure=2).agrees
    assert not ComparedCount("held", 10, 9, unsure=2).agrees
