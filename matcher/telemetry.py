"""Every metric and every log field of the service, once."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
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
"""Names under which a customer's words could reach a log line; such a field is dropped, whoever logs it."""

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
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.calls_started = self._counter("grpc_server_started", "Calls that came in.", _CALL)
        self.calls_handled = self._counter("grpc_server_handled", "Calls that were answered.", (*_CALL, "grpc_code"))
        self.call_seconds = self._histogram(
            "grpc_server_handling_seconds", "From call to answer.", _CALL_SECONDS, _CALL
        )
        self.routes = self._counter(
            "matcher_route",
            "Messages routed. outcome: held, replayed, unmatched; basis: why the agent, NONE when unmatched.",
            ("outcome", "basis"),
        )
        self.route_candidates = self._histogram(
            "matcher_route_candidates", "Agents who were free and met every constraint, a message.", _CANDIDATES
        )
        self.contact_waited_seconds = self._histogram(
            "matcher_contact_waited_seconds",
            "How old a contact that waited was when an agent was held for it.",
            (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600),
        )
        self.route_wait_seconds = self._histogram(
            "matcher_route_wait_seconds", "How long a call that was let in stood in line.", _CALL_SECONDS
        )
        self.routes_refused = self._counter(
            "matcher_routes_refused",
            "Calls sent away. reason: full, the line was; standing, it had stood too long.",
            ("reason",),
        )
        self.routes_in_flight = self._gauge("matcher_routes_in_flight", "Routes and suggestions worked on.")
        self.routes_waiting = self._gauge("matcher_routes_waiting", "Routes and suggestions in line.")
        self.encoder_batch_size = self._histogram("matcher_encoder_batch_size", "Texts a batch.", _BATCH)
        self.encoder_queue_seconds = self._histogram(
            "matcher_encoder_queue_seconds", "How long a text waited for its batch.", _LAG_SECONDS
        )
        self.index_lag_seconds = self._histogram(
            "matcher_index_lag_seconds", "From a change in the store to its effect in this process.", _LAG_SECONDS
        )
        self.index_agents = Gauge(
            "matcher_index_agents", "Agents in the index of this process.", ("site",), registry=self.registry
        )
        self.store_round_trips = self._counter("matcher_store_round_trips", "Calls to the store.", ("verb",))
        self.reservations_lapsed = self._counter(
            "matcher_reservations_lapsed", "Reservations whose deadline passed. state: what they were.", ("state",)
        )
        self.agents_sent_away = self._counter(
            "matcher_agents_sent_away",
            "Agents set AWAY by the service. reason: missed, offers in a row; silent, no heartbeat.",
            ("reason",),
        )
        self.watchers = self._gauge("matcher_watchers", "Streams that are watched.")
        self.watchers_cut_off = self._counter("matcher_watchers_cut_off", "Watchers that read too slowly.", ())
        self.contacts_waiting = Gauge(
            "matcher_contacts_waiting",
            "Contacts that wait in the queue of a pool; every replica says the same.",
            ("site", "pool"),
            registry=self.registry,
        )
        self.stream_reloads = self._counter(
            "matcher_stream_reloads", "Times a site was read anew because its stream was trimmed.", ("site",)
        )
        self.model_change = Gauge(
            "matcher_model_change_agents",
            "While the model is changed: agents to encode (state all) and encoded (state done).",
            ("state",),
            registry=self.registry,
        )
        self.serving = Gauge("matcher_serving", "1 while this process takes calls.", registry=self.registry)

    def serve(self, address: str, port: int) -> int:
        """Serve /metrics on a port of its own, from a thread; return the port, the one chosen where 0 was given."""
        self._pages = start_http_server(port, address, self.registry)
        return int(self._pages[0].server_port)

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
    """Take out of a log line every field that could hold a customer's words."""
    for field in PRIVATE_FIELDS.intersection(event):
        del event[field]
    return event


def fault_fields(fault: BaseException) -> dict[str, object]:
    """Return the log fields of an exception: its type, those it came from, and where it was raised.

    Never its text: that may quote what a customer wrote, or a connection string.
    """
    types, frames, seen = [], list[str](), set[int]()
    cause: BaseException | None = fault
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        types.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        frames += [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__ or cause.__context__
    return {"fault": types[0], "came_from": types[1:], "traceback": frames}


def tell_faults_without_text(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put an exception's fields in place of its text in a log line."""
    told = event.pop("exc_info", None)
    fault = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(fault, BaseException):
        event.update(fault_fields(fault))
    return event


def configure_logs(style: Literal["json", "console"], level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog's lines, and the libraries' warnings, to `stream` (default: stderr), one event a line."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_faults_without_text,
        drop_private_fields,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(_ours_or_a_warning)
    handler.addFilter(_no_caller_gone)
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


def _ours_or_a_warning(record: logging.LogRecord) -> bool:
    """Let a library's line through from WARNING on: below that, some quote what they were given."""
    return record.levelno >= logging.WARNING or hasattr(record, "_logger")


def _no_caller_gone(record: logging.LogRecord) -> bool:
    """Pass over what grpc.aio calls an error: a caller went while the answer was on its way (seen with 1.85)."""
    fault = record.exc_info[0] if record.exc_info else None
    return fault is None or fault.__name__ != "ExecuteBatchError"
