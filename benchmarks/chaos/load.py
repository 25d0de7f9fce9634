"""The load of an attack: customers who come, desks that answer, and what else a platform asks of the service."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import grpc

from benchmarks.chaos import history as h
from benchmarks.chaos.habits import BEAT_SECONDS, CHANNELS, HOSTILE, INTERESTS, POOL, TEXTS, Habits
from benchmarks.chaos.tasks import Tasks
from benchmarks.chaos.wire import Wire, plain, reason_of, seconds_of
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb


class SiteLoad:
    """The customers and desks of one site."""

    def __init__(self, site: str, wire: Wire, habits: Habits, tasks: Tasks, seed: int) -> None:
        self.site = site
        self.parent = f"sites/{site}"
        self.wire = wire
        self.habits = habits
        self.tasks = tasks
        self.rng = random.Random(f"{seed} {site}")
        self.agents = [f"{site}-a{number}" for number in range(habits.agents)]
        self.draining = False
        self.waiting: dict[str, float] = {}
        """Contacts that are known to wait, for the supervisor."""
        self.acknowledged: dict[str, None] = {}
        self.held: dict[str, None] = {}
        self._served: set[str] = set()
        self._count = 0
        self._silent: set[str] = set()

    def asked(self, verb: str, **fields: Any) -> h.Call:
        """Return the record of an attempt that is to be made."""
        return h.Call(site=self.site, verb=verb, replica=-1, began=0.0, ended=0.0, **fields)

    def name(self, kind: str, identifier: str) -> str:
        """Return a resource name of the site."""
        return f"{self.parent}/{kind}/{identifier}"

    async def open(self) -> None:
        """Create the site, its pool and its agents."""
        habits, history = self.habits, self.wire.history
        await self.wire.insist(
            lambda line: line.roster.CreateSite(roster.CreateSiteRequest(site_id=self.site)), self.asked("create site")
        )
        pool = roster.Pool(max_missed=0, wait_weight=habits.wait_weight)
        pool.offer_duration.FromMilliseconds(round(habits.offer * 1000))
        pool.accepted_duration.FromMilliseconds(round(habits.accepted * 1000))
        await self.wire.insist(
            lambda line: line.roster.CreatePool(roster.CreatePoolRequest(parent=self.parent, pool_id=POOL, pool=pool)),
            self.asked("create pool"),
        )
        history.add(h.Terms(self.site, POOL, habits.offer, habits.accepted, habits.wait_weight))
        for number, agent in enumerate(self.agents):
            await self.hire(number, agent)

    async def hire(self, number: int, agent: str) -> None:
        """Create an agent."""
        record = roster.Agent(
            display_name=agent,
            interests=[INTERESTS[number % len(INTERESTS)]],
            pools=[self.name("pools", POOL)],
            status=roster.ONLINE,
            capacity=roster.Capacity(
                total=self.habits.total,
                channels=[roster.ChannelCapacity(channel=name, cost=cost) for name, cost in CHANNELS.items()],
            ),
        )
        request = roster.CreateAgentRequest(parent=self.parent, agent_id=agent, agent=record)
        await self.wire.insist(lambda line: line.roster.CreateAgent(request), self.asked("create agent", agent=agent))
        beats = bool(self.habits.beating) and number % self.habits.beating == 0
        self.wire.history.add(h.Staff(self.site, agent, self.habits.total, CHANNELS, beats))

    async def come(self) -> None:
        """Let customers come until the drain."""
        rate = self.habits.rate / len(self.habits.sites)
        while not self.draining:
            await asyncio.sleep(self.rng.expovariate(rate))
            self.tasks.start(self._customer())

    async def _customer(self) -> None:
        habits, rng = self.habits, self.rng
        self._count += 1
        contact = f"{self.site}-c{self._count}"
        draw, channel = rng.random(), "call" if rng.random() < habits.calls else "chat"
        wait = draw < habits.waiting
        request = pb.RouteMessageRequest(
            parent=self.parent,
            pool=self.name("pools", POOL),
            message=pb.Message(text=rng.choice(HOSTILE if rng.random() < habits.hostile else TEXTS), channel=channel),
            contact_id="" if rng.random() < habits.anonymous else contact,
            request_id=f"r-{contact}",
            auto_accept=draw > 1 - habits.auto_accept,
            wait=wait,
        )
        lasts, relaxes = habits.wait if rng.random() > habits.short_waits else 2.0, 0.0
        if wait:
            request.wait_duration.FromMilliseconds(round(lasts * 1000))
            if rng.random() < habits.rare:
                relaxes = 1.0
                request.message.required_skills.add(skill="rare", level=1).expires_after.FromSeconds(1)
        asked = self.asked(
            "route", request=request.request_id, contact=request.contact_id, pool=POOL, channel=channel,
            wait=lasts if wait else 0.0, relaxes=relaxes, auto_accept=request.auto_accept,
        )  # fmt: skip
        if rng.random() < habits.cut_short:
            await self.wire.once(
                lambda line: line.routing.RouteMessage(request), asked, seconds=rng.uniform(0.002, 0.02)
            )
        if rng.random() < habits.twice:
            await asyncio.gather(self._route(request, asked), self._route(request, asked))
        else:
            await self._route(request, asked)

    async def _route(self, request: pb.RouteMessageRequest, asked: h.Call) -> None:
        answer, record = await self.wire.insist(lambda line: line.routing.RouteMessage(request), asked)
        if answer is not None:
            await self.settle(request, record)

    async def settle(self, request: pb.RouteMessageRequest, record: h.Call) -> None:
        """Go on with a contact that was routed: its desk answers, or the customer waits or leaves."""
        if record.outcome == "unmatched":
            return
        self.acknowledged[record.contact] = None
        if record.held is not None:
            self.take(record.held.reservation, record.held.agent, accepted=record.held.state == "ACCEPTED")
            if self.rng.random() < self.habits.again:
                await self._route_again(request, record)
        elif self.rng.random() < self.habits.cancels:
            await asyncio.sleep(self.rng.uniform(0.1, 2.0))
            await self._cancel_contact(record.contact)
        else:
            self.waiting[record.contact] = time.time()

    async def _route_again(self, request: pb.RouteMessageRequest, record: h.Call) -> None:
        """Route a contact that an agent has, by another request: the service is to refuse it."""
        second = pb.RouteMessageRequest()
        second.CopyFrom(request)
        second.contact_id, second.request_id = record.contact, f"{request.request_id}-again"
        asked = self.asked(
            "route", request=second.request_id, contact=record.contact, pool=POOL, channel=record.channel,
            wait=record.wait, relaxes=record.relaxes, auto_accept=record.auto_accept,
        )  # fmt: skip
        _, again = await self.wire.insist(lambda line: line.routing.RouteMessage(second), asked)
        if again.held is not None:
            self.take(again.held.reservation, again.held.agent, accepted=again.held.state == "ACCEPTED")

    def take(self, reservation: str, agent: str, *, accepted: bool) -> None:
        """Let the agent's desk answer a reservation that it has not seen yet."""
        self.held[reservation] = None
        if reservation not in self._served:
            self._served.add(reservation)
            self.tasks.start(self._serve(reservation, agent, accepted=accepted))

    async def _serve(self, reservation: str, agent: str, *, accepted: bool) -> None:
        habits, rng = self.habits, self.rng
        name = self.name("reservations", reservation)
        if not accepted:
            draw = 1.0 if self.draining else rng.random()
            if draw < habits.ignores:
                return
            await asyncio.sleep(rng.uniform(*habits.answer) * (0.2 if self.draining else 1.0))
            if draw < habits.ignores + habits.declines:
                decline = pb.DeclineReservationRequest(name=name)
                await self.wire.insist(
                    lambda line: line.routing.DeclineReservation(decline),
                    self.asked("decline", reservation=reservation, agent=agent),
                )
                return
            accept = pb.AcceptReservationRequest(name=name)
            _, record = await self.wire.insist(
                lambda line: line.routing.AcceptReservation(accept),
                self.asked("accept", reservation=reservation, agent=agent),
            )
            if record.held is None or record.held.state != "ACCEPTED":
                return
        await asyncio.sleep(rng.uniform(*habits.talk) * (0.2 if self.draining else 1.0))
        draw = 1.0 if self.draining else rng.random()
        if draw < habits.transfers:
            await self._transfer(reservation)
        elif draw < habits.transfers + habits.hangups:
            await self._hang_up(reservation)
        else:
            await self._complete(reservation, agent)
            if draw > 0.95:
                await self._complete(reservation, agent)

    async def _complete(self, reservation: str, agent: str) -> None:
        request = pb.CompleteReservationRequest(name=self.name("reservations", reservation))
        await self.wire.insist(
            lambda line: line.routing.CompleteReservation(request),
            self.asked("complete", reservation=reservation, agent=agent),
        )

    async def _read(self, reservation: str) -> h.Call:
        read = pb.GetReservationRequest(name=self.name("reservations", reservation))
        _, record = await self.wire.insist(
            lambda line: line.routing.GetReservation(read), self.asked("read", reservation=reservation)
        )
        return record

    async def _hang_up(self, reservation: str) -> None:
        record = await self._read(reservation)
        if record.held is not None:
            await self._cancel_contact(record.held.contact)

    async def _transfer(self, reservation: str) -> None:
        record = await self._read(reservation)
        if record.held is None:
            return
        self._count += 1
        request = pb.TransferContactRequest(
            name=self.name("contacts", record.held.contact), request_id=f"t-{reservation}", wait=True
        )
        request.wait_duration.FromMilliseconds(round(self.habits.wait * 1000))
        asked = self.asked(
            "transfer", request=request.request_id, contact=record.held.contact, reservation=reservation, pool=POOL,
            channel=record.held.channel, wait=self.habits.wait,
        )  # fmt: skip
        answer, moved = await self.wire.insist(lambda line: line.routing.TransferContact(request), asked)
        if answer is not None and moved.held is not None:
            self.take(moved.held.reservation, moved.held.agent, accepted=False)

    async def _cancel_contact(self, contact: str) -> None:
        request = pb.CancelContactRequest(name=self.name("contacts", contact))
        await self.wire.insist(
            lambda line: line.routing.CancelContact(request), self.asked("cancel contact", contact=contact)
        )

    async def watch(self, number: int) -> None:
        """Follow the site's events until the end, at one replica after the other."""
        token, watch = "", f"{self.site}-w{number}"
        lines = self.wire.lines
        turn = number
        while True:
            line, began, resumed, reason = lines[turn % len(lines)], time.time(), bool(token), ""
            turn += 1
            try:
                request = pb.WatchEventsRequest(parent=self.parent, resume_token=token)
                async for told in line.routing.WatchEvents(request):
                    token = told.resume_token or token
                    if told.HasField("event"):
                        self._hear(watch, told.event)
            except grpc.aio.AioRpcError as error:
                reason = reason_of(error)
                if reason == "EVENTS_FORGOTTEN":
                    token = ""
            finally:
                self.wire.history.add(
                    h.Watching(
                        site=self.site, watch=watch, replica=line.replica, began=began, ended=time.time(),
                        reason=reason, resumed=resumed,
                    )
                )  # fmt: skip
            await asyncio.sleep(0.1)

    def _hear(self, watch: str, event: pb.ContactEvent) -> None:
        state = pb.ContactState.Name(event.state)
        contact, reservation, agent = plain(event.contact), plain(event.reservation), plain(event.agent)
        self.wire.history.add(
            h.Step(
                site=event.contact.split("/")[1], watch=watch, contact=contact, sequence=event.sequence, state=state,
                cause=pb.Cause.Name(event.cause), reservation=reservation, agent=agent, pool=plain(event.pool),
                at=seconds_of(event.time), heard=time.time(),
            )
        )  # fmt: skip
        if state == "CONTACT_QUEUED":
            self.waiting.setdefault(contact, time.time())
        else:
            self.waiting.pop(contact, None)
        if state == "CONTACT_RESERVED" and reservation:
            self.take(reservation, agent, accepted=False)

    async def sweep(self) -> None:
        """Look for live reservations that no event told of; in the drain, end all of them."""
        request = pb.ListReservationsRequest(parent=self.parent, page_size=500)
        while True:
            await asyncio.sleep(1.0)
            answer, record = await self.wire.once(
                lambda line: line.routing.ListReservations(request), self.asked("list")
            )
            if answer is not None:
                live = tuple(plain(reservation.name) for reservation in answer.reservations)
                self.wire.history.add(h.Listed(site=self.site, began=record.began, reservations=live))
            for reservation in answer.reservations if answer is not None else ():
                name, agent = plain(reservation.name), plain(reservation.agent)
                old = time.time() - seconds_of(reservation.create_time) > 2.0
                if old and (name not in self._served or self.draining):
                    self._served.discard(name)
                    self.take(name, agent, accepted=reservation.state == pb.ACCEPTED)

    async def change_status(self) -> None:
        """Send agents away and bring them back."""
        while not self.draining:
            await asyncio.sleep(self.rng.expovariate(self.habits.status_changes))
            agent = self.rng.choice(self.agents)
            await self.set_status(agent, self.rng.choice((roster.OFFLINE, roster.AWAY, roster.DRAINING)))
            await asyncio.sleep(self.rng.uniform(0.2, 1.5))
            await self.set_status(agent, roster.ONLINE)

    async def set_status(self, agent: str, status: roster.AgentStatus.ValueType) -> None:
        """Set an agent's status."""
        request = roster.SetAgentStatusRequest(name=self.name("agents", agent), status=status)
        await self.wire.insist(
            lambda line: line.roster.SetAgentStatus(request),
            self.asked("status", agent=agent, status=roster.AgentStatus.Name(status)),
        )

    async def supervise(self) -> None:
        """Assign waiting contacts by hand, one in three above the capacity if need be."""
        while not self.draining:
            await asyncio.sleep(self.rng.expovariate(self.habits.assignments))
            if not self.waiting:
                continue
            contact, over = self.rng.choice(list(self.waiting)), self.rng.random() < 0.3
            await self.assign(contact, self.rng.choice(self.agents), over=over, request=f"s-{contact}")

    async def assign(self, contact: str, agent: str, *, over: bool, request: str, accepted: bool = False) -> h.Call:
        """Assign a contact to an agent."""
        asked = pb.AssignContactRequest(
            name=self.name("contacts", contact), agent=self.name("agents", agent), over_capacity=over,
            request_id=request, accepted=accepted, ignore_constraints=[pb.CONSTRAINT_EXCLUDED, pb.CONSTRAINT_STATUS],
            pool=self.name("pools", POOL),
        )  # fmt: skip
        answer, record = await self.wire.insist(
            lambda line: line.routing.AssignContact(asked),
            self.asked(
                "assign",
                contact=contact,
                agent=agent,
                over=over,
                request=request,
                pool=POOL,
                channel="chat" if accepted else "",
            ),
        )
        if answer is not None and record.held is not None and not accepted:
            self.take(record.held.reservation, agent, accepted=False)
        return record

    async def beat(self, number: int) -> None:
        """Send an agent's heartbeats, now and then with a silence after which the agent is AWAY."""
        agent = self.agents[number]
        request = roster.BeatAgentRequest(name=self.name("agents", agent))
        request.ttl.FromMilliseconds(round(BEAT_SECONDS * 1000))
        while True:
            await self.wire.once(
                lambda line: line.roster.BeatAgent(request), self.asked("beat", agent=agent, wait=BEAT_SECONDS)
            )
            silent = not self.draining and self.rng.random() < self.habits.silences
            await asyncio.sleep(3.5 * BEAT_SECONDS if silent else 0.8)

    async def look_in(self, number: int) -> None:
        """Read twice a second whether an agent with heartbeats counts as ONLINE."""
        agent = self.agents[number]
        request = roster.GetAgentRequest(name=self.name("agents", agent))
        while True:
            await self.wire.once(lambda line: line.roster.GetAgent(request), self.asked("presence", agent=agent))
            await asyncio.sleep(0.5)
