"""Forgetting: removes every trace of a customer or an agent, and gathers the rewrites of what keeps removed bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from matcher.errors import (
    AgentNotFound,
    CustomerInContact,
    CustomerNotFound,
    HandleUnknown,
    MatcherError,
    ReservationLapsed,
    ReservationNotFound,
    ReservationStateWrong,
)
from matcher.model import Agent, AgentChange, Page
from matcher.model.resource_names import agent_name, customer_name, new_id, site_name
from matcher.model.steps import AGENT, CUSTOMER, NAMED
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
LEDGER_SECONDS: Final = 30.0
"""For how long a rewrite waits for a ledger that has somebody to forget; a ledger that is away is not waited for."""


@dataclass(frozen=True, slots=True, repr=False)
class _Person:
    """A customer who is to be forgotten: by the id, or by a handle of which nothing is remembered."""

    customer: str = ""
    handle: str = ""


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
        self._gathered: dict[str, dict[_Person, asyncio.Future[bool]]] = {}
        self._sweeps: dict[str, asyncio.Task[None]] = {}

    async def forget_customer(self, site: str, customer: str, *, force: bool) -> None:
        """Remove every trace of a customer; with `force` the contacts that have not ended go on without a customer.

        Calls that come while the records of the site are read share the next reading. Raises CustomerNotFound, or
        CustomerInContact.
        """
        known = await self._customers.customer(site, customer)
        if known.open_contacts and not force:
            raise CustomerInContact(customer_name(site, customer), len(known.open_contacts))
        await self._swept(site, _Person(customer=known.id))

    async def forget_handle(self, site: str, handle: str, *, force: bool) -> None:
        """Forget the customer of a handle, as `forget_customer` does, also where nothing is remembered of the customer.

        Raises HandleUnknown where neither the store nor the ledger has the handle, or CustomerInContact. While the
        ledger is away it is taken to have the handle; the rows go when it is back.
        """
        with suppress(CustomerNotFound, HandleUnknown):
            known = await self._customers.customer_of(site, handle)
            await self.forget_customer(site, known.id, force=force)
            return
        opened = await self._customers.open_contacts_of(site, handle)
        if opened and not force:
            raise CustomerInContact("", len(opened))
        is_in_ledger = await self._customers.is_in_ledger(site, handle)
        if not (await self._swept(site, _Person(handle=handle)) or is_in_ledger):
            raise HandleUnknown(site_name(site), every_record_read=True)
        # Without a name: the trail must not hold what was just forgotten.
        if self._trail is not None:
            await self._trail.note(site, customer_name(site, "-"))

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
        await self._outbox.note_forgets(site, {AGENT + agent, NAMED + agent_name(site, agent)})
        if self._trail is not None:
            await self._trail.forget(site, {agent_name(site, agent)})
        await self._rewrites.mark(site)

    async def _swept(self, site: str, person: _Person) -> bool:
        """Wait until a customer's traces are removed; return whether the store had any of the handle's."""
        gathered = self._gathered.setdefault(site, {})
        if person not in gathered:
            gathered[person] = asyncio.get_running_loop().create_future()
            gathered[person].add_done_callback(lambda done: done.cancelled() or done.exception())
        done = gathered[person]
        # Here, and not where the customer is removed: that is done for the callers of many customers at once.
        if self._trail is not None and person.customer:
            await self._trail.note(site, customer_name(site, person.customer))
        if site not in self._sweeps:
            self._sweeps[site] = asyncio.create_task(self._sweep(site), name=f"forget {site}")
        return await asyncio.shield(done)

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
            while persons := self._gathered.pop(site, {}):
                work = asyncio.create_task(self._forget(site, tuple(persons)))
                await asyncio.wait({work})
                for person, done in persons.items():
                    if work.cancelled():
                        done.cancel()
                    elif fault := work.exception():
                        done.set_exception(fault)
                    else:
                        done.set_result(person in work.result())
        finally:
            del self._sweeps[site]

    async def _forget(self, site: str, persons: Sequence[_Person]) -> set[_Person]:
        """Remove the traces of customers; return those of whom the store had any: of all who are known by an id."""
        await self._rewrites.mark(site)
        customers = [person.customer for person in persons if person.customer]
        handles = [person.handle for person in persons if person.handle]
        traces = await self._traces.of_customers(site, customers, self._clocks.of(site).now_ms(), handles)
        # Before the customer's own records go: a call that is cut off finds the customer again.
        digests = {CUSTOMER + digest for digest in traces.digests}
        named = {NAMED + customer_name(site, customer) for customer in customers}
        await self._outbox.note_forgets(site, digests | named)
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
        named = self._traces.named_in(traces, handles)
        return {person for person in persons if person.customer or person.handle in named}


class Rewriting:
    """Rewrite what keeps the bytes of removed traces: at the start of a process, then at most once a pause."""

    def __init__(self, store: RewriteStore, outbox: OutboxStore, pause_seconds: float, *, embedded: bool) -> None:
        """embedded: the store is this service's own, and its append-only file is rewritten, too."""
        self._store = store
        self._outbox = outbox
        self._pause_ms = round(pause_seconds * 1000)
        self._embedded = embedded
        self._process = new_id()
        self._unfed_since: float | None = None
        """Since when a site's ledger has had somebody to forget, by the monotonic clock in seconds."""

    async def run(self) -> None:
        """Look again and again, until cancelled. What an earlier process left is done at once."""
        left_behind = True
        while True:
            try:
                if await self.look(at_once=left_behind):
                    left_behind = False
            except MatcherError as fault:
                log.warning("traces that were removed are still in the store's files; trying again", why=str(fault))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, at_once: bool = False) -> bool:
        """Rewrite for the sites with removed traces, if there are any; not `at_once`: once the pause is over.

        Return False while the ledger is given time to forget first.
        """
        marks = await self._store.marks()
        if not marks:
            return True
        # Asked before the rewrite: whom the ledger forgets later is named in the file until it is rewritten again.
        fed = await self._outbox.fed_of_forgets(tuple(marks))
        if self._waits_for_ledger(all_fed=fed.issuperset(marks)):
            return False
        if not (await self._store.may_rewrite(self._process, self._pause_ms) or at_once):
            return True
        for site in marks:
            await self._store.compact(site)
        if self._embedded:
            await self._store.rewrite_append_only_file()
        await self._store.clear({site: mark for site, mark in marks.items() if site in fed})
        log.info("rewrote what kept the bytes of removed traces", sites=len(marks), append_only_file=self._embedded)
        return True

    def _waits_for_ledger(self, *, all_fed: bool) -> bool:
        if all_fed:
            self._unfed_since = None
            return False
        now = time.monotonic()
        self._unfed_since = now if self._unfed_since is None else self._unfed_since
        return now - self._unfed_since < LEDGER_SECONDS
