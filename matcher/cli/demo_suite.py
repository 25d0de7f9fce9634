"""The demo on a suite that names the right agents: every agent stays free, so that only the match decides."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.cli import tables
from matcher.cli.candidate_tables import words_met
from matcher.cli.demo_messages import DemoMessage, latencies, percentile, route
from matcher.cli.demo_table import demo_table
from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.v1 import routing_pb2

ROWS_SHOWN = 12


async def route_suite(session: Session, messages: Sequence[DemoMessage]) -> None:
    """Route every message, cancel its reservation, and print how many messages got a right agent."""
    shown = set(range(0, len(messages), max(1, len(messages) // ROWS_SHOWN)))
    seconds: list[float] = []
    right = 0
    rows: list[Sequence[str]] = []
    async with session.client() as client:
        with steps(session.err, "routing messages", len(messages)) as step:
            for place, message in enumerate(messages):
                answer, latency = await route(client, message)
                seconds.append(latency)
                if answer.WhichOneof("outcome") == "reservation":
                    await client.cancel(answer.reservation.name)
                is_right = tables.short(answer.candidate.agent) in message.relevant
                right += is_right
                if place in shown:
                    rows.append(_cells(message, answer, is_right=is_right))
                step()
    share = right / len(messages) if messages else 0.0
    if session.as_json:
        session.write_json(
            {
                "messages": len(messages),
                "right": right,
                "share": share,
                "p50_ms": percentile(seconds, 0.5),
                "p99_ms": percentile(seconds, 0.99),
            }
        )
        return
    session.show(demo_table("right", rows))
    session.say("")
    session.say(f"{right} of {len(messages)} messages got the right agent ({share:.1%}) · {latencies(seconds)}")


def _cells(message: DemoMessage, answer: routing_pb2.RouteMessageResponse, *, is_right: bool) -> tuple[str, ...]:
    candidate = answer.candidate
    met = [reason for reason in candidate.reasons[:1] if not reason.weak]
    held = answer.WhichOneof("outcome") == "reservation"
    return (
        message.text,
        candidate.display_name,
        f"{candidate.affinity:.2f}",
        words_met(met, message.text),
        " ".join(reason.interest for reason in met),
        routing_pb2.Basis.Name(answer.reservation.basis) if held else "unmatched",
        "yes" if is_right else "no",
    )
