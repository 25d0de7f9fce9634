"""The board: the floor in order, as the page shows it; pure functions of what is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.web.console.pages.live.facts import AgentFacts, Held, Waiting
from matcher.web.console.pages.live.floor import Floor, News

STATES: Final = ("free", "offered", "talking", "wrapping", "draining", "away", "offline")
"""What an agent does, in the order of the page."""
WORDS: Final[Mapping[str, str]] = {
    "free": "free",
    "offered": "being offered",
    "talking": "talking",
    "wrapping": "wrapping up",
    "draining": "finishing",
    "away": "away",
    "offline": "offline",
}
MOST_TILES: Final = 1_000
MOST_WAITING: Final = 12


@dataclass(frozen=True, slots=True)
class Line:
    """An agent on the board. doing: channels of what the agent has; free_for: channels the agent can still take."""

    agent: str
    shown: str
    state: str
    doing: tuple[tuple[str, int], ...]
    since: float
    why: str
    free_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolBoard:
    """A pool: its agents by state, who waits, and why nobody answers, where nobody does."""

    pool: str
    shown: str
    counts: tuple[tuple[str, int], ...]
    free_for: tuple[tuple[str, int], ...]
    waiting: tuple[Waiting, ...]
    waits: int
    diagnosis: str
    lines: tuple[Line, ...]
    """Those that are shown."""
    hidden: int


@dataclass(frozen=True, slots=True)
class Board:
    """The page."""

    pools: tuple[PoolBoard, ...]
    counts: tuple[tuple[str, int], ...]
    agents: int
    known: bool
    """Whether the roster has been read."""
    waits: int
    more_waits: bool
    longest: float
    """Since when the first contact waits, in seconds since 1970; 0: none."""
    news: tuple[News, ...]
    refusals: tuple[News, ...]
    heard: int
    """Events since the page was first opened, those that `news` no longer has among them; refused: refusals of them."""
    refused: int
    names: Mapping[str, str]
    """The names that people see, of the agents in the news."""
    lag: float | None
    reads_contacts: bool
    channels: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    """All pools with the names that people see."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the board a visitor wants to see. only: "", a state, or "free:chat"; each "": everything."""

    pool: str = ""
    only: str = ""
    find: str = ""

    def has(self, line: Line) -> bool:
        """Return whether an agent is wanted."""
        if self.find and self.find.lower() not in line.shown.lower() and self.find.lower() not in line.agent:
            return False
        if self.only.startswith("free:"):
            return self.only.removeprefix("free:") in line.free_for
        return not self.only or line.state == self.only


def line_of(agent: AgentFacts, held: Sequence[Held]) -> Line:
    """Return an agent with what the agent does now."""
    state, since, why = agent.status, agent.changed, agent.reason
    does = {one.does for one in held}
    if agent.status in ("online", "draining") and does:
        state = next(state for state in ("offered", "talking", "wrapping") if state in does)
        since = min(one.since for one in held if one.does == state)
    elif agent.status == "online":
        state, since = "free", agent.idle_since or agent.changed
    if agent.status == "draining" and does:
        why = "takes no more after this"
    free_for = free_channels(agent, held)
    if state == "free" and not free_for:
        why = why or "has no capacity on any channel"
    doing = Counter(one.channel for one in held if one.channel)
    return Line(agent.agent, agent.shown, state, tuple(sorted(doing.items())), since, why, free_for)


def free_channels(agent: AgentFacts, held: Sequence[Held]) -> tuple[str, ...]:
    """Return the channels of which an agent can take one more contact now."""
    if agent.status != "online":
        return ()
    counted = [one for one in held if one.counts]
    load = sum(one.cost or agent.channels.get(one.channel, (agent.total, 0))[0] for one in counted)
    taken = Counter(one.channel for one in counted)
    return tuple(
        channel
        for channel, (cost, most) in sorted(agent.channels.items())
        if load + cost <= agent.total and (not most or taken[channel] < most)
    )


def board_of(floor: Floor, shown: Shown, lines: Mapping[str, Line] | None = None) -> Board:
    """Return the page of a floor. lines: of all agents, where they are known already."""
    lines = lines_of(floor) if lines is None else lines
    members: dict[str, list[Line]] = {pool: [] for pool in floor.pools}
    for agent in floor.agents.values():
        for pool in agent.pools:
            members.setdefault(pool, []).append(lines[agent.agent])
    waiting: dict[str, list[Waiting]] = {}
    for one in sorted(floor.waiting.values(), key=lambda one: (one.since, one.contact)):
        waiting.setdefault(one.pool, []).append(one)
        members.setdefault(one.pool, [])
    wanted = [pool for pool in sorted(members) if not shown.pool or pool == shown.pool]
    left = MOST_TILES
    pools = []
    for pool in wanted:
        made = _pool(pool, floor, members[pool], waiting.get(pool, []), shown, left)
        left -= len(made.lines)
        pools.append(made)
    lags = sorted(floor.lags)
    told = {news.agent for news in (*floor.news, *floor.refusals)}
    return Board(
        pools=tuple(pools),
        counts=_counts(lines.values()),
        agents=len(lines),
        known=bool(floor.agents_at),
        waits=len(floor.waiting),
        more_waits=floor.more_waiting,
        longest=min((one.since for one in floor.waiting.values()), default=0.0),
        news=tuple(floor.news),
        refusals=tuple(floor.refusals),
        heard=floor.heard,
        refused=floor.refused,
        names={agent: floor.agents[agent].shown for agent in told if agent in floor.agents},
        lag=lags[len(lags) // 2] if lags else None,
        reads_contacts=floor.reads_contacts,
        channels=tuple(sorted({channel for agent in floor.agents.values() for channel in agent.channels})),
        choices=tuple((pool, floor.pools.get(pool) or pool) for pool in sorted(members)),
    )


def lines_of(floor: Floor) -> dict[str, Line]:
    """Return the lines of all agents, by agent."""
    by_agent: dict[str, list[Held]] = {}
    for one in floor.held.values():
        by_agent.setdefault(one.agent, []).append(one)
    return {agent.agent: line_of(agent, by_agent.get(agent.agent, ())) for agent in floor.agents.values()}


def diagnosis_of(lines: Sequence[Line], agents: Mapping[str, AgentFacts], waiting: Sequence[Waiting]) -> str:
    """Return why contacts of a pool wait, or why nobody could answer; "" where all is well."""
    if not lines:
        return "No agent is in this pool." if waiting else ""
    able = [line for line in lines if line.state not in ("away", "offline", "draining")]
    if not able:
        return f"Nobody is online: {_listed(_counts(lines))}{_why_away(lines)}."
    if not waiting:
        return ""
    if not any(line.free_for for line in able):
        others = [line for line in lines if line not in able]
        rest = f"; {_listed(_counts(others))}{_why_away(others)}" if others else ""
        return f"All {len(able)} who are online are taken: {_listed(_counts(able))}{rest}."
    first = waiting[0]
    lacks: Counter[str] = Counter()
    for line in able:
        lacks[_lack(agents[line.agent], line, first)] += 1
    if lacks[""]:
        return ""
    return f"Of {len(able)} who are online, {_listed(tuple(lacks.most_common()))} (for the contact that waits longest)."


def _lack(agent: AgentFacts, line: Line, contact: Waiting) -> str:
    if contact.only_agent and contact.only_agent != agent.agent:
        return "are not the agent whom a transfer names"
    if contact.channel and contact.channel not in agent.channels:
        return f"do not take {contact.channel}"
    if contact.language and contact.language not in agent.languages:
        return f"do not speak “{contact.language}”"
    for skill, level in contact.skills:
        if agent.skills.get(skill, 0) < level:
            return f"lack the skill “{skill}” at level {level}"
    return "" if not contact.channel or contact.channel in line.free_for else "have no free capacity now"


def _pool(
    pool: str, floor: Floor, members: Sequence[Line], waiting: Sequence[Waiting], shown: Shown, left: int
) -> PoolBoard:
    wanted = [line for line in members if shown.has(line)]
    kept = _first(wanted, left)
    free_for = Counter(channel for line in members for channel in line.free_for)
    return PoolBoard(
        pool=pool,
        shown=floor.pools.get(pool) or pool,
        counts=_counts(members),
        free_for=tuple(sorted(free_for.items())),
        waiting=tuple(waiting[:MOST_WAITING]),
        waits=len(waiting),
        diagnosis=diagnosis_of(members, floor.agents, waiting),
        lines=tuple(sorted(kept, key=lambda line: (line.shown.lower(), line.agent))),
        hidden=len(wanted) - len(kept),
    )


def _first(lines: Sequence[Line], most: int) -> Sequence[Line]:
    """Return the agents that are shown where not all can be: those at work before those who are away."""
    if len(lines) <= most:
        return lines
    here = [line for line in lines if line.state not in ("away", "offline")]
    return [*here, *(line for line in lines if line.state in ("away", "offline"))][: max(0, most)]


def _counts(lines: Iterable[Line]) -> tuple[tuple[str, int], ...]:
    counts = Counter(line.state for line in lines)
    return tuple((state, counts[state]) for state in STATES if counts[state])


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{number} {WORDS.get(state, state)}" for state, number in counts)


def _why_away(lines: Iterable[Line]) -> str:
    reasons = Counter(line.why for line in lines if line.state == "away" and line.why)
    return f" ({', '.join(f'{number}: {why}' for why, number in reasons.most_common(3))})" if reasons else ""
