"""Traces of a real service, as a collector of OpenTelemetry receives them."""

from __future__ import annotations

from matcher.v1 import roster_pb2 as roster
from tests.collector import collector
from tests.conftest import StartServer
from tests.people import hire, person, wait_until

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROUTE = "matcher.v1.RoutingService/RouteMessage"


async def test_the_steps_of_a_decision_and_the_offer_to_a_contact_that_waited(launch: StartServer) -> None:
    """encode, search, rank and reserve lie in the call's span; the later offer has a link to that of its contact."""
    with collector() as received:
        server = await launch(
            {
                "MATCHER_TRACING": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
        )
        async with server.client() as client:
            await hire(client, {"bea": person("I keep honey bees.", status=roster.ONLINE)})
            held = (await client.route("My bees have swarmed.", auto_accept=True)).reservation.name
            await client.route("My hive is empty.", contact_id="waits", wait=True)
            await client.complete(held)

            async def offered() -> bool:
                return any(span.name == "offer" for span in received.spans)

            await wait_until(offered, "the offer's span has come")
        assert await server.stop() == 0
    spans = received.spans
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
