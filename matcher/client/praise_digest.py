"""Digest of praise: the words of some days as text, by agent, ready to be sent to the agent or the manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from matcher.v1 import feedback_pb2 as pb


def beginning(until: datetime, days: int) -> datetime:
    """Return when the first of `days` days (UTC) began, the day of `until` among them."""
    return until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


def lines_of(
    by_agent: Mapping[str, Sequence[pb.Praise]], names: Mapping[str, str], since: datetime, until: datetime
) -> list[str]:
    """Return praise by agent's id, the latest first, as lines: each agent with the words, the earliest first."""
    lines = [f"What customers praised, {since:%d %B} to {until:%d %B %Y}"]
    for agent in sorted(by_agent, key=lambda one: (-len(by_agent[one]), one)):
        lines += ["", f"{names[agent]} ({len(by_agent[agent])})"]
        lines += [f"  - {' '.join(words.text.split())}" for words in reversed(by_agent[agent])]
    if not by_agent:
        lines += ["", "Nothing was passed on in this time."]
    return lines
