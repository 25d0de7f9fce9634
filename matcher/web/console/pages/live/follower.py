"""A follower: keeps the floor of one site up to date for all who look at it with the same rights.

Events say at once what happened. They name neither a status that was set nor a contact's channel: lists
are read again, at a pace that follows the cost: the roster for at most a 25th of the time, the contacts for a 10th.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from typing import Final

from matcher.v1.roster_pb2 import ListAgentsRequest, ListPoolsRequest
from matcher.v1.routing_pb2 import (
    CONTACT_QUEUED,
    ContactEvent,
    GetReservationRequest,
    ListContactsRequest,
    ListReservationsRequest,
    WatchEventsRequest,
)
from matcher.web.console.access import Access, reason_of
from matcher.web.console.advice import Refusal, refusal_of
from matcher.web.console.pages.live.board import Line, lines_of
from matcher.web.console.pages.live.facts import AgentFacts, Held, Waiting, agent_facts, held_of, waiting_of
from matcher.web.console.pages.live.floor import Floor, News
from matcher.web.faults import Fault

PAGE_SIZE: Final = 1000
MOST_WAITING: Final = 2_000
MOST_STREAMS: Final = 16
"""Of a visitor who may watch some pools only: a stream for each."""
AGENTS_SECONDS: Final = 5.0
CONTACTS_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 10.0
"""After this time the contacts are read also where no event has come: wrap-ups end without one."""
SILENCE_SECONDS: Final = 45.0
AGAIN_SECONDS: Final = 1.0
DENIALS: Final = (401, 403, 404)
UNSEEN_SECONDS: Final = 30.0
"""How long a floor is kept up to date after the last visitor has gone: a page that is loaded again begins at once."""


class Follower:
    """Keeps a floor. `version` grows with each change; `refusal` says why nothing is heard, None: all is well.

    `answered`: the service gave the first agents, or refused them. `denied`: why there is no floor for this visitor: no
    such site, or no right to see its agents.
    """

    def __init__(self, access: Access, site: str) -> None:
        self.floor = Floor()
        self.version = 0
        self.refusal: Refusal | None = None
        self.denied: Fault | None = None
        self.answered = asyncio.Event()
        self.ready = asyncio.Event()
        self.seen = time.monotonic()
        self._access = access
        self._parent = f"sites/{site}"
        self._change = asyncio.Event()
        self._heard = asyncio.Event()
        self._during: list[ContactEvent] | None = None
        self._tokens: dict[str, str] = {}
        self._declined: asyncio.Queue[News] = asyncio.Queue(maxsize=100)
        self._lines: tuple[int, Mapping[str, Line]] = (-1, {})

    @property
    def lines(self) -> Mapping[str, Line]:
        """The lines of all agents, made once for each version."""
        if self._lines[0] != self.version:
            made, before = lines_of(self.floor), self._lines[1]
            # A line that says the same is the same: what was drawn of it is found by it.
            same = {agent: old if (old := before.get(agent)) == line else line for agent, line in made.items()}
            self._lines = (self.version, same)
        return self._lines[1]

    async def changed(self, version: int, seconds: float) -> bool:
        """Wait for a version after the given one; return whether it came in time."""
        self.seen = time.monotonic()
        if self.version == version:
            try:
                async with asyncio.timeout(seconds):
                    await self._change.wait()
            except TimeoutError:
                return False
        return True

    async def run(self) -> None:
        """Keep the floor until nobody looks any more."""
        while time.monotonic() - self.seen < UNSEEN_SECONDS:
            try:
                await self._follow()
            except* Fault as faults:
                fault = next(fault for fault in faults.exceptions if isinstance(fault, Fault))
                self.refusal = refusal_of(fault)
                self.denied = fault if not self.floor.agents_at and fault.http in DENIALS else None
                if reason_of(fault) in ("EVENTS_FORGOTTEN", "FIELDS_INVALID"):
                    self._tokens.clear()
                self._tell_viewers()
                self.answered.set()
                self.ready.set()
            except* TimeoutError:
                pass
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self) -> None:
        pools = await self._read_pools()
        await self._read_agents()
        await self._read_contacts()
        self.refusal = self.denied = None
        self._tell_viewers()
        self.ready.set()
        scopes = await self._scopes(pools)
        self._heard.set()  # what happened before the streams began is read soon
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._listen(pool)) for pool in scopes]
            tasks.append(group.create_task(self._explain()))
            try:
                await self._keep_reading()
            finally:
                for task in tasks:
                    task.cancel()

    async def _keep_reading(self) -> None:
        agents_due = time.monotonic() + AGENTS_SECONDS
        contacts_pause, quiet_at = CONTACTS_SECONDS, time.monotonic() + QUIET_SECONDS
        while time.monotonic() - self.seen < UNSEEN_SECONDS:
            await asyncio.sleep(contacts_pause)
            begun = time.monotonic()
            if begun >= agents_due:
                await self._read_agents()
                agents_due = time.monotonic() + max(AGENTS_SECONDS, 25 * (time.monotonic() - begun))
                self._tell_viewers()
            begun = time.monotonic()
            if self._heard.is_set() or begun >= quiet_at:
                self._heard.clear()
                await self._read_contacts()
                contacts_pause = max(CONTACTS_SECONDS, 10 * (time.monotonic() - begun))
                quiet_at = time.monotonic() + QUIET_SECONDS
                self._tell_viewers()

    async def _read_pools(self) -> list[str]:
        roster = self._access.stubs.roster
        listed = await self._access.ask(roster.ListPools, ListPoolsRequest(parent=self._parent, page_size=PAGE_SIZE))
        self.floor.pools = {pool.name.rpartition("/")[2]: pool.display_name for pool in listed.pools}
        return [pool.name for pool in listed.pools]

    async def _scopes(self, pools: list[str]) -> list[str]:
        """Return the pools to watch: "" for the whole site, each pool where the visitor may only watch these, none."""
        for scopes in ([""], pools[:MOST_STREAMS]):
            request = WatchEventsRequest(parent=self._parent, pool=scopes[0] if scopes else "")
            stream = self._access.follow(self._access.stubs.routing.WatchEvents, request)
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await anext(stream)
            except Fault as fault:
                if reason_of(fault) != "PERMISSION_DENIED":
                    raise
                continue
            finally:
                await stream.aclose()
            return scopes
        return []

    async def _listen(self, pool: str) -> None:
        request = WatchEventsRequest(parent=self._parent, pool=pool, resume_token=self._tokens.get(pool, ""))
        stream = self._access.follow(self._access.stubs.routing.WatchEvents, request)
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    answer = await anext(stream, None)
                if answer is None:
                    raise TimeoutError
                self._tokens[pool] = answer.resume_token
                if answer.HasField("event"):
                    self._hear(answer.event)
        finally:
            await stream.aclose()

    def _hear(self, event: ContactEvent) -> None:
        news = self.floor.tell(event, time.time())
        self.floor.apply(event)
        if self._during is not None:
            self._during.append(event)
        if news.cause == "DECLINED" and not self._declined.full():
            self._declined.put_nowait(news)
        self._heard.set()
        self._tell_viewers()

    async def _explain(self) -> None:
        """Find the words by which agents declined, one after the other."""
        while True:
            news = await self._declined.get()
            request = GetReservationRequest(name=f"{self._parent}/reservations/{news.reservation}")
            try:
                found = await self._access.ask(self._access.stubs.routing.GetReservation, request)
            except Fault:
                continue  # the reservation is forgotten, or not for this visitor; the refusal itself is shown
            if found.decline_reason:
                self.floor.explain(news, found.decline_reason)
                self._tell_viewers()

    async def _read_agents(self) -> None:
        request = ListAgentsRequest(parent=self._parent, page_size=PAGE_SIZE)
        agents: list[AgentFacts] = []
        while True:
            page = await self._access.ask(self._access.stubs.roster.ListAgents, request)
            self.answered.set()
            agents.extend(agent_facts(agent, self.floor.agents) for agent in page.agents)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        self.floor.take_agents(agents, time.time())

    async def _read_contacts(self) -> None:
        if not self.floor.reads_contacts:
            return
        self._during = []
        try:
            await self._read_lists()
            for event in self._during:
                self.floor.apply(event)
        except Fault as fault:
            if reason_of(fault) != "PERMISSION_DENIED":
                raise
            self.floor.reads_contacts = False
        finally:
            self._during = None

    async def _read_lists(self) -> None:
        routing = self._access.stubs.routing
        held: list[Held] = []
        request = ListReservationsRequest(parent=self._parent, page_size=PAGE_SIZE)
        while True:
            page = await self._access.ask(routing.ListReservations, request)
            held.extend(held_of(reservation) for reservation in page.reservations)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        waiting: list[Waiting] = []
        queued = ListContactsRequest(parent=self._parent, state=CONTACT_QUEUED, page_size=PAGE_SIZE)
        while True:
            contacts = await self._access.ask(routing.ListContacts, queued)
            waiting.extend(waiting_of(contact) for contact in contacts.contacts)
            queued.page_token = contacts.next_page_token
            if not queued.page_token or len(waiting) >= MOST_WAITING:
                break
        self.floor.take_contacts(held, waiting, more=bool(queued.page_token))

    def _tell_viewers(self) -> None:
        self.version += 1
        change, self._change = self._change, asyncio.Event()
        change.set()


class Followers:
    """The followers of a process, by what their visitors may see."""

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._running: dict[tuple[bytes, str], tuple[Follower, asyncio.Task[None]]] = {}

    def of(self, access: Access, site: str) -> Follower:
        """Return the follower of a site for somebody with a credential; it begins where there is none."""
        key = (hashlib.sha256(access.credential.encode()).digest(), site)
        for gone in [key for key, (_, task) in self._running.items() if task.done()]:
            del self._running[gone]
        if key not in self._running:
            while len(self._running) >= self._most:
                oldest = min(self._running, key=lambda key: self._running[key][0].seen)
                self._running.pop(oldest)[1].cancel()
            follower = Follower(access, site)
            self._running[key] = (follower, asyncio.create_task(follower.run()))
        follower = self._running[key][0]
        follower.seen = time.monotonic()
        return follower

    def runs(self, follower: Follower) -> bool:
        """Return whether a follower still keeps its floor."""
        return any(one is follower and not task.done() for one, task in self._running.values())

    async def close(self) -> None:
        """End all followers."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
