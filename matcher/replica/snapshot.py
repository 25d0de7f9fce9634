"""A site as the store has it, read whole: what a replica begins with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

import structlog

from matcher.index import SiteIndex
from matcher.model import Pool
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.model_bundle import ModelBundle
from matcher.store.clock import Clock
from matcher.store.contacts import ContactStore, QueuePlace
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The agents of a site, ready to be searched; its pools; and who waits."""

    index: SiteIndex
    pools: dict[str, Pool]
    queue: Sequence[QueuePlace]


async def read_site(
    site: str, roster: RosterStore, contacts: ContactStore, matching: ModelBundle, clock: Clock
) -> Snapshot:
    """Read a site; interests that the model has no vectors of are encoded on the way."""
    started = time.monotonic()
    index = SiteIndex(matching.scorers.default, matching.encoder.dimension)
    after = ""
    while True:
        page = await roster.agent_ids(site, CHUNK, after)
        found = [agent for agent in await roster.agents(site, page.items) if agent is not None]
        holds = await roster.leases(site, [agent.id for agent in found], clock.now_ms())
        vectors = await ensure_vectors(roster, site, matching.encoder, found)
        for agent, held, rows in zip(found, holds, vectors, strict=True):
            index.put(replace(agent, holds=held), rows)
        if not page.next:
            break
        after = page.next
        log.info("reading the site", site=site, agents=len(index))
    pools: dict[str, Pool] = {}
    after = ""
    while True:
        pool_page = await roster.pools(site, CHUNK, after)
        pools |= {pool.id: pool for pool in pool_page.items}
        if not pool_page.next:
            break
        after = pool_page.next
    for pool in pools.values():
        await adopt_scorer(index, matching, pool)
    queue = await contacts.queue(site)
    seconds = round(time.monotonic() - started, 3)
    log.info("site read", site=site, agents=len(index), pools=len(pools), waiting=len(queue), seconds=seconds)
    return Snapshot(index, pools, queue)


async def adopt_scorer(
    index: SiteIndex, matching: ModelBundle, pool: Pool, wanted: Callable[[], bool] = lambda: True
) -> None:
    """Let the scorer that a pool names rank its contacts, once its agents' rows are ready, if it is still wanted."""
    scorer = await asyncio.to_thread(matching.scorers.serving, pool.policy.scorer)
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, index.prepared(pool.id, scorer))
        if wanted():
            index.set_scorer(pool.id, scorer)
