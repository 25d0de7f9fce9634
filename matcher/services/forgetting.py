"""Forgetting: removes every trace of a customer or an agent, and gathers the rewrites of what keeps removed bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from matcher.errors import (
    AgentNotFound,
    CustomerInContact,
    MatcherError,
    ReservationLapsed,
    ReservationNotFound,
    ReservationStateWrong,
)
from matcher.model import Agent, AgentChange, Page
from matcher.model.resource_names import agent_name, customer_name, new_id
from matcher.model.steps import AGENT, CUSTOMER
from matcher.services.agents import AgentService
from matcher.services.customers import CustomerService
from matcher.services.trail_follower import TrailFollower
from matcher.store.agent_traces import AgentTraceStore
from matcher.store.clock import Clocks
from matcher.store.outbox import OutboxStore
from matcher.store.pages import every_page
from matcher.store.reservations import NO_FENCE, ReservationStore
from matcher.store.rewriting import RewriteStore
from matcher.store.traces import TraceStore

log = structlog.get_logger(__name__)

ROSTER_PAGE: Final = 500
LOOK_SECONDS: Final = 5.0
"""How often a process looks for sites with removed traces."""


class Forgetting:
    """Forget customers and agents. Every method raises MatcherErrors, those of the store among them."""

    def __init__(
        self,
        customers: CustomerService,
        agents: AgentService,
        traces: TraceStore,
        agent_traces: AgentTraceStore,
        reservations: ReservationStore,
        rewrites: RewriteStore,
        outbox: OutboxStore,
        clocks: Clocks,
        trail: TrailFollower | None = None,
    ) -> None:
        """trail: the audit trail, whose values in clear are removed, too."""
        self._customers = customers
        self._agents = agents
        self._traces = traces
        self._agent_traces = agent_traces
        self._reservations = reservations
        self._rewrites = rewrites
        self._outbox = outbox
        self._clocks = clocks
        self._trail = trail
        self._gathered: dict[str, dict[str, asyncio.Future[None]]] = {}
        self._sweeps: dict[str, asyncio.Task[None]] = {}

    async def forget_customer(self, site: str, customer: str, *, force: bool) -> None:
        """Remove every trace of a customer; with `force` the contacts that have not ended go on without a customer.

        Calls that come while the records of the site are read share the next reading. Raises CustomerNotFound, or
        CustomerInContact.
        """
        known = await self._customers.customer(site, customer)
        if known.open_contacts and not force:
            raise CustomerInContact(customer_name(site, customer), len(known.open_contacts))
        gathered = self._gathered.setdefault(site, {})
        if known.id not in gathered:
            gathered[known.id] = asyncio.get_running_loop().create_future()
            gathered[known.id].add_done_callback(lambda done: done.cancelled() or done.exception())
        done = gathered[known.id]
        # Here, and not where the customer is removed: that is done for the callers of many customers at once.
        if self._trail is not None:
            await self._trail.note(site, customer_name(site, known.id))
        if site not in self._sweeps:
            self._sweeps[site] = asyncio.create_task(self._sweep(site), name=f"forget {site}")
        await asyncio.shield(done)

    async def forget_agent(self, site: str, agent: str, *, force: bool) -> None:
        """Remove an agent, as `delete_agent` does, and every trace of the agent.

        An agent who was removed before is forgotten all the same; so no AgentNotFound is raised.
        """
        try:
            await self._agents.delete_agent(site, agent, "", force)
        except AgentNotFound:
            if self._trail is not None:
                await self._trail.note(site, agent_name(site, agent))
        await self._rewrites.mark(site)
        await self._leave_unmanaged(site, agent)
        await self._agent_traces.remove(site, agent)
        await self._outbox.note_forgets(site, {AGENT + agent})
        if self._trail is not None:
            await self._trail.forget(site, {agent_name(site, agent)})
        await self._rewrites.mark(site)

    async def _leave_unmanaged(self, site: str, manager: str) -> None:
        """Take a manager who is forgotten out of the profiles of the agents whom the person managed."""

        async def read(after: str) -> Page[Agent]:
            return await self._agents.agents(site, ROSTER_PAGE, after, None, None, with_holds=False)

        async for page in every_page(read):
            for managed in page.items:
                if managed.profile.manager == manager:
                    with suppress(AgentNotFound):
                        await self._agents.update_agent(site, managed.id, AgentChange(manager=""), "")

    async def _sweep(self, site: str) -> None:
        """Forget the customers that were gathered, and those that come meanwhile."""
        try:
            while customers := self._gathered.pop(site, {}):
                work = asyncio.create_task(self._forget(site, tuple(customers)))
                await asyncio.wait({work})
                for done in customers.values():
                    if work.cancelled():
                        done.cancel()
                    elif fault := work.exception():
                        done.set_exception(fault)
                    else:
                        done.set_result(None)
        finally:
            del self._sweeps[site]

    async def _forget(self, site: str, customers: Sequence[str]) -> None:
        await self._rewrites.mark(site)
        traces = await self._traces.of_customers(site, customers, self._clocks.of(site).now_ms())
        # Before the customer's own records go: a call that is cut off finds the customer again.
        await self._outbox.note_forgets(site, {CUSTOMER + digest for digest in traces.digests})
        holding = await self._traces.holding(site, traces)
        for reservation in holding:  # the wrap-up of a conversation that has ended
            with suppress(ReservationLapsed, ReservationNotFound, ReservationStateWrong):
                ref = await self._reservations.reference(site, reservation)
                await self._reservations.end_wrap_up(ref, NO_FENCE)
        if holding:
            await self._traces.note_events(site, traces, traces.contacts | traces.reservations)
        await self._traces.remove(site, traces)
        if self._trail is not None:
            await self._trail.forget(site, {customer_name(site, customer) for customer in customers})
        await self._rewrites.mark(site)


class Rewriting:
    """Rewrite what keeps the bytes of removed traces: at the start of a process, then at most once a pause."""

    def __init__(self, store: RewriteStore, pause_seconds: float, *, embedded: bool) -> None:
        """embedded: the store is this service's own, and its append-only file is rewritten, too."""
        self._store = store
        self._pause_ms = round(pause_seconds * 1000)
        self._embedded = embedded
        self._process = new_id()

    async def run(self) -> None:
        """Look again and again, until cancelled. What an earlier process left is done at once."""
        left_behind = True
        while True:
            try:
                await self.look(at_once=left_behind)
                left_behind = False
            except MatcherError as fault:
                log.warning("traces that were removed are still in the store's files; trying again", why=str(fault))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, at_once: bool = False) -> None:
        """Rewrite for the sites with removed traces, if there are any; not `at_once`: once the pause is over."""
        marks = await self._store.marks()
        if not marks or not (await self._store.may_rewrite(self._process, self._pause_ms) or at_once):
            return
        for site in marks:
            await self._store.compact(site)
        if self._embedded:
            await self._store.rewrite_append_only_file()
        await self._store.clear(marks)
        log.info("rewrote what kept the bytes of removed traces", sites=len(marks), append_only_file=self._embedded)
