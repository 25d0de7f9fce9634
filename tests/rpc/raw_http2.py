"""A gRPC call written by hand over HTTP/2, for bodies that no gRPC client would send."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Sequence
from urllib.parse import unquote

from google.rpc import status_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

DETAILS = b"grpc-status-details-bin"


class RawCall:
    """One call on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    @classmethod
    async def open(cls, port: int, path: str, body: bytes, *, end: bool = True) -> RawCall:
        """Send a request with exactly this body; `end`: with END_STREAM."""
        call = cls(*await asyncio.open_connection("127.0.0.1", port))
        call._http2.initiate_connection()
        headers = [
            (":method", "POST"),
            (":path", path),
            (":scheme", "http"),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        call._http2.send_headers(1, headers, end_stream=end and not body)
        if body:
            call._http2.send_data(1, body, end_stream=end)
        await call._flush()
        return call

    async def answer(self) -> status_pb2.Status:
        """Return the status that the call ends with, however long it takes."""
        ended = False
        while not ended:
            data = await self._reader.read(65536)
            assert data, "the server closed the connection without an answer"
            for event in self._http2.receive_data(data):
                if isinstance(event, (ResponseReceived, TrailersReceived)):
                    self.headers.update(_bytes(event.headers or ()))
                elif isinstance(event, DataReceived):
                    self.body += event.data or b""
                ended = ended or isinstance(event, (StreamEnded, StreamReset))
            await self._flush()
        self._writer.close()
        return self._status()

    async def close(self) -> None:
        """Close the connection; the call is cancelled."""
        self._writer.close()
        await self._writer.wait_closed()

    def _status(self) -> status_pb2.Status:
        code, message = int(self.headers[b"grpc-status"]), unquote(self.headers.get(b"grpc-message", b"").decode())
        if DETAILS not in self.headers:
            return status_pb2.Status(code=code, message=message)
        value = self.headers[DETAILS]
        status = status_pb2.Status.FromString(base64.b64decode(value + b"=" * (-len(value) % 4)))
        assert (status.code, status.message) == (code, message)
        return status

    async def _flush(self) -> None:
        self._writer.write(self._http2.data_to_send())
        await self._writer.drain()


def framed(message: bytes, *, length: int | None = None) -> bytes:
    """Return a message with gRPC's prefix; `length`: the length in the prefix, where it is to be wrong."""
    return struct.pack(">BI", 0, len(message) if length is None else length) + message


def _bytes(headers: Sequence[tuple[bytes | str, bytes | str]]) -> dict[bytes, bytes]:
    return {
        key.encode() if isinstance(key, str) else key: value.encode() if isinstance(value, str) else value
        for key, value in headers
    }
