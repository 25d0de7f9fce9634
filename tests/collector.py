"""A collector of OpenTelemetry: receives traces and metrics by OTLP over HTTP, and keeps what has come."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What a collector has received.

    address: for OTEL_EXPORTER_OTLP_ENDPOINT. batches: path and body of each request, in the order in which they came.
    """

    address: str
    batches: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def bodies(self) -> list[bytes]:
        """Return the bodies of traces and metrics, uncompressed."""
        return [body for _, body in self.batches]

    @property
    def spans(self) -> list[Span]:
        """Return the spans of all traces."""
        traces = [ExportTraceServiceRequest.FromString(body) for path, body in self.batches if path == "/v1/traces"]
        return [
            span for trace in traces for of in trace.resource_spans for scope in of.scope_spans for span in scope.spans
        ]


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector on a free port of the loopback during the block."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a batch."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            unpacked = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            received.batches.append((self.path, unpacked))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    received = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
