"""The store of heartbeats, and of the timers of waits, heartbeats and idle conversations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from matcher.errors import AgentNotFound
from matcher.model.lifecycle import AgentStatus
from matcher.model.resource_names import agent_name
from matcher.model.scope import EVERYTHING, Scope
from matcher.store import verbs
from matcher.store.codecs import pairs_of
from matcher.store.keys import TIMER_BEAT, TIMER_CONTACT, TIMER_IDLE, Keys
from matcher.store.redis.client import StoreClient


class TimerKind(StrEnum):
    """What ends at a timer's time: a contact's wait, an agent's heartbeat, or the activity of a conversation."""

    CONTACT = TIMER_CONTACT
    BEAT = TIMER_BEAT
    IDLE = TIMER_IDLE


@dataclass(frozen=True, slots=True)
class Timer:
    """A deadline that is not a reservation's; `id` is the contact's, the agent's or the reservation's."""

    kind: TimerKind
    id: str
    due_ms: int

    @property
    def key(self) -> str:
        """Return the timer's name among the site's timers."""
        return self.kind + self.id


class Beat(NamedTuple):
    """Until when a heartbeat counts (ms), the agent's status, and whether it set the agent AWAY."""

    until_ms: int
    status: AgentStatus
    away: bool


class PresenceStore:
    """Note heartbeats, and read timers."""

    def __init__(self, connection: StoreClient, events_kept: int) -> None:
        self._connection = connection
        self._events_kept = events_kept

    async def beat(self, site: str, agent: str, ttl_ms: int, return_within_ms: int, scope: Scope = EVERYTHING) -> Beat:
        """Note a heartbeat of an agent's desk. Raises AgentNotFound, also where the caller does not reach the agent.

        return_within_ms: after a longer silence the heartbeat alone does not bring the agent back.
        """
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.Beat(
                life=keys.life,
                agent=keys.agent(agent),
                timers=keys.timers,
                roster=keys.roster,
                load=keys.load,
                waiting=keys.waiting,
                agent_id=agent,
                ttl_ms=ttl_ms,
                return_within_ms=return_within_ms,
                events_kept=self._events_kept,
                scope=scope.packed(agent),
            )
        )
        if answer[0] != b"ok":
            raise AgentNotFound(agent_name(site, agent))
        return Beat(int(answer[1]), AgentStatus(answer[2].decode()), away=answer[3] == b"away")

    async def miss_beat(self, site: str, agent: str) -> bool:
        """Set an agent AWAY whose desk sends no heartbeat; return whether this call did."""
        keys = Keys(site)
        answer = await self._connection.verb(
            verbs.MissBeat(
                life=keys.life,
                agent=keys.agent(agent),
                timers=keys.timers,
                roster=keys.roster,
                agent_id=agent,
                events_kept=self._events_kept,
            )
        )
        return bool(answer[0] == b"away")

    async def timers(self, site: str, most: int) -> list[Timer]:
        """Read the timers, the earliest first; ignore timers of a kind that this version does not know."""
        members = await self._connection.run("ZRANGE", Keys(site).timers, 0, most - 1, "WITHSCORES")
        timers = (_timer(member.decode(errors="replace"), int(due)) for member, due in pairs_of(members))
        return [timer for timer in timers if timer is not None]

    async def forget(self, site: str, timer: Timer) -> None:
        """Remove a timer whose contact, agent or reservation is forgotten."""
        await self._connection.run("ZREM", Keys(site).timers, timer.key)


def _timer(member: str, due_ms: int) -> Timer | None:
    kind, bar, identifier = member.partition("|")
    return Timer(TimerKind(kind + bar), identifier, due_ms) if kind + bar in set(TimerKind) else None
