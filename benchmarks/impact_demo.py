"""A simulated month of a comparison, `make impact-demo`: routed by the real service, then report and plots.

The example roster serves 6,000 contacts, 30 % of them control; what becomes of each is drawn, with planted effects of
the affinity of the agent who served it. Writes build/impact.json: n, difference, low and high by outcome, and what was
planted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.impact_month import SOURCE, TRUTHS, draw, recorded, stretch
from benchmarks.sizes import ROOT
from matcher.cli.demo_messages import DemoMessage, read_messages
from matcher.cli.demo_service import running_service
from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.import_command import send_rows
from matcher.cli.progress import steps
from matcher.cli.session import Session
from matcher.client import MatcherClient
from matcher.files.roster_file import read_roster
from matcher.v1 import feedback_pb2, impact_pb2, roster_pb2
from matcher.v1 import routing_pb2 as pb

SEED: Final = 22
DAYS: Final = 30
CONTROL_SHARE: Final = 0.3
CUSTOMERS: Final = 2_000
BY_HAND: Final = 0.02
"""The share of contacts that a supervisor assigns."""
AT_ONCE: Final = 40
"""Conversations at once, of 60 agents who have one each: a busy house, in which contacts that need a skill wait."""
CONVERSATION_SECONDS: Final = 0.4
COVERAGE_SECONDS: Final = 90
"""What was heard is written by the minute."""
ONE_EACH: Final = [roster_pb2.ChannelCapacity(channel=name, cost=1) for name in ("chat", "voice", "email")]
RECORDED_AT_ONCE: Final = 200
LEDGER_SECONDS: Final = 120
"""How long the ledger may take for what waits in the store."""


@dataclass(frozen=True, slots=True)
class Served:
    """A conversation that is over: its contact and decision, and what the customer brought along."""

    contact: str
    decision: pb.Decision
    affinity: float
    mood: float

    @property
    def is_compared(self) -> bool:
        """Return whether the contact is of the main estimate."""
        return self.decision.part == pb.PART_TOOK_PART and self.decision.would_be_basis == pb.AFFINITY


class Month:
    """The contacts of a month, and what becomes of them."""

    def __init__(self, client: MatcherClient, messages: Sequence[DemoMessage], agents: Sequence[str]) -> None:
        self._client = client
        self._messages = messages
        self._agents = agents
        self._random = np.random.default_rng(SEED)
        self._moods = self._random.normal(0, 1, CUSTOMERS)
        self._unrecorded: list[feedback_pb2.RecordOutcomeRequest] = []
        self.served: list[Served] = []
        self.recorded = 0

    async def play(self, contacts: int, on_contact: Callable[[], None]) -> None:
        """Serve so many contacts, some at once, and record what becomes of them."""
        numbers = iter(range(contacts))

        async def one_after_another() -> None:
            for _ in numbers:
                await self._serve()
                on_contact()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(one_after_another())
        await self._record()

    async def _serve(self) -> None:
        message = self._messages[int(self._random.integers(len(self._messages)))]
        customer = int(self._random.integers(CUSTOMERS))
        seconds = float(self._random.exponential(CONVERSATION_SECONDS))
        by_hand = self._random.random() < BY_HAND
        reservation = await (self._assign(message) if by_hand else self._route(message, f"customer {customer}"))
        if reservation is None:
            return
        decision = await self._client.decision(reservation.decision)
        await asyncio.sleep(seconds)
        # Agents believe of nearly every concern that it is resolved; the survey outranks them.
        await self._client.complete(reservation.name, resolved=bool(self._random.random() < 0.97))
        affinity = next((one.affinity for one in decision.candidates if one.agent == decision.agent), 0.0)
        served = Served(decision.contact, decision, affinity, float(self._moods[customer]))
        self.served.append(served)
        outcome = draw(self._random, affinity, served.mood)
        if outcome != feedback_pb2.Outcome(source=SOURCE):
            self._unrecorded.append(feedback_pb2.RecordOutcomeRequest(contact=served.contact, outcome=outcome))
        if len(self._unrecorded) >= RECORDED_AT_ONCE:
            await self._record()

    async def _route(self, message: DemoMessage, customer: str) -> pb.Reservation | None:
        """Return the reservation of an agent who has accepted the contact; None where the contact waited in vain."""
        answer = await self._client.route(
            message.text,
            channel=message.channel,
            language=message.language,
            required_skills=message.required_skills,
            customer_interests=message.customer_interests,
            customer=customer,
            auto_accept=True,
            wait=True,
        )
        if answer.WhichOneof("outcome") == "reservation":
            return answer.reservation
        async for event in self._client.watch_contact(answer.contact):
            if event.reservation:
                return await self._client.accept(event.reservation)
        return None

    async def _assign(self, message: DemoMessage) -> pb.Reservation | None:
        agent = self._agents[int(self._random.integers(len(self._agents)))]
        number = int(self._random.integers(10**12))
        answer = await self._client.assign(
            f"by-hand-{number}",
            agent,
            text=message.text,
            customer_interests=message.customer_interests,
            accepted=True,
            over_capacity=True,
            reason="the customer asked for her",
        )
        return answer.reservation

    async def _record(self) -> None:
        requests, self._unrecorded = self._unrecorded, []
        for start in range(0, len(requests), RECORDED_AT_ONCE):
            results = await self._client.record_outcomes(requests[start : start + RECORDED_AT_ONCE])
            failed = [result.status for result in results if result.HasField("status")]
            assert not failed, failed[0]
            self.recorded += sum(len(result.response.recorded) for result in results)


def planted(served: Sequence[Served], kind: str) -> float:
    """Return the difference that was planted: of the expected means of the arms, given who served whom."""
    expected = TRUTHS[kind].expected
    means = [
        np.mean([expected(one.affinity, 0.0) for one in served if one.is_compared and one.decision.arm == arm])
        for arm in (pb.ARM_TREATMENT, pb.ARM_CONTROL)
    ]
    return float(means[0] - means[1])


def figures(report: impact_pb2.ImpactReport, served: Sequence[Served]) -> dict[str, object]:
    """Return the content of build/impact.json."""
    (pool,) = report.pools
    document: dict[str, object] = {"contacts": pool.contacts, "compared": pool.compared_contacts}
    for outcome in pool.outcomes:
        found = outcome.difference
        has_interval = found.HasField("low")
        document[outcome.kind] = {
            "n": found.treatment_outcomes + found.control_outcomes,
            "difference": found.difference,
            "low": found.low if has_interval else None,
            "high": found.high if has_interval else None,
            "planted": planted(served, outcome.kind),
        }
    return document


async def matcher(*arguments: str) -> None:
    """Run a command of the command line, and show what it prints."""
    print(f"\n$ matcher {' '.join(arguments)}", flush=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "matcher.cli", *arguments)
    assert await process.wait() == 0, arguments


async def play(options: argparse.Namespace) -> None:
    """Play the month, and show it."""
    session = Session()
    begun = time.monotonic()
    rows = read_roster(
        read_bytes(str(ROOT / "examples/agents.jsonl")), form_of("agents.jsonl", None), "default", roster_pb2.ONLINE
    ).good
    with tempfile.TemporaryDirectory(prefix="matcher-impact-") as folder:
        ledger = Path(folder) / "ledger.sqlite"
        settings = {"MATCHER_LEDGER_URL": f"sqlite:///{ledger}"}
        async with running_service(lambda step: session.note(f"  {step}", style="dim"), settings) as service:
            session = replace(session, target=service.target)
            for row in rows:
                row.agent.capacity.CopyFrom(roster_pb2.Capacity(total=1, channels=ONE_EACH))
            await send_rows(session, rows, "importing agents")
            async with session.client() as client:
                await client.update_pool(roster_pb2.Pool(name="default", control_share=CONTROL_SHARE, listening=True))
                messages = read_messages(ROOT / "examples/messages.jsonl")
                month = Month(client, messages, [row.agent_id for row in rows if row.agent.status == roster_pb2.ONLINE])
                with steps(session.err, "serving contacts", options.contacts) as step:
                    await month.play(options.contacts, step)
                for _ in range(LEDGER_SECONDS):
                    if recorded(ledger) == month.recorded:
                        break
                    await asyncio.sleep(1)
                assert recorded(ledger) == month.recorded
                stretch(ledger, DAYS, time.time_ns() // 1_000_000)
                report = await client.impact_report()
                heard = False
                for _ in range(COVERAGE_SECONDS):
                    if heard := bool((await client.coverage("default")).entries):
                        break
                    await asyncio.sleep(1)
            document = figures(report, month.served)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(document, indent=2) + "\n")
            place = ("--server", service.target)
            await matcher("impact", "--by", "band", "--plot", str(options.out.with_suffix("")), *place)
            await matcher("impact", "plan", "resolved=3", "csat=0.1", "nps=5", *place)
            drawn = ("--plot", str(options.out.with_name("coverage.png"))) if heard else ()
            await matcher("coverage", *drawn, *place)
    _show(session, document)
    session.note(f"wrote {options.out}; all in {time.monotonic() - begun:.0f} s", style="dim")


def _show(session: Session, document: dict[str, object]) -> None:
    """Print what was planted beside what was found."""
    session.say("\nplanted, and found:")
    for kind, found in document.items():
        if isinstance(found, dict):
            low, high, truth = found["low"], found["high"], found["planted"]
            said = "no interval yet" if low is None else f"{low:+.3f} to {high:+.3f}"
            holds = "" if low is None else ", holds it" if low <= truth <= high else ", MISSES IT"
            session.say(f"  {kind}: planted {truth:+.3f}; n {found['n']}, {found['difference']:+.3f}, {said}{holds}")
            assert math.isfinite(truth)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.impact_demo", description=__doc__)
    parser.add_argument("--contacts", type=int, default=6_000)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "impact.json")
    asyncio.run(play(parser.parse_args()))


if __name__ == "__main__":
    main()
