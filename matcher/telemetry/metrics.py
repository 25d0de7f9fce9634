"""Metrics of a process: what is counted and measured, and the page of it that Prometheus reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from matcher.telemetry.guarded_page import asking_for
from matcher.telemetry.sites import MOST_NAMED, OTHER, SiteLabels, SiteMeasure

_CALL_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_STORE_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_CANDIDATES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_CALL: Final = ("grpc_type", "grpc_service", "grpc_method")


class MetricRow(NamedTuple):
    """One metric as docs/metrics.md shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    what: str


class Telemetry:
    """Holds the metrics of one process. The names of the calls' metrics are those of grpc-ecosystem's middleware."""

    def __init__(self, registry: CollectorRegistry | None = None, *, named_sites: int = MOST_NAMED) -> None:
        """named_sites: sites that are measured by their names, the busiest; all others are measured together."""
        self.registry = registry or CollectorRegistry()
        self.rows: list[MetricRow] = []
        """Every metric of the service itself, in the order of docs/metrics.md."""
        self.sites = SiteLabels(named_sites, self._end_series)
        self._of_sites: list[Counter | Gauge | Histogram] = []
        self._measured: dict[Gauge, set[tuple[str, ...]]] = {}
        self._pages: tuple[WSGIServer, threading.Thread] | None = None
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls_started = self._counter("grpc_server_started", "Calls received.", _CALL)
        self.calls_handled = self._counter("grpc_server_handled", "Calls answered.", (*_CALL, "grpc_code"))
        self.call_seconds = self._histogram(
            "grpc_server_handling_seconds", "Time from the call to its answer.", _CALL_SECONDS, _CALL
        )
        self.routes = self._counter(
            "matcher_route",
            "Messages routed. outcome: held, replayed, unmatched; basis: why that agent, NONE if unmatched.",
            ("site", "outcome", "basis"),
        )
        self.routes_degraded = self._counter(
            "matcher_routes_degraded",
            "Messages that got the least utilized agent without being compared. why: ENCODER_FULL or ENCODER_BROKEN.",
            ("site", "why"),
        )
        self.route_candidates = self._histogram(
            "matcher_route_candidates", "Agents of a message who were free and met every constraint.", _CANDIDATES
        )
        self.contact_waited_seconds = self._histogram(
            "matcher_contact_waited_seconds",
            "Age of a contact from the queue when an agent was reserved for it.",
            (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600),
            ("site",),
        )
        self.task_faults = self._counter(
            "matcher_task_faults", "Faults of background tasks, each started again: by what the task does.", ("task",)
        )
        self.events_ignored = self._counter(
            "matcher_events_ignored", "Events of a site's change streams that this version cannot read.", ("site",)
        )
        self.deadlines_broken = self._counter(
            "matcher_deadlines_broken",
            "Deadlines that could not be written and were left aside for a while.",
            ("site",),
        )
        self.loop_lag_seconds = self._histogram(
            "matcher_loop_lag_seconds", "How late the event loop came to a timer that was due.", _LAG_SECONDS
        )
        self.tasks = self._gauge("matcher_tasks", "Tasks of the event loop: of calls, streams and background work.")
        self.route_wait_seconds = self._histogram(
            "matcher_route_wait_seconds", "How long an admitted call waited for admission.", _CALL_SECONDS
        )
        self.routes_refused = self._counter(
            "matcher_routes_refused",
            "Calls refused. reason: full, too many calls waited; standing, calls had waited for too long.",
            ("site", "reason"),
        )
        self.quota_refusals = self._counter("matcher_quota_refusals", "Calls refused by a quota.", ("quota",))
        self.routes_in_flight = self._gauge("matcher_routes_in_flight", "Routes and suggestions in progress.")
        self.routes_waiting = self._gauge("matcher_routes_waiting", "Routes and suggestions that wait for admission.")
        self.encoder_batch_size = self._histogram("matcher_encoder_batch_size", "Texts in a batch.", _BATCH)
        self.encoder_queue_seconds = self._histogram(
            "matcher_encoder_queue_seconds", "How long a text waited for its batch.", _LAG_SECONDS
        )
        self.index_lag_seconds = self._histogram(
            "matcher_index_lag_seconds", "Time from a change in the store to its effect in this process.", _LAG_SECONDS
        )
        self.index_agents = self._gauge("matcher_index_agents", "Agents in the index of this process.", ("site",))
        self.follower_silent_seconds = self._gauge(
            "matcher_follower_silent_seconds",
            "Time since this process last heard from the store about the changes of a site: up to 2 s where nothing "
            "happens. Of `other`, the longest.",
            ("site",),
        )
        self.store_round_trips = self._counter("matcher_store_round_trips", "Calls to the store.", ("verb",))
        self.store_seconds = self._histogram(
            "matcher_store_seconds",
            "Time from a call to the store until its answer, repeats after a failover included.",
            _STORE_SECONDS,
            ("verb",),
        )
        self.reservations_lapsed = self._counter(
            "matcher_reservations_lapsed",
            "Reservations whose deadline passed. state: before it passed.",
            ("site", "state"),
        )
        self.contacts_quarantined = self._counter(
            "matcher_contacts_quarantined",
            "Waiting contacts that were kept aside. reason: what failed: record, secret, message or encoding.",
            ("site", "reason"),
        )
        self.records_unreadable = self._counter(
            "matcher_records_unreadable", "Records that could not be read and were left out, by kind.", ("kind",)
        )
        self.audit_passes = self._counter("matcher_audit_passes", "Passes of the audit over all records of a site.", ())
        self.audit_repairs = self._counter(
            "matcher_audit_repairs", "Records that disagreed and were repaired, by what was wrong.", ("kind",)
        )
        self.agents_sent_away = self._counter(
            "matcher_agents_sent_away",
            "Agents that the service set AWAY. reason: missed or declined offers in a row; silent, no heartbeat.",
            ("site", "reason"),
        )
        self.watchers = self._gauge("matcher_watchers", "Open Watch streams.")
        self.watchers_cut_off = self._counter(
            "matcher_watchers_cut_off", "Watch streams ended: the caller read too slowly.", ()
        )
        self.contacts_waiting = self._gauge(
            "matcher_contacts_waiting",
            "Contacts that wait in the queue of a pool; every server reports the same.",
            ("site", "pool"),
        )
        self.stream_reloads = self._counter(
            "matcher_stream_reloads", "How often a site was read again because its stream was trimmed.", ("site",)
        )
        self.contacts_lost = self._counter(
            "matcher_contacts_lost",
            "Contacts of which the store lost what it had acknowledged; each is told with the cause LOST.",
            ("site",),
        )
        self.model_change = self._gauge(
            "matcher_model_change_agents",
            "During a change of the model: agents to encode (state all) and encoded (state done).",
            ("state",),
        )
        self._add_records()
        self.serving = self._gauge("matcher_serving", "1 while this process serves calls, else 0.")

    def serve(self, address: str, port: int, token: str = "") -> int:
        """Serve /metrics on a port of its own, from a thread; return the port: a free one if 0 was given.

        token: what a reader must show as `Authorization: Bearer …`; "": nothing.
        """
        self._pages = start_http_server(port, address, self.registry)
        if token:
            self._pages[0].set_app(asking_for(token, make_wsgi_app(self.registry)))
        return int(self._pages[0].server_port)

    def measure_sites(self, measures: Iterable[SiteMeasure]) -> None:
        """Set the gauges of all sites that are followed; those of sites and pools that are gone end."""
        agents: dict[tuple[str, ...], float] = {}
        silent: dict[tuple[str, ...], float] = {}
        waiting: dict[tuple[str, ...], float] = {}
        for measure in measures:
            site = (label := self.sites.of(measure.site),)
            agents[site] = agents.get(site, 0) + measure.agents
            silent[site] = max(silent.get(site, 0.0), measure.silent_seconds)
            for pool, count in measure.waiting.items():
                series = (label, pool if label != OTHER else OTHER)
                waiting[series] = waiting.get(series, 0) + count
        self._set_all(self.index_agents, agents)
        self._set_all(self.follower_silent_seconds, silent)
        self._set_all(self.contacts_waiting, waiting)

    def measure_ledger(self, backlogs: Iterable[tuple[str, int, float]]) -> None:
        """Set how many steps of each site wait for the ledger, and the age of the oldest in seconds."""
        entries: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        for site, waiting, age in backlogs:
            label = (self.sites.of(site),)
            entries[label] = entries.get(label, 0) + waiting
            ages[label] = max(ages.get(label, 0.0), age)
        self._set_all(self.ledger_backlog, entries)
        self._set_all(self.ledger_lag_seconds, ages)

    def forget_site(self, site: str) -> None:
        """Remove the series of a site that this process does not follow any more."""
        self.sites.forget(site)

    def close(self) -> None:
        """Stop serving /metrics."""
        if self._pages is not None:
            server, thread = self._pages
            server.shutdown()
            server.server_close()
            thread.join()
            self._pages = None

    def _set_all(self, gauge: Gauge, series: dict[tuple[str, ...], float]) -> None:
        """Set a gauge to these values, and end its other series."""
        for labels, value in series.items():
            gauge.labels(*labels).set(value)
        for labels in self._measured.get(gauge, set()) - series.keys():
            with suppress(KeyError):
                gauge.remove(*labels)
        self._measured[gauge] = set(series)

    def _end_series(self, site: str) -> None:
        """End the series of a site that has no name of its own any more."""
        for metric in self._of_sites:
            metric.remove_by_labels({"site": site})

    def _add_records(self) -> None:
        """Add what is measured of the audit trail and of the ledger."""
        self.trail_head = self._gauge(
            "matcher_audit_trail_head", "Number of the last record of the audit trail, as this process noted it hourly."
        )
        self.trail_waiting = self._gauge(
            "matcher_audit_trail_waiting", "Changes that this process found waiting for the audit trail."
        )
        self.trail_lost = self._counter(
            "matcher_audit_trail_lost", "Changes that a full stream lost before the audit trail had them.", ("site",)
        )
        self.ledger_backlog = self._gauge(
            "matcher_ledger_backlog", "Steps of contacts that wait in the store for the ledger.", ("site",)
        )
        self.ledger_lag_seconds = self._gauge(
            "matcher_ledger_lag_seconds", "Age of the oldest of these steps.", ("site",)
        )
        self.ledger_steps = self._counter(
            "matcher_ledger_steps", "Steps that this process committed to the ledger.", ()
        )
        self.ledger_lost = self._counter(
            "matcher_ledger_lost", "Steps that a full outbox lost before the ledger had them.", ("site",)
        )
        self.ledger_refused = self._counter(
            "matcher_ledger_refused", "Steps that the ledger's database refused, or that could not be read.", ()
        )

    def _gauge(self, name: str, what: str, labels: tuple[str, ...] = ()) -> Gauge:
        gauge = Gauge(name, what, labels, registry=self.registry)
        self._note(gauge, MetricRow(name, "gauge", labels, what))
        return gauge

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        counter = Counter(name, what, labels, registry=self.registry)
        self._note(counter, MetricRow(f"{name}_total", "counter", labels, what))
        return counter

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()) -> Histogram:
        histogram = Histogram(name, what, labels, buckets=buckets, registry=self.registry)
        self._note(histogram, MetricRow(name, "histogram", labels, what))
        return histogram

    def _note(self, metric: Counter | Gauge | Histogram, row: MetricRow) -> None:
        self.rows.append(row)
        if "site" in row.labels:
            self._of_sites.append(metric)


def markdown() -> str:
    """Return the table of all metrics, which docs/metrics.md holds."""
    lines = ["| metric | kind | labels | what it is |", "|---|---|---|---|"]
    for row in Telemetry().rows:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.name}` | {row.kind} | {labels} | {row.what} |")
    return "\n".join(lines)
