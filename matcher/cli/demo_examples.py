"""The demo on the example roster: a row for every message with the agent who was reserved, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matcher.cli import tables
from matcher.cli.candidate_tables import words_met
from matcher.cli.demo_messages import DemoMessage, latencies, percentile, route
from matcher.cli.demo_table import demo_table
from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.cli.terminal_text import visible
from matcher.client import MatcherClient
from matcher.v1 import roster_pb2, routing_pb2

DEFAULT_CHANNEL = "chat"
WORDLESS = "(a call, without a word)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one message, as the cells of its row."""

    message: str
    agent: str
    affinity: str
    words: str
    interest: str
    basis: str
    note: str


async def route_examples(session: Session, messages: Sequence[DemoMessage]) -> None:
    """Route the messages one after another, keep every reservation, and print a row for each message."""
    outcomes: list[Outcome] = []
    seconds: list[float] = []
    async with session.client() as client:
        with steps(session.err, "routing messages", len(messages)) as step:
            for message in messages:
                best_of_all = await _best_of_all(client, message)
                answer, latency = await route(client, message)
                seconds.append(latency)
                outcomes.append(await _outcome(client, message, answer, best_of_all))
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
    session.show(demo_table("better, not available", rows))
    session.say("")
    unmatched = counts["unmatched"]
    session.say(
        f"{len(messages)} messages: {counts['AFFINITY']} held by affinity, {counts['FALLBACK']} by fall-back, "
        f"{unmatched} unmatched; for {missed} the best match was offline or full · {latencies(seconds)}"
    )


async def _best_of_all(client: MatcherClient, message: DemoMessage) -> routing_pb2.Candidate:
    """Return the best candidate if every agent were free; an empty candidate where the message meets no interest."""
    answer = await client.suggest(
        message.text,
        channel=message.channel,
        language=message.language,
        required_skills=message.required_skills,
        customer_interests=message.customer_interests,
        max_candidates=1,
        ignore_availability=True,
    )
    by_affinity = answer.candidates and answer.basis == routing_pb2.AFFINITY
    return answer.candidates[0] if by_affinity else routing_pb2.Candidate()


async def _outcome(
    client: MatcherClient,
    message: DemoMessage,
    answer: routing_pb2.RouteMessageResponse,
    best_of_all: routing_pb2.Candidate,
) -> Outcome:
    text = visible(message.text) or WORDLESS
    note = (
        await _why_not(client, best_of_all.agent, message) if best_of_all.affinity > answer.candidate.affinity else ""
    )
    if answer.WhichOneof("outcome") == "unmatched":
        reason = tables.NOBODY.get(answer.unmatched.reason, "")
        return Outcome(text, "", "", "", reason, "unmatched", note)
    candidate = answer.candidate
    basis = routing_pb2.Basis.Name(answer.reservation.basis)
    by_affinity = answer.reservation.basis == routing_pb2.AFFINITY
    met = [reason for reason in candidate.reasons[:1] if by_affinity and not reason.weak]
    return Outcome(
        text,
        visible(candidate.display_name),
        f"{candidate.affinity:.2f}",
        words_met(met, message.text, message.customer_interests),
        " ".join(visible(reason.interest) for reason in met),
        basis,
        note,
    )


async def _why_not(client: MatcherClient, name: str, message: DemoMessage) -> str:
    """Return the agent who matched best and why it was not free; "" where it was free and fairness chose another."""
    agent = await client.agent(name)
    if agent.status != roster_pb2.ONLINE:
        why = roster_pb2.AgentStatus.Name(agent.status).lower()
    elif _full(agent, message.channel or DEFAULT_CHANNEL):
        why = "full"
    else:
        return ""
    return f"{visible(agent.display_name)}, {why}"


def _full(agent: roster_pb2.Agent, channel: str) -> bool:
    for limit in agent.capacity.channels:
        if limit.channel == channel:
            held = sum(1 for hold in agent.holds if hold.channel == channel)
            return agent.load + limit.cost > agent.capacity.total or (limit.max > 0 and held >= limit.max)
    return False
