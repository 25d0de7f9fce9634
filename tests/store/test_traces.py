"""Traces: what stands for a customer or an agent is found and removed, and what is of others stays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from matcher.model import (
    Basis,
    Candidate,
    Constraint,
    LeftOut,
    Ranking,
    Reservation,
)
from matcher.model.customers import Consent, CustomerInterest, CustomerWrite
from matcher.model.lifecycle import AgentStatus, Cause, ContactState
from matcher.services.trail_follower import TrailFollower
from matcher.store import traces as trace_store
from matcher.store import verbs
from matcher.store.agent_traces import AgentTraceStore
from matcher.store.change_stream import ChangeStream, FellBehind
from matcher.store.codecs import Record, encode_record
from matcher.store.customer_records import CustomerRecordStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import ReservationStore
from matcher.store.rewriting import RewriteStore
from matcher.store.sites import SiteStore
from matcher.store.traces import TraceStore
from matcher.store.trail import TrailStore
from tests.store.laws import found_anywhere
from tests.store.stage import EVENTS_KEPT, LIFETIMES, LONG_MS, Stage

KEYS = ServiceKeys.of_secret(b"secret")


class Town:
    """A stage with an agent, and customers who were served."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        # As the service opens it: decisions have the digest of the customer's handle.
        stage.routing = ReservationStore(stage.connection, LIFETIMES, keys=KEYS)
        self.customers = CustomerStore(stage.connection, KEYS)
        self.records = CustomerRecordStore(stage.connection, self.customers, KEYS, request_window_ms=LONG_MS)
        self.traces = TraceStore(stage.connection, self.customers, KEYS, EVENTS_KEPT)
        self.agents = AgentTraceStore(stage.connection, self.traces)
        self.rewrites = RewriteStore(stage.connection)
        self.trail = TrailFollower(TrailStore(stage.connection), SiteStore(stage.connection, 100), KEYS)

    async def remember(self, *handles: str) -> str:
        """Remember an interest of a customer; return the customer's id."""
        now = await self.stage.now_ms()
        write = CustomerWrite(
            "",
            handles,
            (CustomerInterest("", "I sail.", "crm"),),
            Consent("terms", now, now + LONG_MS, shareable=True),
            f"put-{handles[0]}",
            b"digest",
        )
        return await self.records.put(self.stage.site, write, "m", np.ones((1, 4), np.float32))

    async def serve(self, handle: str, contact: str, agent: str, record: bytes = b"{}") -> Reservation:
        """Let an agent talk with a customer and complete the conversation well."""
        stage, now = self.stage, await self.stage.now_ms()
        held = await stage.hold(agent, contact=contact, customer=handle, accepted=True, record=record)
        await self.customers.remember(stage.site, handle, agent, good=True, now_ms=now, for_ms=LONG_MS)
        await stage.routing.complete(stage.reference(held), 0, 0, good=True, second_ends=False)
        return held

    async def forget(self, *customers: str, handles: Sequence[str] = ()) -> None:
        """Forget customers, and rewrite the streams."""
        found = await self.traces.of_customers(self.stage.site, customers, await self.stage.now_ms(), handles)
        await self.traces.remove(self.stage.site, found)
        await self.rewrites.compact(self.stage.site)

    async def left(self, *names: str) -> list[str]:
        """Name the keys of the site in which any of some names is, or that are named by it.

        The audit trail's follower has taken its entries by then: what the trail keeps goes by its own forgetting.
        """
        await self.trail.drain(self.stage.site)
        inside = {key for name in names for key in await found_anywhere(self.stage, name.encode())}
        keys = [key.decode() for key in await self.stage.everything()]
        return sorted(inside | {key for key in keys if any(name in key for name in names)})


@pytest.fixture
async def town(lawful: Stage) -> Town:
    """Give a town with the agents ann and bob."""
    for agent in ("agent-ann", "agent-bob"):
        await lawful.put(agent, total=9)
    return Town(lawful)


async def test_every_trace_of_a_customer_goes_and_those_of_others_stay(town: Town) -> None:
    """Handles, digests, joined ids, interests, contacts, reservations, decisions, requests and events."""
    joined = await town.remember("jo@example")
    other = await town.remember("jo-phone")
    await town.customers.link(town.stage.site, ["jo@example", "jo-phone"])
    bo = await town.remember("bo@example")
    jos = await town.serve("jo@example", "contact-jo", "agent-ann")
    bos = await town.serve("bo@example", "contact-bo", "agent-ann")
    digests = [digest for handle in ("jo@example", "jo-phone") for digest in KEYS.handle_digests(handle)]
    stands_for_jo = [joined, other, "contact-jo", jos.id, jos.decision, "put-jo@example", "put-jo-phone", *digests]
    assert all([await town.left(name) for name in stands_for_jo])
    before = await town.left(bo, "contact-bo", bos.id, bos.decision)
    await town.forget(joined)
    assert await town.left(*stands_for_jo) == []
    assert await town.left(bo, "contact-bo", bos.id, bos.decision) == before
    assert (await town.records.customer(town.stage.site, bo, 0)).handles == ("bo@example",)
    await town.forget(joined)  # a repetition finds nothing


async def test_what_was_kept_aside_and_a_hold_that_lapsed_go_with_the_customer(town: Town) -> None:
    """A contact that cannot be read stays until it ends, without the customer; a handle may be in any script."""
    stage = town.stage
    jo, li = await town.remember("jo@example"), await town.remember("李@example")
    for contact, handle in (("broken-1", "jo@example"), ("broken-2", "李@example")):
        await stage.line_up(contact, customer=handle)
        await stage.raw("HSET", stage.keys.contact(contact), "created", "soon")
        (record,) = await stage.contacts.kept(stage.site, [contact])
        assert record is not None
        assert await stage.contacts.quarantine(stage.site, contact, record.seen)
    held = await stage.hold("agent-ann", contact="lapsed", customer="jo@example", hold_ms=1, record=decided())
    await stage.passed(held.deadline_ms)
    await stage.contacts.leave(stage.site, "lapsed", Cause.CANCELED)
    assert held.id in " ".join([str(one) for one in await stage.raw("ZRANGE", stage.keys.holds("agent-ann"), 0, -1)])
    await town.forget(jo, li)
    assert await town.left("jo@example", "李@example", jo, li, "lapsed", held.id) == []
    states = [(await stage.contacts.contact(stage.site, contact, 0)).state for contact in ("broken-1", "broken-2")]
    assert states == [ContactState.QUARANTINED] * 2


async def test_a_decision_that_outlives_its_contact_goes_with_the_customer(town: Town) -> None:
    """A contact is kept for a day and its decision for a week: the decision has the digest of the handle."""
    jo = await town.remember("jo@example")
    held = await town.serve("jo@example", "contact-jo", "agent-ann")
    await town.stage.raw("DEL", town.stage.keys.contact("contact-jo"), town.stage.keys.reservation(held.id))
    await town.forget(jo)
    assert await town.left("contact-jo", held.id, held.decision) == []


async def test_a_forgetting_that_was_cut_off_is_repeated_by_the_same_name(town: Town) -> None:
    """What the customer is found by goes last: a call that failed half-way can be made again."""
    jo = await town.remember("jo@example")
    held = await town.serve("jo@example", "contact-jo", "agent-ann")
    found = await town.traces.of_customers(town.stage.site, [jo], await town.stage.now_ms())
    found.own.clear()
    await town.traces.remove(town.stage.site, found)
    assert (await town.records.customer(town.stage.site, jo, 0)).handles == ("jo@example",)
    await town.forget(jo)
    assert await town.left(jo, "contact-jo", held.id, held.decision, *KEYS.handle_digests("jo@example")) == []


class CutOff(Exception):
    """The process ends here."""


async def test_a_forgetting_by_handle_may_be_cut_off_anywhere_and_is_repeated(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but contacts and decisions leads to their reservations: they go last, whichever removal was the last."""
    monkeypatch.setattr(trace_store, "SLICE", 1)
    remove, cut_off_after = type(town.stage.connection).verb, 0
    while True:
        held, decision_only = [
            await town.stage.hold("agent-ann", contact=contact, customer="jo@example", accepted=True, record=decided())
            for contact in ("contact-jo", "contact-old")
        ]
        for one in (held, decision_only):
            await town.stage.routing.complete(town.stage.reference(one), 0, 0, good=True, second_ends=False)
        await town.stage.raw("DEL", town.stage.keys.contact("contact-old"))
        left = cut_off_after

        async def verb(connection: StoreClient, call: Any) -> Any:
            nonlocal left
            if isinstance(call, verbs.ForgetTraces):
                if not left:
                    raise CutOff
                left -= 1
            return await remove(connection, call)

        with monkeypatch.context() as patched, suppress(CutOff):
            patched.setattr(type(town.stage.connection), "verb", verb)
            await town.forget(handles=["jo@example"])
        await town.forget(handles=["jo@example"])
        names = [one for each in (held, decision_only) for one in (each.id, each.decision)]
        assert await town.left("contact-jo", "contact-old", *names, *KEYS.handle_digests("jo@example")) == []
        if left:
            return
        cut_off_after += 1


async def test_a_contact_that_has_not_ended_goes_on_as_nobody_s(town: Town) -> None:
    """It keeps its place, its text and its agent; only the customer is gone from it."""
    jo = await town.remember("jo@example")
    held = await town.stage.hold("agent-ann", contact="talks", customer="jo@example", accepted=True, record=decided())
    await town.stage.line_up("waits", customer="jo@example")
    await town.forget(jo)
    assert await town.left("jo@example", jo, *KEYS.handle_digests("jo@example")) == []
    now = await town.stage.now_ms()
    for contact, state in (("talks", ContactState.ASSIGNED), ("waits", ContactState.QUEUED)):
        found = await town.stage.contacts.contact(town.stage.site, contact, now)
        assert (found.state, found.customer) == (state, "")
    assert await town.stage.in_line() == ["waits"]
    assert (await town.stage.routing.decision(town.stage.site, held.decision)).agent == "agent-ann"


async def test_a_customer_of_whom_an_earlier_version_kept_only_digests_is_forgotten(town: Town) -> None:
    """Also where the record does not say which handles lead to it."""
    await town.customers.link(town.stage.site, ["jo@example", "jo-phone"])
    jo = await town.records.customer_of(town.stage.site, "jo@example")
    record = town.stage.keys.customer(jo)
    for name in await town.stage.raw("HGETALL", record):
        if name.startswith(b"h:"):
            await town.stage.raw("HDEL", record, name)
    await town.serve("jo-phone", "contact-jo", "agent-ann")
    await town.forget(jo)
    handles = ("jo@example", "jo-phone")
    assert await town.left(jo, "contact-jo", *(digest for one in handles for digest in KEYS.handle_digests(one))) == []


async def test_a_reader_that_is_behind_reads_the_site_again_and_one_that_is_not_goes_on(town: Town) -> None:
    """The last event's number never gets smaller, and a removed event is a gap for those who have not read it."""
    stage = town.stage
    assert isinstance(stage.connection, StoreClient)
    stream = ChangeStream(stage.connection, stage.site)
    try:
        behind = await stream.end()
        jo = await town.remember("jo@example")
        await town.serve("jo@example", "contact-jo", "agent-ann")
        current = await stream.end()
        await town.forget(jo)
        assert await stream.unbroken(current)
        _, changes = await anext(stream.follow(current))
        assert len(changes) == 1, "the event that stands behind those that were removed"
        with pytest.raises(FellBehind):
            await anext(stream.follow(behind))
        after = await stream.end()
        await stage.put("agent-cy")
        _, changes = await anext(stream.follow(after))
        assert len(changes) == 1
        assert await stage.raw("PTTL", stage.keys.load) == await stage.raw("PTTL", stage.keys.roster) == -1
    finally:
        await stream.close()


def decided(*agents: str) -> bytes:
    """Return the record of a decision between agents."""
    candidates = tuple(Candidate(agent, f"Name of {agent}", 0.5, 0.5, 0.5, 0.0, 1, ()) for agent in agents)
    left_out = LeftOut({Constraint.CAPACITY: 1}, tuple((agent, Constraint.CAPACITY) for agent in agents))
    return encode_record(Record(Ranking(candidates, Basis.AFFINITY, 0.1, 0.1, 1, False, 2, left_out), "m"))


async def test_every_trace_of_an_agent_goes_and_what_was_decided_stays(town: Town) -> None:
    """Without the agent: the other candidates, the steps of contacts, the customers and their relationships."""
    stage, both = town.stage, decided("agent-ann", "agent-bob")
    ann = await stage.roster.agent(stage.site, "agent-ann", 0)
    assert ann is not None
    jo = await town.remember("jo@example")
    anns = await town.serve("jo@example", "contact-1", "agent-ann", both)
    bobs = await town.serve("jo@example", "contact-2", "agent-bob", both)
    await stage.line_up("waits")
    await stage.raw("HSET", stage.keys.contact("waits"), "x:agent-ann", "0", "u:agent-ann", ann.uid)
    await stage.presence.beat(stage.site, "agent-ann", LONG_MS, 0)
    await stage.roster.put_status(stage.site, "agent-ann", AgentStatus.OFFLINE)
    await stage.remove("agent-ann")
    assert await town.left("agent-ann", ann.uid)
    await town.agents.remove(stage.site, "agent-ann")
    await town.rewrites.compact(stage.site)
    assert await town.left("agent-ann", ann.uid) == []
    decision = await stage.routing.decision(stage.site, bobs.decision)
    assert [one.agent for one in decision.ranking.candidates] == ["agent-bob"]
    assert (await stage.routing.decision(stage.site, anns.decision)).agent == ""
    history = await stage.contacts.history(stage.site, "contact-1")
    assert [(one.agent, one.reservation) for one in history] == [("", anns.id), ("", anns.id)]
    known: list[Any] = await town.customers.known(stage.site, "jo@example", 0)
    assert [one.agent for one in known] == ["agent-bob"]
    assert await stage.in_line() == ["waits"]
    assert (await town.records.customer(stage.site, jo, 0)).handles == ("jo@example",)


async def test_a_rewrite_is_due_until_it_was_made_for_the_last_one_who_was_forgotten(town: Town) -> None:
    """A mark that changed during the rewrite stays; two processes take turns."""
    rewrites, site = town.rewrites, town.stage.site
    await rewrites.mark(site)
    marks = {one: mark for one, mark in (await rewrites.marks()).items() if one == site}
    await rewrites.mark(site)
    await rewrites.clear(marks)
    assert site in await rewrites.marks()
    await rewrites.clear(await rewrites.marks())
    assert site not in await rewrites.marks()
    assert await rewrites.may_rewrite("one", LONG_MS)
    assert not await rewrites.may_rewrite("two", LONG_MS)
    await town.stage.raw("DEL", "m:rewritten")


async def test_streams_of_thousands_of_events_are_copied_whole(town: Town) -> None:
    """In slices; an event that is written or removed meanwhile is not lost or brought back."""
    stage, key = town.stage, town.stage.keys.load
    for number in range(2_500):
        await stage.raw("XADD", key, "0-*", "e", f"timer|{number}")
    before = await stage.raw("XRANGE", key, "-", "+")
    await stage.raw("XDEL", key, before[1_200][0])
    await town.rewrites.compact(stage.site)
    assert await stage.raw("XRANGE", key, "-", "+") == before[:1_200] + before[1_201:]
    assert await stage.raw("PTTL", key) == -1
