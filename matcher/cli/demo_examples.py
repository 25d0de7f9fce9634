"""The demo on the example roster: every message with the agent who is held, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from matcher.cli import tables
from matcher.cli.demo_messages import DemoMessage, latencies, percentile, route
from matcher.cli.demo_table import demo_table
from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.cli.terminal_text import visible
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2, routing_pb2

DEFAULT_CHANNEL = "chat"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message, as its row says it."""

    message: str
    agent: str
    affinity: str
    words: str
    interest: str
    basis: str
    note: str


async def route_examples(session: Session, messages: Sequence[DemoMessage]) -> None:
    """Route the messages one after another, each slot held to the end, and print a row for each."""
    outcomes: list[Outcome] = []
    seconds: list[float] = []
    async with session.client() as client:
        with steps(session.err, "routing messages", len(messages)) as step:
            for message in messages:
                wished = await _best_of_all(client, message)
                answer, took = await route(client, message)
                seconds.append(took)
                outcomes.append(await _outcome(client, message, answer, wished))
                step()
    counts = Counter(outcome.basis for outcome in outcomes)
    missed = sum(1 for outcome in outcomes if outcome.note)
    if session.as_json:
        for outcome in outcomes:
            session.write_json({name: getattr(outcome, name) for name in Outcome.__slots__})
        session.write_json(
            {
                "messages": len(messages),
                "bases": dict(counts),
                "p50_ms": percentile(seconds, 0.5),
                "p99_ms": percentile(seconds, 0.99),
            }
        )
        return
    rows = [[getattr(outcome, name) for name in Outcome.__slots__] for outcome in outcomes]
    session.out.print(demo_table("better, not available", rows, session.out.width))
    session.out.print(Text())
    unmatched = counts["unmatched"]
    session.say(
        f"{len(messages)} messages: {counts['AFFINITY']} held by affinity, {counts['FALLBACK']} by fall-back, "
        f"{unmatched} unmatched; for {missed} the best match was offline or full · {latencies(seconds)}"
    )


async def _best_of_all(client: MatcherClient, message: DemoMessage) -> routing_pb2.Candidate:
    """Return who would be taken if everybody were free; an empty candidate where nothing speaks for anybody."""
    found = await client.suggest(
        message.text,
        channel=message.channel,
        language=message.language,
        required_skills=message.required_skills,
        max_candidates=1,
        ignore_availability=True,
    )
    speaks = found.candidates and found.basis == routing_pb2.AFFINITY
    return found.candidates[0] if speaks else routing_pb2.Candidate()


async def _outcome(
    client: MatcherClient, message: DemoMessage, answer: routing_pb2.RouteMessageResponse, wished: routing_pb2.Candidate
) -> Outcome:
    text = visible(message.text)
    note = await _why_not(client, wished.agent, message) if wished.affinity > answer.candidate.affinity else ""
    if answer.WhichOneof("outcome") == "unmatched":
        reason = f"no agent left: {tables.constraint(answer.unmatched.reason)}"
        return Outcome(text, "", "", "", reason, "unmatched", note)
    candidate = answer.candidate
    basis = routing_pb2.Basis.Name(answer.reservation.basis)
    met = candidate.reasons[:1] if answer.reservation.basis == routing_pb2.AFFINITY else []
    return Outcome(
        text,
        visible(candidate.display_name),
        f"{candidate.affinity:.2f}",
        tables.words_met(met, message.text),
        " ".join(visible(reason.interest) for reason in met),
        basis,
        note,
    )


async def _why_not(client: MatcherClient, name: str, message: DemoMessage) -> str:
    """Say who the best match would have been and why not; "" where that agent was free too, a matter of balance."""
    agent = await client.agent(name)
    if agent.status != roster_pb2.ONLINE:
        why = roster_pb2.AgentStatus.Name(agent.status).lower()
    elif _full(agent, message.channel or DEFAULT_CHANNEL):
        why = "full"
    else:
        return ""
    return f"{visible(agent.display_name)}, {why}"


def _full(agent: roster_pb2.Agent, channel: str) -> bool:
    for one in agent.capacity.channels:
        if one.channel == channel:
            held = sum(1 for hold in agent.holds if hold.channel == channel)
            return agent.load + one.cost > agent.capacity.total or (one.max > 0 and held >= one.max)
    return False
