"""Ids of the call that is being answered: every log line of a call carries its trace and its request id."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

TRACE_HEADER: Final = "traceparent"
REQUEST_HEADER: Final = "x-request-id"
_REQUEST: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""What a caller may name a call: a name that another program made, and no text."""
_TRACE: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_PROCESS: Final = secrets.token_hex(4)
_NUMBERS: Final = itertools.count(1)


class CallIds:
    """The ids of one call. A trace id that nobody gave is made when a line is logged: most calls log nothing."""

    __slots__ = ("_request", "_trace", "method", "parent", "peer")

    def __init__(self, request: str = "", parent: str = "") -> None:
        """request: the caller's id of the call; parent: its traceparent, as the W3C says; "" for none."""
        self.parent = parent
        self.method = ""
        """The method on the wire, "/package.Service/Method"; "": the call has not reached its method yet."""
        self.peer: Callable[[], str] = str
        """Returns the caller's address, as gRPC names it. Only what goes on record asks for it."""
        self._request = request
        self._trace = ""

    @property
    def request(self) -> str:
        """Return the caller's id of the call, or one that is made here."""
        if not self._request:
            self._request = f"{_PROCESS}-{os.getpid():x}-{next(_NUMBERS):x}"
        return self._request

    @property
    def trace(self) -> str:
        """Return the id of the trace that the call is a part of."""
        if not self._trace:
            given = _TRACE.fullmatch(self.parent)
            self._trace = given[1] if given else secrets.token_hex(16)
        return self._trace

    @trace.setter
    def trace(self, trace: str) -> None:
        self._trace = trace


_CALL: Final[ContextVar[CallIds | None]] = ContextVar("call_ids", default=None)


def begin_call(metadata: Iterable[tuple[str, str | bytes]]) -> CallIds:
    """Make a call the one that is being answered, by the headers it came with."""
    request = parent = ""
    for key, value in metadata:
        if key == TRACE_HEADER and isinstance(value, str) and _TRACE.fullmatch(value):
            parent = value
        elif key == REQUEST_HEADER and isinstance(value, str) and _REQUEST.fullmatch(value):
            request = value
    ids = CallIds(request, parent)
    _CALL.set(ids)
    return ids


def current_call() -> CallIds | None:
    """Return the ids of the call that is being answered; None: no call is."""
    return _CALL.get()


def leave_call() -> None:
    """Let the current task go on without the call: it serves others, too."""
    _CALL.set(None)


def add_call_ids(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Add the ids of the call to a log line."""
    ids = _CALL.get()
    if ids is not None:
        event.setdefault("request_id", ids.request)
        event.setdefault("trace_id", ids.trace)
    return event
