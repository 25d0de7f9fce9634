"""Faults of a request over HTTP: a google.rpc.Status as the service itself would send it, and its HTTP code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from matcher.client.failure import DETAILS_KEY

DOMAIN: Final = "matcher.v1"

HTTP_CODES: Final = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""The HTTP code of each code of gRPC, as google/rpc/code.proto gives it."""

_BY_NUMBER: Final = {code.value[0]: http for code, http in HTTP_CODES.items()}


@dataclass(frozen=True, slots=True)
class Violation:
    """A wrong field of the request, or a parameter or a header, and what is wrong with it."""

    field: str
    description: str


class Fault(Exception):
    """Why a request has no answer: a status, its HTTP code, and headers that go with it."""

    def __init__(self, status: status_pb2.Status, http: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status.message)
        self.status = status
        self.http = http or _BY_NUMBER.get(status.code, 500)
        self.headers: Mapping[str, str] = {**(headers or {}), **_headers_of(status)}

    def along_with(self, headers: Mapping[str, str]) -> Fault:
        """Return this fault with more headers."""
        return Fault(self.status, self.http, {**self.headers, **headers})


def fields_invalid(violations: Sequence[Violation], http: int = 0) -> Fault:
    """Return the fault of wrong fields, each named."""
    bad = error_details_pb2.BadRequest()
    for wrong in violations:
        bad.field_violations.add(field=wrong.field, description=wrong.description)
    first = violations[0]
    more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
    sentence = f"{first.field} {first.description}{more}"
    return Fault(_status(grpc.StatusCode.INVALID_ARGUMENT, sentence, _info("FIELDS_INVALID"), bad), http)


def malformed(method: str, sentence: str, http: int = 0) -> Fault:
    """Return the fault of a body that is no JSON of a method's request."""
    info = _info("MESSAGE_MALFORMED", method=method)
    return Fault(_status(grpc.StatusCode.INVALID_ARGUMENT, sentence, info), http)


def too_large(limit: int) -> Fault:
    """Return the fault of a body above the limit in bytes."""
    sentence = f"the body is larger than {limit} bytes"
    info = _info("MESSAGE_TOO_LARGE", limit=str(limit))
    return Fault(_status(grpc.StatusCode.INVALID_ARGUMENT, sentence, info), 413, {"connection": "close"})


def crowded() -> Fault:
    """Return the fault of a large body for which there is no room now."""
    sentence = "the gateway holds as many large bodies as it has room for"
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.seconds = 1
    status = _status(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence, _info("SERVICE_OVERLOADED"), retry)
    return Fault(status, headers={"connection": "close"})


def no_method(asked: str, sentence: str, http: int, headers: Mapping[str, str] | None = None) -> Fault:
    """Return the fault of a path that calls no method."""
    info = _info("METHOD_NOT_FOUND", method=asked[:256])
    return Fault(_status(grpc.StatusCode.UNIMPLEMENTED, sentence, info), http, headers)


def of_call(error: grpc.aio.AioRpcError) -> Fault:
    """Return the fault of a call that failed, with the status that the service sent."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return Fault(status_pb2.Status.FromString(value))
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Fault(_status(grpc.StatusCode.UNAVAILABLE, "the service does not answer"))
    return Fault(_status(error.code(), error.details() or ""))


def _headers_of(status: status_pb2.Status) -> dict[str, str]:
    headers = {}
    if status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]:
        headers["www-authenticate"] = "Bearer"
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            headers["retry-after"] = str(max(1, retry.retry_delay.seconds + (retry.retry_delay.nanos > 0)))
    return headers


def _info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _status(code: grpc.StatusCode, sentence: str, *details: Message) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=sentence)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
