"""Streams of the service as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

The id of an event is the token, or the sequence, that resumes the stream after it: a browser's EventSource sends it
back as Last-Event-ID by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import grpc
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from matcher.web.bindings import Method
from matcher.web.faults import Fault, Violation, fields_invalid, of_call
from matcher.web.transcode import answer_text

Call: TypeAlias = "grpc.aio.UnaryStreamCall[Message, Message]"

FIRST_SECONDS: Final = 1.0
"""How long the first answer is awaited, so that a refusal keeps its HTTP code; a quiet stream begins after it."""
QUIET_SECONDS: Final = 15.0
"""After this time without an answer a comment is sent: proxies close a connection that is silent for a minute."""
RETRY_MILLISECONDS: Final = 1000
"""How long an EventSource waits before it comes back."""

RESUMED_BY: Final = (("resume_token", "resume_token"), ("after_sequence", "sequence"))
"""The field of a request that resumes a stream, and the field of an answer that says where it is."""


def resume_at(method: Method, request: Message, last_event: str) -> None:
    """Let a stream go on after the event of an id. Raises Fault where the id is none of this stream."""
    if not last_event:
        return
    for field, _ in RESUMED_BY:
        if field not in method.request.DESCRIPTOR.fields_by_name:
            continue
        if isinstance(getattr(request, field), str):
            setattr(request, field, last_event)
        elif last_event.isdigit() and len(last_event) < 19:
            setattr(request, field, int(last_event))
        else:
            raise fields_invalid([Violation("last-event-id", "is no id of an event of this stream")])


async def first_of(call: Call) -> tuple[asyncio.Task[object], bool]:
    """Return the read of the first answer, and whether the stream has ended without one. Raises Fault."""
    reading = asyncio.ensure_future(call.read())
    try:
        done, _ = await asyncio.wait({reading}, timeout=FIRST_SECONDS)
        return reading, bool(done) and reading.result() is grpc.aio.EOF
    except grpc.aio.AioRpcError as error:
        raise of_call(error) from None
    except asyncio.CancelledError:
        reading.cancel()
        call.cancel()
        raise


async def events(call: Call, reading: asyncio.Task[object]) -> AsyncIterator[str]:
    """Yield the text of a stream, from its first read on: answers, comments while it is quiet, and how it ended."""
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        while True:
            done, _ = await asyncio.wait({reading}, timeout=QUIET_SECONDS)
            if not done:
                yield ": quiet\n\n"
                continue
            answer = reading.result()
            if not isinstance(answer, Message):
                yield "event: end\ndata: {}\n\n"
                return
            yield _event(answer)
            reading = asyncio.ensure_future(call.read())
    except grpc.aio.AioRpcError as error:
        yield f"event: failed\ndata: {status_text(of_call(error))}\n\n"
    finally:
        reading.cancel()
        call.cancel()


def status_text(fault: Fault) -> str:
    """Return the status of a fault as JSON on one line."""
    return MessageToJson(fault.status, indent=None)


def _event(answer: Message) -> str:
    place = ""
    for _, field in RESUMED_BY:
        if field in answer.DESCRIPTOR.fields_by_name:
            place = str(getattr(answer, field) or "")
    head = f"id: {place}\n" if place.isprintable() and place else ""
    return f"{head}data: {answer_text(answer)}\n\n"
