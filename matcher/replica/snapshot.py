"""Snapshot of a site: everything that the store has of it, with which a replica begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from matcher.index import SiteIndex
from matcher.model import Pool
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.model_bundle import ModelBundle
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore, QueuePlace
from matcher.store.pages import every_page
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The agents of a site, ready to be searched; its pools; and its queue."""

    index: SiteIndex
    pools: dict[str, Pool]
    queue: Sequence[QueuePlace]


async def read_site(
    site: str, roster: RosterStore, contacts: ContactStore, matching: ModelBundle, clock: Clock
) -> Snapshot:
    """Read a site; interests without vectors of the model are encoded, and their vectors stored."""
    started = time.monotonic()
    index = SiteIndex(matching.scorers.default, matching.encoder.dimension)
    async for ids in every_page(lambda after: roster.agent_ids(site, PAGE, after)):
        agents = [agent for agent in await roster.agents(site, ids.items) if agent is not None]
        holds = await roster.holds(site, [agent.id for agent in agents], clock.now_ms())
        vectors = await ensure_vectors(roster, site, matching.encoder, agents)
        for agent, own_holds, rows in zip(agents, holds, vectors, strict=True):
            index.put(replace(agent, holds=own_holds), rows)
        if ids.next:
            log.info("reading the site", site=site, agents=len(index))
    pools = {
        pool.id: pool async for page in every_page(lambda after: roster.pools(site, PAGE, after)) for pool in page.items
    }
    for pool in pools.values():
        await matching.adopt_scorer(index, pool)
    queue = await contacts.queue(site)
    seconds = round(time.monotonic() - started, 3)
    log.info("site read", site=site, agents=len(index), pools=len(pools), waiting=len(queue), seconds=seconds)
    return Snapshot(index, pools, queue)
