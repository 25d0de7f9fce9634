"""Words of the praise page: what was said of whom, and the digest of the week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from matcher.client.praise_digest import beginning, lines_of
from matcher.v1 import feedback_pb2 as pb
from matcher.web.console.render import last_part

DAYS = 7


@dataclass(frozen=True, slots=True)
class Said:
    """Praise as it is shown. day: when it was recorded; until: the day on which it is removed."""

    agent: str
    name: str
    text: str
    source: str
    day: str
    until: str


@dataclass(frozen=True, slots=True)
class Week:
    """The praise of seven days: how often each agent was praised, and the digest as text."""

    counts: tuple[tuple[str, int], ...]
    text: str


def said(praise: Iterable[pb.Praise], names: Mapping[str, str]) -> tuple[Said, ...]:
    """Return praise as it is shown, in its order; names: of agents by id."""
    return tuple(
        Said(
            agent=last_part(one.agent),
            name=names.get(last_part(one.agent)) or last_part(one.agent),
            text=one.text,
            source=one.source,
            day=_day(one.time.ToDatetime(tzinfo=UTC)),
            until=_day(one.expire_time.ToDatetime(tzinfo=UTC)),
        )
        for one in praise
    )


def week(praise: Sequence[pb.Praise], names: Mapping[str, str], until: datetime) -> Week:
    """Return the week that ends at a moment; praise: the latest first."""
    since = beginning(until, DAYS)
    by_agent: defaultdict[str, list[pb.Praise]] = defaultdict(list)
    for one in praise:
        if one.time.ToDatetime(tzinfo=UTC) >= since:
            by_agent[last_part(one.agent)].append(one)
    known = {agent: names.get(agent) or agent for agent in by_agent}
    counts = tuple((known[agent], len(by_agent[agent])) for agent in sorted(by_agent, key=lambda a: -len(by_agent[a])))
    return Week(counts, "\n".join(lines_of(by_agent, known, since, until)) + "\n")


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
