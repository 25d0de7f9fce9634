"""The gateway's endpoint: finds the method that a request means, and calls it with the visitor's credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, ParamSpec

import grpc
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from matcher.web.bindings import Binding, Method, Table
from matcher.web.bodies import SMALL_BYTES, Room, held
from matcher.web.calls import Service, begin_stream, call, give_request_id
from matcher.web.events import events, first_of, resume_at, status_text
from matcher.web.faults import Fault, Violation, fields_invalid, malformed, no_method
from matcher.web.headers import CALL_HEADER, Asked, fits_header, is_json
from matcher.web.templates import PathMalformed
from matcher.web.transcode import answer_text, request_of, whole_request

P = ParamSpec("P")

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
"""Of every answer: nothing of it is kept on the way, and no browser takes it for a page."""


class Gateway:
    """An ASGI application for every path that calls a method."""

    def __init__(self, table: Table, service: Service, channel: grpc.aio.Channel, room: Room) -> None:
        self._table = table
        self._service = service
        self._channel = channel
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        try:
            asked = Asked.of(request.headers)
            try:
                response = await self._answer(request, asked)
            except Fault as fault:
                response = fault_response(fault)
            response.headers[CALL_HEADER] = asked.call_id
        except Fault as fault:
            response = fault_response(fault)
        await response(scope, receive, send)

    async def _answer(self, request: Request, asked: Asked) -> Response:
        binding, fields = self._find(request)
        if isinstance(binding, Method):
            method, message = binding, await self._whole(request, binding)
        else:
            method, message = binding.method, await self._bound(request, binding, fields)
        used = give_request_id(message, asked)
        if method.streams:
            return await self._stream(method, message, asked)
        repeatable = {"idempotency-key": used} if fits_header(used) else {}
        try:
            answer = await call(self._channel, method, message, asked, self._service.seconds(method))
        except Fault as fault:
            raise fault.along_with(repeatable) from None
        return _response(200, answer_text(answer), repeatable)

    def _find(self, request: Request) -> tuple[Binding | Method, Mapping[str, str]]:
        path = raw_path(request.scope)
        if method := self._table.methods.get(path):
            if request.method != "POST":
                raise no_method(path, "a method's own path takes POST", 405, {"allow": "POST"})
            if method.imports:
                sentence = "a request that is a stream is not taken over HTTP: use gRPC, or `matcher agents import`"
                raise no_method(path, sentence, 501)
            return method, {}
        try:
            found = self._table.find(path)
        except PathMalformed:
            raise fields_invalid([Violation("path", "has an escape that is not UTF-8")]) from None
        if not found:
            raise no_method(path, "there is nothing at this path: /openapi.json says what there is", 404)
        if request.method not in found:
            allowed = ", ".join(sorted(found))
            raise no_method(path, f"this path takes {allowed}", 405, {"allow": allowed})
        return found[request.method].binding, found[request.method].fields

    async def _whole(self, request: Request, method: Method) -> Message:
        if request.url.query:
            raise fields_invalid([Violation("query", "is not taken here: everything is in the body")])
        _must_be_json(request, method)
        async with held(request, method, self._room) as body:
            return await _read(body, whole_request, method, body)

    async def _bound(self, request: Request, binding: Binding, fields: Mapping[str, str]) -> Message:
        if binding.body or request.method == "POST":
            _must_be_json(request, binding.method)
        if not binding.body:
            return request_of(binding, fields, request.url.query, b"")
        async with held(request, binding.method, self._room) as body:
            return await _read(body, request_of, binding, fields, request.url.query, body)

    async def _stream(self, method: Method, message: Message, asked: Asked) -> Response:
        resume_at(method, message, asked.last_event)
        stream = begin_stream(self._channel, method, message, asked)
        reading, over = await first_of(stream)
        if over and asked.last_event:
            return Response(status_code=204, headers=dict(HEADERS))  # an EventSource comes back no more
        return StreamingResponse(
            events(stream, reading),
            media_type="text/event-stream",
            headers={**HEADERS, "x-accel-buffering": "no"},  # nginx passes on what it gets, at once
        )


def raw_path(scope: Scope) -> str:
    """Return the path of a request as it was sent, with its escapes."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1")


def fault_response(fault: Fault) -> Response:
    """Return the answer to a request that failed."""
    return _response(fault.http, status_text(fault), fault.headers)


async def _read(body: bytes, reader: Callable[P, Message], *given: P.args, **named: P.kwargs) -> Message:
    """Return what a reader makes of a body; of a large body off the event loop, so that other requests go on."""
    if len(body) > SMALL_BYTES:
        return await asyncio.to_thread(reader, *given, **named)
    return reader(*given, **named)


def _must_be_json(request: Request, method: Method) -> None:
    if not is_json(request.headers):
        raise malformed(method.path, "Content-Type must be application/json", 415)


def _response(code: int, text: str, headers: Mapping[str, str]) -> Response:
    return Response(text + "\n", code, {**HEADERS, **headers}, "application/json")
