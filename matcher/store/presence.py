"""Heartbeats, and the other deadlines that are not a reservation's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from matcher.errors import AgentNotFound
from matcher.model.lifecycle import AgentStatus
from matcher.model.resource_names import agent_name
from matcher.store.codecs import pairs_of
from matcher.store.keys import TIMER_BEAT, TIMER_CONTACT, TIMER_IDLE, Keys
from matcher.store.redis.client import StoreClient


class TimerKind(StrEnum):
    """What a timer is for."""

    CONTACT = TIMER_CONTACT
    BEAT = TIMER_BEAT
    IDLE = TIMER_IDLE


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that ends at a time: a contact's wait, an agent's heartbeat, a conversation's liveliness."""

    kind: TimerKind
    id: str
    due_ms: int


class PresenceStore:
    """Note heartbeats and read what is due."""

    def __init__(self, connection: StoreClient, events_kept: int) -> None:
        self._connection = connection
        self._events = events_kept

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        """Note that an agent's desk is alive; return until when that counts, and the status. Raises AgentNotFound."""
        keys = Keys(site)
        answer = await self._connection.verb(
            "beat",
            [keys.agent(agent), keys.timers, keys.roster, keys.load, keys.waiting],
            [agent, ttl_ms, self._events],
        )
        if answer[0] != b"ok":
            raise AgentNotFound(agent_name(site, agent))
        return int(answer[1]), AgentStatus(answer[2].decode())

    async def miss_beat(self, site: str, agent: str) -> bool:
        """Send an agent away whose desk is silent; tell whether this call did."""
        keys = Keys(site)
        answer = await self._connection.verb(
            "miss_beat", [keys.agent(agent), keys.timers, keys.roster], [agent, self._events]
        )
        return bool(answer[0] == b"away")

    async def timers(self, site: str, most: int) -> list[Timer]:
        """Read the timers, the earliest first."""
        found = await self._connection.run("ZRANGE", Keys(site).timers, 0, most - 1, "WITHSCORES")
        return [_timer(member.decode(), int(due)) for member, due in pairs_of(found)]

    async def forget(self, site: str, timer: Timer) -> None:
        """Take a timer away whose subject is forgotten."""
        await self._connection.run("ZREM", Keys(site).timers, timer.kind + timer.id)


def _timer(member: str, due_ms: int) -> Timer:
    kind, bar, identifier = member.partition("|")
    return Timer(TimerKind(kind + bar), identifier, due_ms)
