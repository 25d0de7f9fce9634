"""Log of a process: one event a line, which holds no word of a customer."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog

from matcher.telemetry.calls import add_call_ids

PRIVATE_FIELDS: Final = frozenset(
    {"text", "message_text", "message", "vectors", "vector", "request", "response", "interests", "customer"}
)
"""Log fields that could hold a customer's words: they are removed from every log line, wherever it is logged."""


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


def log_uncaught_faults() -> None:
    """Log what no code catches, in any thread and in destructors, by its class and place.

    Python's own hooks write the text of the exception to stderr, and of a destructor the repr of its object. They stay
    until the service serves: what ends a start is no word of a customer, and the operator needs it.
    """

    def uncaught(kind: type[BaseException], fault: BaseException, _traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, fault, None)
        else:
            _log_uncaught(fault)

    sys.excepthook = uncaught
    threading.excepthook = lambda given: _log_uncaught(given.exc_value)
    sys.unraisablehook = lambda given: _log_uncaught(given.exc_value)


def _log_uncaught(fault: BaseException | None) -> None:
    if fault is not None and not isinstance(fault, SystemExit):
        structlog.get_logger(__name__).error("an error that nobody caught", **fault_fields(fault))


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
        add_call_ids,
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
    """Log a library's line from level WARNING on: below that, some libraries quote their input.

    asyncio's warnings quote the arguments and results of callbacks; what matters of them LoopWatchdog and
    log_loop_fault log.
    """
    if hasattr(record, "_logger"):
        return True
    return record.levelno >= (logging.ERROR if record.name == "asyncio" else logging.WARNING)


def _no_vanished_caller(record: logging.LogRecord) -> bool:
    """Ignore an error that grpc.aio logs when a caller goes before its answer arrives (measured with grpcio 1.85)."""
    fault = record.exc_info[0] if record.exc_info else None
    return fault is None or fault.__name__ != "ExecuteBatchError"
