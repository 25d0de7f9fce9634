"""The messages of a demo: reads them from a file, routes them, and sums up their latencies."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matcher.cli.session import CommandError
from matcher.client import MatcherClient
from matcher.evaluation.suite import SuiteWrong, read_suite
from matcher.v1 import routing_pb2 as pb


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """A message, its requirements, and the ids of its right agents where a suite names them."""

    text: str
    channel: str = ""
    language: str = ""
    required_skills: Mapping[str, int] = field(default_factory=dict)
    customer_interests: Sequence[str] = ()
    relevant: frozenset[str] = frozenset()


def read_messages(path: Path) -> Sequence[DemoMessage]:
    """Return the messages of a file of JSON lines; raise CommandError at the first line that is not a message."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8") from None
    return [_message(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def suite_messages(folder: Path) -> Sequence[DemoMessage]:
    """Return the messages of a suite that are not sealed; raise CommandError where the suite cannot be read."""
    try:
        return [DemoMessage(message.text, relevant=message.relevant) for message in read_suite(folder).messages]
    except SuiteWrong as error:
        raise CommandError(str(error)) from None


def _message(path: Path, number: int, line: str) -> DemoMessage:
    try:
        record = json.loads(line)
        return DemoMessage(
            text=record.get("text", "") if record.get("customer_interests") else record["text"],
            channel=record.get("channel", ""),
            language=record.get("language", ""),
            required_skills=record.get("required_skills", {}),
            customer_interests=record.get("customer_interests", ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"{path} line {number} is not a message") from None


async def route(client: MatcherClient, message: DemoMessage) -> tuple[pb.RouteMessageResponse, float]:
    """Route a message, accept the reservation at once, and return the answer with its latency in seconds."""
    start = time.perf_counter()
    answer = await client.route(
        message.text,
        channel=message.channel,
        language=message.language,
        required_skills=message.required_skills,
        customer_interests=message.customer_interests,
        auto_accept=True,
        explain_unmatched=True,
    )
    return answer, time.perf_counter() - start


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of latencies, in milliseconds; 0 where there are none."""
    if not seconds:
        return 0.0
    return 1000 * sorted(seconds)[max(0, math.ceil(share * len(seconds)) - 1)]


def latencies(seconds: Sequence[float]) -> str:
    """Return the latencies in words, for the last line of a demo."""
    return f"latency p50 {percentile(seconds, 0.5):.1f} ms, p99 {percentile(seconds, 0.99):.1f} ms"
