"""The error of a failed call, read from its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """Names one wrong field of the request and what is wrong with it."""

    field: str
    description: str


class MatcherCallError(Exception):
    """Says why a call failed.

    `reason` names an `ErrorReason` of proto/matcher/v1/errors.proto; it is "" where no service answered.
    `retry_after` is in seconds; None where the service gives none. `request_id` is the one that the call was sent with,
    also where the client made it: after a timeout the same call with this id gives the answer that was lost.
    `request_ids` has those of `route_many`, by contact_id.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        violations: tuple[Violation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{reason or code.name}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = violations
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.retry_after = retry_after
        self.request_id = request_id
        self.request_ids: Mapping[str, str] = {}

    @classmethod
    def of_call(cls, error: grpc.aio.AioRpcError, request_id: str = "") -> MatcherCallError:
        """Return the error of a failed call, with its details where the service sent them."""
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS_KEY and isinstance(value, bytes):
                return cls.of_status(status_pb2.Status.FromString(value), request_id)
        return cls(error.code(), "", error.details() or "", request_id=request_id)

    @classmethod
    def of_status(cls, status: status_pb2.Status, request_id: str = "") -> MatcherCallError:
        """Return the error of a status with its details (https://google.aip.dev/193)."""
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        retry_after: float | None = None
        for detail in status.details:
            detail.Unpack(info) or detail.Unpack(bad)
            if detail.Unpack(retry):
                retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        return cls(
            CODES.get(status.code, grpc.StatusCode.UNKNOWN),
            info.reason,
            status.message,
            violations=tuple(Violation(wrong.field, wrong.description) for wrong in bad.field_violations),
            metadata=dict(info.metadata),
            retry_after=retry_after,
            request_id=request_id,
        )
