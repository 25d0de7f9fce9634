"""Interceptor that reads the body of every call, and answers every failure with a google.rpc.Status.

By itself grpc.aio answers a body that it cannot read with its own text, an exception with the exception's text, and a
unary call whose stream ends before a message not at all. So every unary handler is given to gRPC as a handler that
reads a stream of raw bytes: it notices the end of the stream, and parses the body inside the same try block as the rest
of the call.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from matcher.errors import MatcherError, MessageMalformed, MessageTooLarge, MethodNotFound, ShuttingDown
from matcher.rpc import status
from matcher.rpc.body_limits import limit_of
from matcher.rpc.body_reads import BodyReads
from matcher.rpc.grpc_types import Context, Handler
from matcher.rpc.heap import Heap
from matcher.rpc.interceptors.admission import LIMITED, AdmissionGate
from matcher.rpc.interceptors.refusal_log import RefusalLog
from matcher.rpc.interceptors.sign_in import HEALTH, SignIn
from matcher.rpc.interceptors.worker import worker_metadata
from matcher.rpc.open_streams import OpenStreams
from matcher.rpc.permissions import Permissions
from matcher.rpc.quotas import PrincipalQuotas
from matcher.telemetry import current_call, fault_fields
from matcher.telemetry.calls import REQUEST_HEADER

T = TypeVar("T")

BODY_SECONDS: Final = 30.0
"""How long the service waits for the body of a unary call that has a later deadline, or none."""

_log = structlog.get_logger(__name__)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers every failure of a call with a google.rpc.Status, and ends open streams when the server stops."""

    def __init__(
        self,
        stopping: asyncio.Event,
        *,
        body_seconds: float = BODY_SECONDS,
        gate: AdmissionGate | None = None,
        reads: BodyReads | None = None,
        streams: OpenStreams | None = None,
        sign_in: SignIn | None = None,
        permissions: Permissions | None = None,
        quotas: PrincipalQuotas | None = None,
        on_quota: Callable[[str], None] = lambda _: None,
        worker: str = "",
    ) -> None:
        """gate: admits the calls that begin new work, None: all at once. reads: the places of bodies being received.

        streams: the places of the open streams of the process. sign_in: recognises who calls; None: nobody is asked.
        permissions: refuse what the caller may not do; None: everybody may do everything. quotas: how much
        each caller may do, None: as much as there is. on_quota: called with the quota of each call that one refuses.
        worker: the name of this worker process, for the calls that are refused before they reach a handler.
        """
        self._stopping = stopping
        self._gate = gate
        self._sign_in = sign_in
        self._permissions = permissions
        self._quotas = quotas or PrincipalQuotas()
        self._worker = worker_metadata(worker)
        self._reads = reads or BodyReads()
        self._health_reads = BodyReads()
        self._streams = streams or OpenStreams()
        self._health_streams = OpenStreams()
        self._heap = Heap()
        self._body_seconds = body_seconds
        self._handlers: dict[str, Handler] = {}
        self._log = RefusalLog(on_quota)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the method's handler with its failures caught; for an unknown method a handler that answers so."""
        method = handler_call_details.method
        guarded = self._handlers.get(method)
        if guarded is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return self._unknown(method)
            guarded = self._handlers[method] = self._guard(method, handler)
        return guarded

    def _guard(self, method: str, handler: Handler) -> Handler:
        read = _reader(method, handler.request_deserializer)
        if self._permissions is not None:
            read = self._permissions.checked(method, read)
        if handler.unary_unary is not None:
            return self._unary(method, handler, read, self._gate if method in LIMITED else None)
        if handler.stream_stream is not None:
            work: Any = handler.stream_stream  # the stubs describe handlers of the synchronous server only

            async def stream(requests: AsyncIterator[bytes], context: Context) -> None:
                await _write(work(self._until_stopping(method, requests, read), context), context)

        elif handler.unary_stream is not None:
            watch: Any = handler.unary_stream

            async def stream(requests: AsyncIterator[bytes], context: Context) -> None:  # noqa: ARG001 - gRPC passes it
                request = read(await self._body(method, context))
                await self._unless_stopping(_write(watch(request, context), context))

        else:
            raise TypeError(f"{method} reads a stream and answers once: the service has no such method")
        return self._stream(method, handler, stream)

    def _unary(
        self, method: str, handler: Handler, read: Callable[[bytes], Any], gate: AdmissionGate | None
    ) -> Handler:
        work: Any = handler.unary_unary
        write = handler.response_serializer
        is_list = method.rpartition("/")[2].startswith("List")
        sign_in, permissions = self._sign_in, self._permissions

        async def answer(body: bytes, context: Context) -> bytes:
            response = await work(read(body), context)
            return response if write is None else write(response)

        async def answered(context: Context) -> bytes:
            if sign_in is not None:
                await sign_in.enter(method, context)
            if permissions is not None:
                permissions.check_method(method)
                self._quotas.take_call(method)
            body = await self._body(method, context)
            if is_list:
                async with self._streams.lists:
                    return await answer(body, context)
            return await (answer(body, context) if gate is None else gate.run(answer, method, body, context))

        async def call(_requests: AsyncIterator[bytes], context: Context) -> bytes:
            try:
                return await answered(context)
            except (grpc.aio.AbortError, grpc.aio.InternalError):
                raise
            except Exception as error:  # noqa: BLE001 - the caller gets a status, and never the exception's text
                refusal = self._refusal(method, error)
            return await self._abort(refusal, context)

        return grpc.stream_unary_rpc_method_handler(call)

    def _stream(
        self, method: str, handler: Handler, work: Callable[[AsyncIterator[bytes], Context], Awaitable[None]]
    ) -> Handler:
        # The bodies and the streams of the health check have places of their own: it answers under any load.
        streams = self._health_streams if method.startswith(HEALTH) else self._streams
        sign_in, permissions = self._sign_in, self._permissions

        async def call(requests: AsyncIterator[bytes], context: Context) -> None:
            try:
                identity = None if sign_in is None else await sign_in.enter(method, context)
                if permissions is not None:
                    permissions.check_method(method)
                    self._quotas.take_call(method)
                with streams.of_process(), self._quotas.stream():
                    if sign_in is None:
                        await work(requests, context)
                    else:
                        await sign_in.while_it_counts(identity, work(requests, context))
            except (grpc.aio.AbortError, grpc.aio.InternalError):
                raise
            except Exception as error:  # noqa: BLE001 - as in _unary
                refusal = self._refusal(method, error)
            else:
                return
            await self._abort(refusal, context)

        return grpc.stream_stream_rpc_method_handler(call, None, _unless_bytes(handler.response_serializer))

    def _unknown(self, method: str) -> Handler:
        async def call(_requests: AsyncIterator[bytes], context: Context) -> None:
            await self._abort(self._refusal(method, MethodNotFound(method)), context)

        return grpc.stream_stream_rpc_method_handler(call)

    def _refusal(self, method: str, error: Exception) -> status_pb2.Status:
        """Return the status of an error; log what the operator must know."""
        if isinstance(error, MatcherError):
            answer = status.status_of(error)
            self._log.note(method, error)
        else:
            incident = uuid.uuid4().hex[:12]
            answer = status.fault_status(incident)
            _log.error("call_failed", method=method, incident=incident, **fault_fields(error))
        return answer

    async def _abort(self, refusal: status_pb2.Status, context: Context) -> NoReturn:
        """Answer a call with a status; never while the error is being handled, and from no frame that has the body.

        gRPC keeps the exception of an abort in a cycle with the state of its call, until the garbage collector comes,
        and with it the error in whose handling it was raised: so 48 refused bodies of 15.9 MB stayed for minutes.
        """
        ids = current_call()
        named = () if ids is None else ((REQUEST_HEADER, ids.request),)
        trailers = (*status.trailers_of(refusal), *named, *(context.trailing_metadata() or self._worker))
        await context.abort(status.code_of(refusal), refusal.message, trailers)

    async def _body(self, method: str, context: Context) -> bytes:
        """Return the message of a unary call, which is within the method's limit.

        Raises MessageMalformed where the stream ends without a message, and ServiceOverloaded where others wait for
        the place of a body that does not come.
        """
        reads = self._health_reads if method.startswith(HEALTH) else self._reads
        left: float | None = context.time_remaining()  # the stubs omit None, for a call without a deadline
        if left is not None and left <= self._body_seconds:
            body = await reads.run(context.read)  # gRPC ends the call at its deadline
        else:
            try:
                async with asyncio.timeout(self._body_seconds):
                    body = await reads.run(context.read)
            except TimeoutError:
                raise MessageMalformed(method) from None
        if body is grpc.aio.EOF:
            raise MessageMalformed(method)
        self._heap.body(len(body))
        _check_size(method, body)
        return body  # type: ignore[no-any-return]

    async def _until_stopping(
        self, method: str, requests: AsyncIterator[bytes], read: Callable[[bytes], T]
    ) -> AsyncIterator[T]:
        messages = requests.__aiter__()
        while True:
            try:
                body = await self._unless_stopping(anext(messages))
            except StopAsyncIteration:
                return
            self._heap.body(len(body))
            _check_size(method, body)
            yield read(body)

    async def _unless_stopping(self, work: Awaitable[T]) -> T:
        """Return what `work` returns; raise ShuttingDown as soon as the server stops."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ShuttingDown
        finally:
            stop.cancel()
            task.cancel()


def _check_size(method: str, body: bytes) -> None:
    if len(body) > (most := limit_of(method)):
        raise MessageTooLarge(len(body), most)


def _reader(method: str, deserialize: Callable[[bytes], T] | None) -> Callable[[bytes], T]:
    def read(body: bytes) -> T:
        try:
            return deserialize(body) if deserialize is not None else body  # type: ignore[return-value]
        except (DecodeError, UnicodeDecodeError):
            raise MessageMalformed(method) from None

    return read


def _unless_bytes(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes] | None:
    """Return a serializer that sends an answer which was encoded once for many streams as it is."""
    if serialize is None:
        return None
    return lambda answer: answer if type(answer) is bytes else serialize(answer)


async def _write(answers: AsyncGenerator[Any, None] | Awaitable[None], context: Context) -> None:
    """Send the answers that a handler yields; wait for a handler that writes them by itself."""
    if isinstance(answers, AsyncGenerator):
        async with aclosing(answers):
            async for answer in answers:
                await context.write(answer)
    else:
        await answers
