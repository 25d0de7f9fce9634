"""Series by site: the busiest sites by name, all others together, and no increment is lost on the way."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import generate_latest

from matcher.telemetry import OTHER, SiteLabels, SiteMeasure, Telemetry, markdown
from matcher.telemetry.sites import COUNTED_AT_ONCE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def test_the_table_in_the_docs_is_that_of_the_registry() -> None:
    """Each metric of the service stands there with its kind, its labels and what it is."""
    table = DOCUMENT.partition("<!-- metrics -->\n")[2].partition("\n<!-- /metrics -->")[0]
    assert table == markdown()


def test_the_table_leaves_no_metric_out() -> None:
    """The registry has no metric of the service that the table lacks; process and Python metrics are the library's."""
    telemetry = Telemetry()
    listed = {row.name.removesuffix("_total") for row in telemetry.rows}
    registered = {family.name for family in telemetry.registry.collect()}
    own = {name for name in registered if not name.startswith(("process_", "python_"))}
    assert own == listed


def test_the_first_sites_have_names_and_the_rest_are_other() -> None:
    """However many sites there are, the labels are bounded; a site of the id `other` counts with the rest."""
    labels = SiteLabels(2)
    assert [labels.of(site) for site in ("other", "a", "b", "c", "a", "")] == [OTHER, "a", "b", OTHER, "a", OTHER]
    labels.forget("a")
    assert labels.of("c") == "c"
    assert SiteLabels(0).of("a") == OTHER


def test_the_busiest_sites_take_the_places() -> None:
    """A site with twice the routes of a named one is named instead of it, and the series of that one end."""
    dropped: list[str] = []
    labels = SiteLabels(2, dropped.append)
    for site in ("quiet", "steady", "busy"):
        labels.of(site)
    seen = {labels.routed(("busy", "busy", "steady")[number % 3]) for number in range(COUNTED_AT_ONCE)}
    assert seen <= {"steady", "busy", OTHER}
    assert dropped == ["quiet"]
    assert [labels.of(site) for site in ("busy", "steady", "quiet")] == ["busy", "steady", OTHER]


def test_two_sites_of_the_same_size_do_not_take_turns() -> None:
    """A site that has hardly more routes than a named one stays with the others, for as long as that is so."""
    dropped: list[str] = []
    labels = SiteLabels(1, dropped.append)
    for number in range(COUNTED_AT_ONCE * 20):
        labels.routed("first" if number % 9 < 4 else "second")
    assert dropped == []
    assert labels.of("first") == "first"


def test_each_route_is_counted_once_whatever_its_label() -> None:
    """Named and other together, what is counted since a change of names is what was routed."""
    telemetry = Telemetry(named_sites=1)
    for number in range(COUNTED_AT_ONCE - 1):
        label = telemetry.sites.routed("one" if number == 0 else "two")
        telemetry.routes.labels(label, "held", "AFFINITY").inc()
    counted = {
        sample.labels["site"]: sample.value
        for family in telemetry.routes.collect()
        for sample in family.samples
        if sample.name == "matcher_route_total"
    }
    assert counted == {"one": 1, OTHER: COUNTED_AT_ONCE - 2}
    telemetry.routes.labels(telemetry.sites.routed("two"), "held", "AFFINITY").inc()
    page = generate_latest(telemetry.registry).decode()
    assert 'site="one"' not in page
    assert 'matcher_route_total{basis="AFFINITY",outcome="held",site="two"} 1.0' in page


def test_the_gauges_of_other_sites_are_sums_and_the_longest_silence() -> None:
    """Sites without a name of their own are one series: their agents and contacts added, their pools one."""
    telemetry = Telemetry(named_sites=1)
    telemetry.measure_sites(
        [
            SiteMeasure("a", 1, 0.5, {"default": 4}),
            SiteMeasure("b", 20, 1.5, {"default": 1, "night": 2}),
            SiteMeasure("c", 300, 0.25, {"default": 8}),
        ]
    )
    value = telemetry.registry.get_sample_value
    assert value("matcher_index_agents", {"site": OTHER}) == 320
    assert value("matcher_follower_silent_seconds", {"site": OTHER}) == 1.5
    assert value("matcher_contacts_waiting", {"site": OTHER, "pool": OTHER}) == 11
    assert value("matcher_contacts_waiting", {"site": "a", "pool": "default"}) == 4
