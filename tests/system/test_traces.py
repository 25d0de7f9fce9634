"""Traces of a real service, as a collector of OpenTelemetry receives them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from matcher.v1 import roster_pb2 as roster
from tests.conftest import StartServer
from tests.people import hire, person, wait_until

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROUTE = "matcher.v1.RoutingService/RouteMessage"


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Receive spans by OTLP over HTTP; yield the address, and the spans that have come."""
    spans: list[Span] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a batch."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                batch = ExportTraceServiceRequest.FromString(body)
                spans.extend(span for of in batch.resource_spans for scope in of.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_the_steps_of_a_decision_and_the_offer_to_a_contact_that_waited(launch: StartServer) -> None:
    """encode, search, rank and reserve lie in the call's span; the later offer has a link to that of its contact."""
    with collector() as (address, spans):
        server = await launch(
            {
                "MATCHER_TRACING": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": address,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
        )
        async with server.client() as client:
            await hire(client, {"bea": person("I keep honey bees.", status=roster.ONLINE)})
            held = (await client.route("My bees have swarmed.", auto_accept=True)).reservation.name
            await client.route("My hive is empty.", contact_id="waits", wait=True)
            await client.complete(held)

            async def offered() -> bool:
                return any(span.name == "offer" for span in spans)

            await wait_until(offered, "the offer's span has come")
        assert await server.stop() == 0
    calls = [span for span in spans if span.name == ROUTE]
    assert len(calls) == 2
    for call in calls:
        steps = [span for span in spans if span.parent_span_id == call.span_id]
        assert {span.trace_id for span in steps} == {call.trace_id}
        assert [span.name for span in sorted(steps, key=lambda span: span.start_time_unix_nano)][:4] == [
            *("encode", "search", "rank", "reserve")
        ]
    (offer,) = [span for span in spans if span.name == "offer"]
    assert [link.span_id for link in offer.links] == [calls[1].span_id]
    assert offer.trace_id != calls[1].trace_id
