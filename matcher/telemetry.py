"""Telemetry of a process: its metrics, and its log, which holds no word of a customer."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Collection, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

PRIVATE_FIELDS: Final = frozenset(
    {"text", "message_text", "message", "vectors", "vector", "request", "response", "interests", "customer"}
)
"""Log fields that could hold a customer's words: they are removed from every log line, wherever it is logged."""

_CALL_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_CANDIDATES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_CALL: Final = ("grpc_type", "grpc_service", "grpc_method")


class Telemetry:
    """Holds the metrics of one process. The names of the calls' metrics are those of grpc-ecosystem's middleware."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._pages: tuple[WSGIServer, threading.Thread] | None = None
        self._measured_pools: dict[str, frozenset[str]] = {}
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
            ("outcome", "basis"),
        )
        self.routes_degraded = self._counter(
            "matcher_routes_degraded",
            "Messages that got the least utilized agent without being compared. why: ENCODER_FULL or ENCODER_BROKEN.",
            ("why",),
        )
        self.route_candidates = self._histogram(
            "matcher_route_candidates", "Agents of a message who were free and met every constraint.", _CANDIDATES
        )
        self.contact_waited_seconds = self._histogram(
            "matcher_contact_waited_seconds",
            "Age of a contact from the queue when an agent was reserved for it.",
            (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600),
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
        self.route_wait_seconds = self._histogram(
            "matcher_route_wait_seconds", "How long an admitted call waited for admission.", _CALL_SECONDS
        )
        self.routes_refused = self._counter(
            "matcher_routes_refused",
            "Calls refused. reason: full, too many calls waited; standing, calls had waited for too long.",
            ("reason",),
        )
        self.routes_in_flight = self._gauge("matcher_routes_in_flight", "Routes and suggestions in progress.")
        self.routes_waiting = self._gauge("matcher_routes_waiting", "Routes and suggestions that wait for admission.")
        self.encoder_batch_size = self._histogram("matcher_encoder_batch_size", "Texts in a batch.", _BATCH)
        self.encoder_queue_seconds = self._histogram(
            "matcher_encoder_queue_seconds", "How long a text waited for its batch.", _LAG_SECONDS
        )
        self.index_lag_seconds = self._histogram(
            "matcher_index_lag_seconds", "Time from a change in the store to its effect in this process.", _LAG_SECONDS
        )
        self.index_agents = Gauge(
            "matcher_index_agents", "Agents in the index of this process.", ("site",), registry=self.registry
        )
        self.store_round_trips = self._counter("matcher_store_round_trips", "Calls to the store.", ("verb",))
        self.reservations_lapsed = self._counter(
            "matcher_reservations_lapsed", "Reservations whose deadline passed. state: before it passed.", ("state",)
        )
        self.contacts_quarantined = self._counter(
            "matcher_contacts_quarantined",
            "Waiting contacts that were kept aside. reason: what failed: record, secret, message or encoding.",
            ("reason",),
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
            ("reason",),
        )
        self.watchers = self._gauge("matcher_watchers", "Open Watch streams.")
        self.watchers_cut_off = self._counter(
            "matcher_watchers_cut_off", "Watch streams ended: the caller read too slowly.", ()
        )
        self.contacts_waiting = Gauge(
            "matcher_contacts_waiting",
            "Contacts that wait in the queue of a pool; every server reports the same.",
            ("site", "pool"),
            registry=self.registry,
        )
        self.stream_reloads = self._counter(
            "matcher_stream_reloads", "How often a site was read again because its stream was trimmed.", ("site",)
        )
        self.model_change = Gauge(
            "matcher_model_change_agents",
            "During a change of the model: agents to encode (state all) and encoded (state done).",
            ("state",),
            registry=self.registry,
        )
        self.ledger_backlog = Gauge(
            "matcher_ledger_backlog",
            "Steps of a site's contacts that wait in the store for the ledger.",
            ("site",),
            registry=self.registry,
        )
        self.ledger_lag_seconds = Gauge(
            "matcher_ledger_lag_seconds", "Age of the oldest of these steps.", ("site",), registry=self.registry
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
        self.serving = Gauge("matcher_serving", "1 while this process serves calls, else 0.", registry=self.registry)

    def serve(self, address: str, port: int) -> int:
        """Serve /metrics on a port of its own, from a thread; return the port: a free one if 0 was given."""
        self._pages = start_http_server(port, address, self.registry)
        return int(self._pages[0].server_port)

    def measure_waiting(self, site: str, pools: Collection[str], waiting: Mapping[str, int]) -> None:
        """Set the number of waiting contacts of each pool of a site, and remove the series of pools that are gone."""
        measured = {*pools, *waiting}
        for pool in measured:
            self.contacts_waiting.labels(site, pool).set(waiting.get(pool, 0))
        for pool in self._measured_pools.get(site, frozenset()) - measured:
            with suppress(KeyError):
                self.contacts_waiting.remove(site, pool)
        self._measured_pools[site] = frozenset(measured)

    def measure_ledger(self, site: str, entries: int, age_seconds: float) -> None:
        """Set how many steps of a site wait for the ledger, and the age of the oldest; no series where none waits."""
        if not entries:
            for metric in (self.ledger_backlog, self.ledger_lag_seconds):
                with suppress(KeyError):
                    metric.remove(site)
            return
        self.ledger_backlog.labels(site).set(entries)
        self.ledger_lag_seconds.labels(site).set(age_seconds)

    def forget_site(self, site: str) -> None:
        """Remove the series of a site that this process does not follow any more."""
        for metric in (
            self.ledger_backlog,
            self.ledger_lag_seconds,
            self.index_agents,
            self.events_ignored,
            self.deadlines_broken,
            self.stream_reloads,
        ):
            with suppress(KeyError):
                metric.remove(site)
        self.contacts_waiting.remove_by_labels({"site": site})
        self._measured_pools.pop(site, None)

    def close(self) -> None:
        """Stop serving /metrics."""
        if self._pages is not None:
            server, thread = self._pages
            server.shutdown()
            server.server_close()
            thread.join()
            self._pages = None

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(name, what, labels, buckets=buckets, registry=self.registry)


def drop_private_fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove every field of a log line that could hold a customer's words."""
    for field in PRIVATE_FIELDS.intersection(event):
        del event[field]
    return event


def fault_fields(fault: BaseException) -> dict[str, object]:
    """Return the log fields of an exception: its type, the types of its causes, and where each was raised.

    Not its text, which may quote a customer's message or a connection string.
    """
    types, frames, seen = [], list[str](), set[int]()
    cause: BaseException | None = fault
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        types.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        frames += [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__ or cause.__context__
    return {"fault": types[0], "came_from": types[1:], "traceback": frames}


def log_loop_fault(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what the event loop reports, such as the exception of a task that nobody awaits: by its class and place.

    asyncio's own handler logs the repr of the exception, of the callback and of its arguments.
    """
    fault, task = context.get("exception"), context.get("task") or context.get("future")
    named = {"task": task.get_name()} if isinstance(task, asyncio.Task) else {}
    fields = fault_fields(fault) if isinstance(fault, BaseException) else {}
    structlog.get_logger(__name__).error("an error that nobody awaited", **named, **fields)


def log_faults_without_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the exception of a log line by its fields, without its text."""
    given = event.pop("exc_info", None)
    fault = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(fault, BaseException):
        event.update(fault_fields(fault))
    return event


def configure_logs(style: Literal["json", "console"], level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the service's log lines and the libraries' warnings to `stream` (default: stderr), one event per line."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        log_faults_without_text,
        drop_private_fields,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(_own_or_warning)
    handler.addFilter(_no_vanished_caller)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _own_or_warning(record: logging.LogRecord) -> bool:
    """Log a library's line from level WARNING on: below that, some libraries quote their input."""
    return record.levelno >= logging.WARNING or hasattr(record, "_logger")


def _no_vanished_caller(record: logging.LogRecord) -> bool:
    """Ignore an error that grpc.aio logs when a caller goes before its answer arrives (measured with grpcio 1.85)."""
    fault = record.exc_info[0] if record.exc_info else None
    return fault is None or fault.__name__ != "ExecuteBatchError"
