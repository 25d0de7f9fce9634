"""The auditor of a site: compares records that must agree, slice by slice, and has those repaired that do not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from matcher.aio import BackgroundTasks, cancel_and_wait
from matcher.errors import MatcherError
from matcher.model import Page
from matcher.replica.site_replica import SiteReplica
from matcher.store.audit import AuditStore, Repair, RepairKind
from matcher.store.pages import every_page
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0
"""From the end of a pass to the next one: a leaked hold costs capacity for about a minute, not for hours."""
SLICE: Final = 200
"""Records that are read at once: a pipeline of 200 short reads takes the store less than a millisecond."""
SLICE_PAUSE_SECONDS: Final = 0.05
"""Between two slices, so that a pass takes less than 5 % of a core of the store, whatever the size of the site."""
LEASE_MS: Final = 90_000
"""The process that has the audit lease audits the site; another process takes over after this time."""


class Auditor:
    """Audit one site again and again while this process has the site's audit lease.

    Two auditors of one site do no harm: each repair is one verb, which finds nothing to repair the second time.
    """

    def __init__(
        self,
        replica: SiteReplica,
        store: AuditStore,
        roster: RosterStore,
        on_repair: Callable[[RepairKind], None] = lambda _: None,
        on_pass: Callable[[], None] = lambda: None,
        tasks: BackgroundTasks | None = None,
    ) -> None:
        """on_repair: called for each repair. on_pass: called after each pass over the whole site."""
        self._replica = replica
        self._site = replica.site
        self._store = store
        self._roster = roster
        self._on_repair = on_repair
        self._on_pass = on_pass
        self._process = secrets.token_hex(8)
        self._leads = False
        self._task = (tasks or BackgroundTasks()).start(f"audit {replica.site}", self._run)

    async def close(self) -> None:
        """Stop, and leave the audit lease to another process."""
        await cancel_and_wait(self._task)
        if self._leads:
            with suppress(MatcherError):
                await self._store.lead(self._site, self._process, 1)

    async def _run(self) -> None:
        while not self._replica.removed:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                if self._replica.caught_up and await self._has_lease():
                    await self.audit()
            except MatcherError as fault:
                log.warning("the audit waits for the store", site=self._site, why=str(fault))

    async def audit(self) -> list[Repair]:
        """Compare all records of the site once; return what was repaired. Stops early where the lease is lost."""
        repairs: list[Repair] = []
        for part in (self._audit_agents, self._audit_deadlines, self._audit_queue):
            if not await part(repairs):
                return repairs
        self._on_pass()
        return repairs

    async def _has_lease(self) -> bool:
        self._leads = await self._store.lead(self._site, self._process, LEASE_MS)
        return self._leads

    async def _goes_on(self) -> bool:
        """Let other work run between two slices; return whether this process is still the auditor."""
        await asyncio.sleep(SLICE_PAUSE_SECONDS)
        return not self._replica.removed and await self._has_lease()

    async def _audit_agents(self, repairs: list[Repair]) -> bool:
        async for ids in every_page(self._agent_ids):
            for agent, reservations in (await self._store.suspects(self._site, ids.items)).items():
                await self._note(repairs, self._store.audit_agent(self._site, agent, reservations), agent)
            if not await self._goes_on():
                return False
        return True

    async def _agent_ids(self, after: str) -> Page[str]:
        return await self._roster.agent_ids(self._site, SLICE, after)

    async def _audit_deadlines(self, repairs: list[Repair]) -> bool:
        after = ""
        while True:
            due = await self._store.due(self._site, after, SLICE)
            for agent, reservations in due.suspects.items():
                await self._note(repairs, self._store.audit_agent(self._site, agent, reservations), agent)
            for reservation in due.forgotten:
                await self._note(repairs, self._store.forget_due(self._site, reservation))
            if not await self._goes_on():
                return False
            if not due.next:
                return True
            after = due.next

    async def _audit_queue(self, repairs: list[Repair]) -> bool:
        suspects = await self._store.queue_suspects(self._site, SLICE)
        if suspects is None:
            return True
        for start in range(0, max(1, len(suspects)), SLICE):
            await self._note(repairs, self._store.audit_queue(self._site, suspects[start : start + SLICE]))
            if not await self._goes_on():
                return False
        return True

    async def _note(self, repairs: list[Repair], work: Awaitable[list[Repair]], agent: str = "") -> None:
        """Log and count what was repaired."""
        for repair in await work:
            of = {"agent": agent} if agent else {}
            log.warning(
                "records disagreed and were repaired", site=self._site, kind=repair.kind.value, id=repair.id, **of
            )
            self._on_repair(repair.kind)
            repairs.append(repair)
