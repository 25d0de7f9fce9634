"""The planted bugs of the service's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.chaos.patches import Bug, bug
from benchmarks.chaos.verdict import Law

_WAITING_QUEUE: Final = "matcher/replica/waiting_queue.py"
_REPLICA: Final = "matcher/replica/site_replica.py"
_EXPIRY: Final = "matcher/services/expiry.py"
_PUBLISH: Final = "                self.hub.publish(event)\n"

OF_SERVICE: Final[Mapping[str, Bug]] = {
    "the last one in the queue is served first": bug(
        _WAITING_QUEUE,
        "in merge(*self._by_pool.values()))",
        "in reversed(list(merge(*self._by_pool.values()))))",
        "crowd",
        Law.OVERTAKEN,
    ),
    "deadlines are written three seconds late": bug(
        _EXPIRY,
        "(due + GRACE_MS - self._clock.now_ms()) / 1000)",
        "(due + GRACE_MS - self._clock.now_ms()) / 1000 + 3)",
        "slow desks",
        Law.LATE,
    ),
    "a wait does not end": bug(
        _EXPIRY,
        "await self._contacts.leave(site, timer.id, Cause.WAIT_EXPIRED)",
        "pass",
        "short waits",
        Law.LATE,
        Law.LOST,
    ),
    "freed capacity wakes nobody": bug(
        _WAITING_QUEUE,
        "            self._freed[agent] = at_ms\n            self.changed.set()\n",
        "            pass\n",
        "sparse",
        Law.LATE,
        Law.LOST,
    ),
    "a requirement that lapsed is not noticed": bug(
        "matcher/routing/queue_dispatcher.py",
        "self.wake_ms = min(self.wake_ms, at_ms)",
        "pass",
        "relaxing",
        Law.LATE,
        Law.LOST,
    ),
    "a process does not hear that capacity is free": bug(
        _REPLICA,
        "                self.index.free(agent, reservation, idle_since_ms)\n                self.queue.note_free",
        "                self.queue.note_free",
        "sparse pair",
        Law.LATE,
        Law.LOST,
    ),
    "a watch misses steps": bug(
        _REPLICA,
        _PUBLISH,
        f"                if event.sequence % 3:\n    {_PUBLISH}",
        "plain",
        Law.UNTOLD,
        Law.LOST,
    ),
    "a watch hears steps twice": bug(
        "matcher/services/watch.py",
        "                        yield message, place\n",
        "                        yield message, place\n                        yield message, place\n",
        "plain",
        Law.UNTOLD,
    ),
    "a list shows the agents of another site": bug(
        "matcher/rpc/roster_servicer.py",
        "page = await self._agents.agents(site, most,",
        'page = await self._agents.agents("north", most,',
        "plain",
        Law.TENANT,
        Law.GONE,
    ),
    "a list shows the reservations of another site": bug(
        "matcher/rpc/routing_servicer.py",
        "page = await self._reservations.reservations(site, agent,",
        'site = "north"\n        page = await self._reservations.reservations(site, agent,',
        "plain",
        Law.TENANT,
    ),
    "a write that is forbidden inside a function is INTERNAL": bug(
        "matcher/store/redis/failover.py",
        '    "ACL failure in script",',
        '    "never said",',
        "writing forbidden",
        Law.UNKNOWN,
    ),
    "health does not see that nothing can be written": bug(
        "matcher/server/readiness.py",
        "elif client.kind is not StoreKind.CLUSTER and (why := refusal()):",
        'elif (why := ""):',
        "no replicas",
        Law.HEALTH,
    ),
    "health does not come back": bug(
        "matcher/rpc/health.py",
        "        if self.stopping.is_set():\n            return\n        await self.servicer.set_all(",
        '        self.bad = getattr(self, "bad", False) or (not serving and "store" in why)\n'
        "        serving = serving and not self.bad\n        await self.servicer.set_all(",
        "store paused",
        Law.HEALTH,
    ),
}
"""Each bug by what a person would see of it."""
