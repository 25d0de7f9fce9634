"""What a replica remembers of what was removed: only as long as a late answer can come."""

from __future__ import annotations

from prometheus_client import generate_latest

from matcher.replica.own_writes import LONGEST_WRITE_MS, Removals
from matcher.telemetry import SiteMeasure, Telemetry


def test_a_write_from_before_a_removal_does_not_bring_the_agent_back() -> None:
    """A later write does, and another agent's is not affected."""
    removals = Removals()
    removals.add("ann", 5_000)
    assert removals.followed("ann", 4_999)
    assert removals.followed("ann", 5_000)
    assert not removals.followed("ann", 5_001)
    assert not removals.followed("bob", 1)


def test_removals_are_forgotten_when_no_write_under_way_can_be_older() -> None:
    """Of a million removals in a day those of the last ten minutes are kept, however often an id comes back."""
    removals, step_ms = Removals(), LONGEST_WRITE_MS // 100
    for number in range(10_000):
        removals.add(f"a{number % 5_000}", number * step_ms)
        assert len(removals) <= 101
    assert removals.followed("a4999", 9_999 * step_ms)


def test_the_series_of_a_pool_that_was_removed_ends() -> None:
    """The other pools and sites keep theirs; a site that is not followed any more has none."""
    telemetry = Telemetry()

    def series() -> set[str]:
        page = generate_latest(telemetry.registry).decode()
        return {line for line in page.splitlines() if line.startswith("matcher_contacts_waiting{")}

    bravo = SiteMeasure("bravo", 7, 0.5, {"night": 0})
    telemetry.measure_sites([SiteMeasure("acme", 1, 0.5, {"default": 0, "night": 2}), bravo])
    assert len(series()) == 3
    telemetry.measure_sites([SiteMeasure("acme", 1, 0.5, {"default": 0}), bravo])
    assert series() == {
        'matcher_contacts_waiting{pool="default",site="acme"} 0.0',
        'matcher_contacts_waiting{pool="night",site="bravo"} 0.0',
    }
    telemetry.routes.labels(telemetry.sites.routed("acme"), "held", "AFFINITY").inc()
    telemetry.forget_site("acme")
    telemetry.forget_site("never-followed")
    telemetry.measure_sites([bravo])
    assert series() == {'matcher_contacts_waiting{pool="night",site="bravo"} 0.0'}
    assert 'site="acme"' not in generate_latest(telemetry.registry).decode()
