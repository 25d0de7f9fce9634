"""Praise: lists and streams what customers praise, for the agent and for who manages the agent."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from matcher.errors import AgentNotFound, EventsForgotten
from matcher.model.praise import Praise, PraisePage, Readers
from matcher.model.resource_names import agent_name
from matcher.model.scope import Scope, scope_of_call
from matcher.replica.event_hub import Topic
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.watch import SIGN_SECONDS
from matcher.store.praise import PraiseStore


class PraiseService:
    """Read praise. Every method raises MatcherErrors, those of the store among them."""

    def __init__(self, store: PraiseStore, sites: SiteRegistry, *, sign_seconds: float = SIGN_SECONDS) -> None:
        self._store = store
        self._sites = sites
        self._sign_seconds = sign_seconds

    async def page(self, site: str, of: Readers, most: int, before: int | None) -> PraisePage:
        """List praise, the latest first, of numbers below `before`. Raises AgentNotFound."""
        replica, scope = await self._sites.replica(site), scope_of_call()
        return await self._store.page(site, _agents(replica, of, scope), most, before)

    async def watch(
        self, site: str, of: Readers, resume: int | None
    ) -> AsyncGenerator[tuple[Praise | None, int], None]:
        """Yield praise as it is recorded, each with its number; None: a sign of life.

        resume: the praise after this number comes first; None: only new praise. A sign of life comes first, and after
        every `sign_seconds` without praise. Raises AgentNotFound, and EventsForgotten where no praise has had that
        number: it is of a former site, or of a store that lost its last writes.
        """
        replica, scope = await self._sites.replica(site), scope_of_call()
        _agents(replica, of, scope)
        with replica.hub.watch(Topic.PRAISE, of.agent) as watcher:
            last = await self._store.last(site)
            number = last if resume is None else resume
            if number > last:
                raise EventsForgotten(str(number), last)
            yield None, number
            sent_at, changed = time.monotonic(), True
            while True:
                if changed:
                    replica = await self._sites.replica(site)  # another one, where the model has changed
                    praise, last = await self._store.after(site, _agents(replica, of, scope), number)
                    for words in praise:
                        sent_at = time.monotonic()
                        yield words, words.number
                    number = max(number, last)
                message = await watcher.next(max(0.0, sent_at + self._sign_seconds - time.monotonic()))
                changed = message is not None
                if message is None:
                    sent_at = time.monotonic()
                    yield None, number


def _agents(replica: SiteReplica, of: Readers, scope: Scope) -> dict[str, str]:
    """Return the agents whose praise is asked for, each with the uid, as far as they are in scope.

    A manager who signs in at an own desk reads the praise of all whom the manager manages. Raises AgentNotFound.
    """
    if of.manager:
        agents = replica.index.managed_by(of.manager)
        own = of.manager in scope.agents
        return {agent.id: agent.uid for agent in agents if own or scope.reaches(agent.profile.pools, agent.id)}
    agent = replica.index.agent(of.agent)
    if agent is None or not scope.reaches(agent.profile.pools, agent.id):
        raise AgentNotFound(agent_name(replica.site, of.agent))
    return {agent.id: agent.uid}
