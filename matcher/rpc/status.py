"""The gRPC code of every error reason, and errors as google.rpc.Status with details."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from matcher.errors import FieldsInvalid, MatcherError

DOMAIN: Final = "matcher.v1"
DETAILS_KEY: Final = "grpc-status-details-bin"
INTERNAL_REASON: Final = "INTERNAL_FAULT"

MOST_VIOLATION_BYTES: Final = 4_000
"""Clients refuse trailers above 8 KiB, and base64 adds a third: further violations are counted and not listed."""
MOST_SENTENCE: Final = 300
MOST_METADATA_VALUE: Final = 256

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_EXISTS = grpc.StatusCode.ALREADY_EXISTS
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
_UNKNOWN_CALLER = grpc.StatusCode.UNAUTHENTICATED
_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

CODES: Final[dict[str, grpc.StatusCode]] = {
    "FIELDS_INVALID": _INVALID,
    "MESSAGE_MALFORMED": _INVALID,
    "MESSAGE_TOO_LARGE": _INVALID,
    "REQUEST_ID_REUSED": _INVALID,
    "CONSENT_MISSING": _INVALID,
    "SITE_NOT_FOUND": _NOT_FOUND,
    "POOL_NOT_FOUND": _NOT_FOUND,
    "AGENT_NOT_FOUND": _NOT_FOUND,
    "RESERVATION_NOT_FOUND": _NOT_FOUND,
    "CONTACT_NOT_FOUND": _NOT_FOUND,
    "CUSTOMER_NOT_FOUND": _NOT_FOUND,
    "DECISION_NOT_FOUND": _NOT_FOUND,
    "METHOD_NOT_FOUND": grpc.StatusCode.UNIMPLEMENTED,
    "AGENT_EXISTS": _EXISTS,
    "POOL_EXISTS": _EXISTS,
    "SITE_EXISTS": _EXISTS,
    "CONTACT_HELD": _EXISTS,
    "RESERVATION_LAPSED": _PRECONDITION,
    "RESERVATION_STATE": _PRECONDITION,
    "FENCE_STALE": _PRECONDITION,
    "AGENT_HAS_HOLDS": _PRECONDITION,
    "CUSTOMER_IN_CONTACT": _PRECONDITION,
    "AGENT_FULL": _PRECONDITION,
    "CONSTRAINTS_UNMET": _PRECONDITION,
    "PRUNE_TOO_LARGE": _PRECONDITION,
    "POOL_IN_USE": _PRECONDITION,
    "POOL_HAS_WAITING": _PRECONDITION,
    "CONTACT_STATE_WRONG": _PRECONDITION,
    "CONTACT_UNSERVED": _PRECONDITION,
    "WATCHER_TOO_SLOW": grpc.StatusCode.ABORTED,
    "EVENTS_FORGOTTEN": grpc.StatusCode.OUT_OF_RANGE,
    "CONTACT_ENDED": _PRECONDITION,
    "SITE_IN_USE": _PRECONDITION,
    "LEDGER_OFF": _PRECONDITION,
    "ETAG_MISMATCH": grpc.StatusCode.ABORTED,
    "ENCODER_OVERLOADED": _EXHAUSTED,
    "STORE_FULL": _EXHAUSTED,
    "SERVICE_OVERLOADED": _EXHAUSTED,
    "TOO_MANY_STREAMS": _EXHAUSTED,
    "STORE_UNAVAILABLE": _UNAVAILABLE,
    "INDEX_BEHIND": _UNAVAILABLE,
    "LEDGER_AWAY": _UNAVAILABLE,
    "SHUTTING_DOWN": _UNAVAILABLE,
    "SITE_DELETING": _UNAVAILABLE,
    "CREDENTIALS_MISSING": _UNKNOWN_CALLER,
    "CREDENTIALS_WRONG": _UNKNOWN_CALLER,
    "CREDENTIALS_EXPIRED": _UNKNOWN_CALLER,
    "CREDENTIALS_REVOKED": _UNKNOWN_CALLER,
    "ACCESS_KEY_NOT_FOUND": _NOT_FOUND,
    "ACCESS_KEY_EXISTS": _EXISTS,
    "ACCESS_KEYS_LIVE": _PRECONDITION,
    "ACCESS_KEYS_OFF": _PRECONDITION,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "QUOTA_EXCEEDED": _EXHAUSTED,
    INTERNAL_REASON: grpc.StatusCode.INTERNAL,
}

_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}


def code_of(status: status_pb2.Status) -> grpc.StatusCode:
    """Return the gRPC code of a status."""
    return _BY_NUMBER[status.code]


def trailers_of(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata that carries a status with its details."""
    return ((DETAILS_KEY, status.SerializeToString()),)


def status_of(error: MatcherError) -> status_pb2.Status:
    """Return the status of `error`: code, sentence, ErrorInfo, and BadRequest and RetryInfo where they apply."""
    details: list[message.Message] = [_error_info(error.reason, dict(error.metadata))]
    if isinstance(error, FieldsInvalid):
        details.append(_bad_request(error))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(CODES[error.reason], error.message, details)


def is_outage(error: MatcherError) -> bool:
    """Return whether the service, and not the caller, is at fault: such an error is logged."""
    return CODES[error.reason] in {_UNAVAILABLE, grpc.StatusCode.INTERNAL} and error.reason not in {
        "SHUTTING_DOWN",
        "SITE_DELETING",
    }


def fault_status(incident: str) -> status_pb2.Status:
    """Return the status of a fault of the service: the incident id, and nothing else of the fault."""
    sentence = f"the service failed; see incident {incident} in its log"
    return _status(grpc.StatusCode.INTERNAL, sentence, [_error_info(INTERNAL_REASON, {"incident": incident})])


def _status(code: grpc.StatusCode, sentence: str, details: list[message.Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message=_cut(sentence, MOST_SENTENCE), details=packed)


def _error_info(reason: str, metadata: dict[str, str]) -> error_details_pb2.ErrorInfo:
    short = {key: _cut(value, MOST_METADATA_VALUE) for key, value in metadata.items()}
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=short)


def _bad_request(error: FieldsInvalid) -> error_details_pb2.BadRequest:
    listed = error_details_pb2.BadRequest()
    size, more = 0, error.more
    for number, violation in enumerate(error.violations):
        size += len(violation.field.encode()) + len(violation.description.encode()) + 6
        if size > MOST_VIOLATION_BYTES:
            more += len(error.violations) - number
            break
        listed.field_violations.add(field=violation.field, description=violation.description)
    if more:
        listed.field_violations.add(field="*", description=f"{more} more fields are wrong")
    return listed


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
