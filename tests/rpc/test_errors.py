"""Errors: the status that a caller gets, and the details that only the log gets."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from matcher import errors
from matcher.rpc import status
from matcher.rpc.interceptors import refusal_log
from matcher.v1 import errors_pb2
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.conftest import Service, failure, failure_of

SECRET = "redis://user:secret@host"
TEXT = "My dog ate the left shoe."
ROUTE = routing.RouteMessageRequest(parent="sites/default", message=routing.Message(text=TEXT))


def subclasses(kind: type[errors.MatcherError]) -> Iterator[type[errors.MatcherError]]:
    """Yield every error class that has a reason."""
    for subclass in kind.__subclasses__():
        if "reason" in vars(subclass):
            yield subclass
        yield from subclasses(subclass)


def example(kind: type[errors.MatcherError]) -> errors.MatcherError:
    """Return an error of the class, with made-up arguments."""
    if kind is errors.FieldsInvalid:
        return errors.FieldsInvalid([errors.FieldViolation("message.text", "is empty")])
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    constructor: Any = kind
    given = (p for p in parameters if p.kind not in {p.VAR_KEYWORD, p.KEYWORD_ONLY})
    arguments = [7 if p.annotation == "int" else "text" for p in given]
    return constructor(*arguments)  # type: ignore[no-any-return]


def test_every_reason_has_a_code_and_every_error_a_reason() -> None:
    """The table of codes has exactly the reasons of errors.proto, and every error class has one of them."""
    assert set(status.CODES) == set(errors_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert {kind.reason for kind in subclasses(errors.MatcherError)} <= set(status.CODES)


@pytest.mark.parametrize("kind", list(subclasses(errors.MatcherError)), ids=lambda kind: kind.__name__)
async def test_every_error_reaches_the_caller_with_its_reason(
    service: Service, kind: type[errors.MatcherError]
) -> None:
    """Of every error that the router raises, the caller gets code, reason, metadata and when to try again."""
    error = service.doubles.router.fault = example(kind)
    answer = await failure(service.routing.RouteMessage(ROUTE))
    assert answer.code is status.CODES[kind.reason]
    assert (answer.reason, answer.metadata) == (kind.reason, dict(error.metadata))
    assert answer.retry_seconds == kind.retry_after_seconds


async def test_no_exception_text_reaches_a_caller_or_the_log(service: Service) -> None:
    """A fault is answered with INTERNAL and an incident id; the log has type and place under that id, and no text."""
    try:
        raise ConnectionError(SECRET)
    except ConnectionError as cause:
        service.doubles.router.fault = RuntimeError(f"{SECRET} {TEXT}")
        service.doubles.router.fault.__cause__ = cause
    with capture_logs() as lines:
        call = service.routing.RouteMessage(ROUTE)
        answer = await failure(call)
    assert (answer.code, answer.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT")
    assert "secret" not in f"{answer} {await call.trailing_metadata()} {await call.details()}"
    (line,) = lines
    assert line["incident"] == answer.metadata["incident"]
    assert (line["event"], line["fault"]) == ("call_failed", "builtins.RuntimeError")
    assert line["came_from"] == ["builtins.ConnectionError"]
    assert any("routing_servicer.py" in frame for frame in line["traceback"])
    assert "secret" not in json.dumps(line)
    assert TEXT not in json.dumps(line)


async def test_a_fault_in_a_stream_is_answered_like_any_other(service: Service) -> None:
    """ImportAgents answers a fault with INTERNAL and an incident id, too."""
    service.doubles.imports.fault = ValueError(SECRET)
    row = people.ImportRow(row=1, agent_id="maya", agent=people.Agent(interests=["I run."]))
    steps = [
        people.ImportAgentsRequest(config=people.ImportConfig(parent="sites/default")),
        people.ImportAgentsRequest(row=row),
    ]
    with capture_logs() as lines:
        answer = await failure(service.people.ImportAgents(iter(steps)))
    assert answer.code is grpc.StatusCode.INTERNAL
    assert answer.metadata["incident"] == lines[0]["incident"]
    assert "secret" not in f"{answer}{lines}"


async def test_an_answer_that_cannot_be_written_is_a_fault_too(service: Service) -> None:
    """An answer that protobuf cannot serialize becomes INTERNAL, without gRPC's own text."""
    service.doubles.router.answers["suggest"] = SECRET
    with capture_logs():
        answer = await failure(
            service.routing.SuggestAgents(routing.SuggestAgentsRequest(parent="sites/default", message=ROUTE.message))
        )
    assert answer.code is grpc.StatusCode.INTERNAL
    assert "secret" not in f"{answer}"


async def test_the_store_s_address_stays_in_the_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the caller an unreachable store is UNAVAILABLE; the log has address and cause, once for many calls."""
    monkeypatch.setattr(refusal_log, "OUTAGE_SECONDS", math.inf)
    service.doubles.router.fault = errors.StoreUnavailable("store-7:6379", "connection refused")
    with capture_logs() as lines:
        for _ in range(20):
            answer = await failure(service.routing.RouteMessage(ROUTE))
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert "store-7" not in f"{answer}"
    (line,) = lines
    assert "store-7:6379" in line["why"]


async def test_an_error_of_the_caller_is_not_logged(service: Service) -> None:
    """An error that the caller made writes no line: so a caller cannot fill the log."""
    service.doubles.router.fault = errors.ContactEnded("sites/default/contacts/c-1", "CLOSED")
    with capture_logs() as lines:
        await failure(service.routing.RouteMessage(ROUTE))
    assert lines == []


def test_a_long_sentence_and_long_metadata_are_cut() -> None:
    """A long name of a caller cannot make trailers so large that the caller's own client refuses them."""
    answer = failure_of(status.status_of(errors.MethodNotFound("/" + "x" * 9_000)))
    assert len(answer.sentence) == status.MOST_SENTENCE
    assert len(answer.metadata["method"]) == status.MOST_METADATA_VALUE
