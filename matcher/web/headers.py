"""Headers that mean something to a call: credentials, the request id, the deadline, and the place in a stream."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final, Self

from starlette.datastructures import Headers

from matcher.web.faults import Violation, fields_invalid

CALL_HEADER: Final = "x-request-id"
LONGEST_SECONDS: Final = 600.0
"""The longest deadline; a longer one is cut to it."""
_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])").fullmatch
_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TRACE: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_CALL: Final = re.compile(r"[!-~]{1,128}").fullmatch
_VALUE: Final = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?").fullmatch
_JSON: Final = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE).fullmatch


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers of a request ask for; each text is "" where the header is missing."""

    authorization: str
    request_id: str
    seconds: float | None
    last_event: str
    trace: str
    call_id: str
    """The caller's id of the call, by which the log of the service finds it, or one that is made here."""

    @classmethod
    def of(cls, headers: Headers) -> Self:
        """Read the headers. Raises Fault."""
        trace = headers.get("traceparent", "")
        return cls(
            authorization=_single(headers, "authorization"),
            request_id=_single(headers, "idempotency-key").strip('"'),
            seconds=_seconds(_single(headers, "grpc-timeout")),
            last_event=_single(headers, "last-event-id"),
            trace=trace if _TRACE(trace) else "",
            call_id=given if _CALL(given := headers.get(CALL_HEADER, "")) else f"web-{uuid.uuid4().hex}",
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes on to the service: the visitor's credentials and the ids of the call, and nothing else."""
        pairs = (("authorization", self.authorization), ("traceparent", self.trace), (CALL_HEADER, self.call_id))
        return tuple((name, value) for name, value in pairs if value)


def is_json(headers: Headers) -> bool:
    """Return whether the body is said to be JSON; a page of another site cannot say so without being asked first."""
    return _JSON(_single(headers, "content-type")) is not None


def fits_header(text: str) -> bool:
    """Return whether a text can be the value of a header: an id in a body may hold any sign."""
    return _VALUE(text) is not None


def _single(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    if len(values) > 1:
        raise fields_invalid([Violation(name, "is given twice")])
    value = values[0] if values else ""
    if not value.isascii() or not (value.isprintable()):
        raise fields_invalid([Violation(name, "holds other than printable ASCII")])
    return value


def _seconds(text: str) -> float | None:
    if not text:
        return None
    found = _TIMEOUT(text)
    if found is None or not int(found[1]):
        raise fields_invalid(
            [Violation("grpc-timeout", 'is not a time such as "500m" (milliseconds) or "5S" (seconds)')]
        )
    return min(int(found[1]) * _UNITS[found[2]], LONGEST_SECONDS)
