"""Channels to the service, and how calls are made on them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar, cast

import grpc

from matcher.client.caller_trace import traceparent
from matcher.client.credentials import FixedToken, TokenSource
from matcher.client.failure import MatcherCallError
from matcher.client.retry import FIRST_PAUSE_SECONDS, MOST_ATTEMPTS, OUTCOME_UNKNOWN, service_config
from matcher.client.spreading import spread
from matcher.client.true_status import with_true_status
from matcher.v1.customers_pb2_grpc import CustomerServiceStub
from matcher.v1.feedback_pb2_grpc import FeedbackServiceStub
from matcher.v1.keys_pb2_grpc import KeyServiceStub
from matcher.v1.roster_pb2_grpc import RosterServiceStub
from matcher.v1.routing_pb2_grpc import RoutingServiceStub

if TYPE_CHECKING:
    from matcher.v1.customers_pb2_grpc import CustomerServiceAsyncStub
    from matcher.v1.feedback_pb2_grpc import FeedbackServiceAsyncStub
    from matcher.v1.keys_pb2_grpc import KeyServiceAsyncStub
    from matcher.v1.roster_pb2_grpc import RosterServiceAsyncStub
    from matcher.v1.routing_pb2_grpc import RoutingServiceAsyncStub

Request = TypeVar("Request")
Answer = TypeVar("Answer")

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes: answers of RouteMessages with `explain_unmatched` are the largest; a page of a list ends at 3 MiB."""


SILENCE = "no answer for"
"""How the message of the error begins where a stream was silent for too long."""

TRACE_HEADER = "traceparent"
CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    # A connection that a firewall dropped is noticed within 30 s, also while no call is open, and however
    # long nothing else is sent; the service allows a ping every 5 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without it gRPC waits a minute for the answer to a ping, whatever the time above (measured with grpcio 1.85).
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC would wait up to two minutes before it connects again to a service that restarts.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

Metadata: TypeAlias = "tuple[tuple[str, str], ...] | None"
Stubs: TypeAlias = (
    "tuple[RoutingServiceAsyncStub, RosterServiceAsyncStub, CustomerServiceAsyncStub, KeyServiceAsyncStub, "
    "FeedbackServiceAsyncStub]"
)


def _rounds(stubs: list[Stubs]) -> Iterator[Stubs]:
    """Yield each stub once a round, in a new random order every round.

    In a fixed order a caller that alternates between two methods would send all calls of one method over one half of
    the channels.
    """
    while stubs:
        yield from random.sample(stubs, len(stubs))


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each class of calls may take, in seconds."""

    route: float = 10.0
    """RouteMessage and SuggestAgents."""
    read: float = 10.0
    """Get and List."""
    write: float = 20.0
    """Calls that change something; an agent's interests are encoded before the answer."""
    forget: float = 120.0
    """ForgetCustomer, ForgetAgent, and reads of customers with ended contacts: every record of the site is read."""
    report: float = 120.0
    """GetImpactReport: every contact of its time is read."""
    import_silence: float = 120.0
    """The longest silence within an import; an import as a whole has no deadline."""
    watch_silence: float = 45.0
    """The longest silence within a stream: signs of life come every 20 s, so two are missing."""

    @classmethod
    def all_at(cls, seconds: float) -> Deadlines:
        """Return the same deadline for every class of calls; the silence of a watch stays as it is."""
        return cls(route=seconds, read=seconds, write=seconds, forget=seconds, report=seconds, import_silence=seconds)


class Connection:
    """Holds channels to one target, and distributes the calls over them.

    Open it with `async with`, or with `open` and `close`. Every channel has a connection of its own. Where several
    workers share the address, the kernel gives each connection to a random worker; `spread` balances the connections,
    and `async with` calls it when there is more than one channel.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        site: str = "default",
        channels: int = 1,
        credentials: grpc.ChannelCredentials | None = None,
        deadlines: Deadlines | None = None,
        token: TokenSource | str | None = None,
    ) -> None:
        """credentials: of TLS, None: the connection is not encrypted. token: an access key or a JWT, or its source."""
        if channels < 1:
            raise ValueError(f"channels is {channels}; at least 1 is needed")
        self.target = target
        self.site = site
        self.deadlines = deadlines or Deadlines()
        self._count = channels
        self._loop: asyncio.AbstractEventLoop | None = None
        self._credentials = credentials
        self._token = FixedToken(token) if isinstance(token, str) else token
        self._channels: list[grpc.aio.Channel] = []
        self._channel: Callable[[], grpc.aio.Channel]
        self._stubs: Iterator[Stubs] = iter(())

    def open(self) -> Self:
        """Open the channels; call it within the running event loop."""
        self._loop = asyncio.get_running_loop()
        options = [("grpc.service_config", service_config()), *CHANNEL_OPTIONS]
        if self._credentials is None:
            self._channel = lambda: grpc.aio.insecure_channel(self.target, options=options)
        else:
            credentials = self._credentials
            self._channel = lambda: grpc.aio.secure_channel(self.target, credentials, options=options)
        self._use([self._channel() for _ in range(self._count)])
        return self

    async def spread(self) -> None:
        """Replace channels until every worker behind the address has the same number, at least `channels` in all.

        The channels stay as they are where the service has no workers.
        """
        kept, spare = await spread(self._channels, self._channel, self._count, self.deadlines.read)
        self._use(kept)
        for channel in spare:
            await channel.close()

    def _use(self, channels: list[grpc.aio.Channel]) -> None:
        self._channels = channels
        self._stubs = _rounds(
            [
                (
                    RoutingServiceStub(channel),
                    RosterServiceStub(channel),
                    CustomerServiceStub(channel),
                    KeyServiceStub(channel),
                    FeedbackServiceStub(channel),
                )
                for channel in channels
            ]
        )

    async def close(self) -> None:
        """Close the channels; calls in flight are cancelled."""
        channels, self._channels, self._stubs = self._channels, [], iter(())
        for channel in channels:
            await channel.close()

    async def __aenter__(self) -> Self:
        self.open()
        if self._count > 1:
            try:
                await self.spread()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def name(self, collection: str, value: str) -> str:
        """Return the resource name of an id in this site; "" and resource names stay as they are."""
        if not value or value.startswith("sites/"):
            return value
        # The id of a contact may have a "/".
        return f"sites/{self.site}/{collection}/{value.replace('/', '%2F')}"

    @property
    def parent(self) -> str:
        """The resource name of the site."""
        return f"sites/{self.site}"

    @property
    def _routing(self) -> RoutingServiceAsyncStub:
        return self._next()[0]

    @property
    def _roster(self) -> RosterServiceAsyncStub:
        return self._next()[1]

    @property
    def _customers(self) -> CustomerServiceAsyncStub:
        return self._next()[2]

    @property
    def _feedback(self) -> FeedbackServiceAsyncStub:
        return self._next()[4]

    @property
    def _keys(self) -> KeyServiceAsyncStub:
        return self._next()[3]

    async def _metadata(self) -> Metadata:
        trace = traceparent()
        traced = ((TRACE_HEADER, trace),) if trace else ()
        if self._token is None:
            return traced or None
        return (("authorization", f"Bearer {await self._token.text()}"), *traced)

    def _next(self) -> Stubs:
        stubs = next(self._stubs, None)
        if stubs is None:
            raise RuntimeError("the client is closed: open it with `async with`")
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the client was opened in another event loop: open it in the loop that calls it")
        return stubs

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer], request: Request, seconds: float
    ) -> Answer:
        metadata = await self._metadata()
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise MatcherCallError.of_call(error, getattr(request, "request_id", "")) from error

    async def _insist(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer],
        request: Request,
        seconds: float,
        may_repeat: Callable[[], Awaitable[bool]],
    ) -> Answer:
        """Call a method that gRPC must not repeat by itself; repeat the call as gRPC repeats others.

        may_repeat: asked after an attempt whose answer was lost, before the next one.
        """
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MOST_ATTEMPTS - 1):
            try:
                return await self._call(method, request, seconds)
            except MatcherCallError as error:
                if error.code not in OUTCOME_UNKNOWN or not await may_repeat():
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        return await self._call(method, request, seconds)

    def _watch(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Answer], request: Request, silence: float | None
    ) -> AsyncGenerator[Answer, None]:
        return self._answers(lambda metadata: method(request, metadata=metadata), silence)

    def _stream(
        self,
        method: grpc.aio.StreamStreamMultiCallable[Request, Answer],
        requests: AsyncIterator[Request],
        silence: float,
    ) -> AsyncGenerator[Answer, None]:
        return self._answers(lambda metadata: with_true_status(method(requests, metadata=metadata)), silence)

    async def _answers(
        self,
        begin: Callable[
            [Metadata], grpc.aio.UnaryStreamCall[Request, Answer] | grpc.aio.StreamStreamCall[Request, Answer]
        ],
        silence: float | None,
    ) -> AsyncGenerator[Answer, None]:
        """Yield the answers of a stream, which begins with the first `anext`.

        silence: the longest time between two answers in seconds, None: any. Raises MatcherCallError.
        """
        call = begin(await self._metadata())
        try:
            while True:
                async with asyncio.timeout(silence):
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    return
                yield cast("Answer", answer)
        except grpc.aio.AioRpcError as error:
            raise MatcherCallError.of_call(error) from error
        except TimeoutError as error:
            raise MatcherCallError(grpc.StatusCode.DEADLINE_EXCEEDED, "", f"{SILENCE} {silence:g} seconds") from error
        finally:
            call.cancel()
