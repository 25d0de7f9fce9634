"""The routing side of the store: hold a slot, and what becomes of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from matcher.errors import (
    ContactNotFound,
    DecisionNotFound,
    FenceStale,
    ReservationLapsed,
    ReservationNotFound,
    ReservationStateWrong,
)
from matcher.model import Contact, Decision, Page, Reservation
from matcher.model.lifecycle import HOLDING, Cause, ReservationState
from matcher.model.resource_names import contact_name, decision_name, new_id, reservation_name
from matcher.store.codecs import (
    decode_contact,
    decode_decision,
    decode_holds,
    decode_reservation,
    fields_of,
    pairs_of,
)
from matcher.store.keys import DUE_RESERVATION, Keys
from matcher.store.redis.client import StoreClient
from matcher.store.reserve_request import (
    Enqueued,
    Full,
    Lapsed,
    Lifetimes,
    Refused,
    Replayed,
    ReservationRef,
    ReserveAnswer,
    Reserved,
    ReserveKind,
    ReserveRequest,
    Shortlist,
    WaitTerms,
)

__all__ = [
    "NO_FENCE",
    "Enqueued",
    "Full",
    "Lapsed",
    "Lifetimes",
    "Refused",
    "Replayed",
    "ReservationRef",
    "ReservationStore",
    "ReserveAnswer",
    "ReserveKind",
    "ReserveRequest",
    "Reserved",
    "Shortlist",
    "WaitTerms",
]

NO_FENCE = 0
MOST_SLOTS: Final = 8_192
"""Slots that a process keeps in mind while they are held, those held last, about 4 MB: what ends such a conversation
in this process asks the store once."""


class ReservationStore:
    """Hold slots and move reservations through their life."""

    def __init__(self, connection: StoreClient, lifetimes: Lifetimes) -> None:
        self._connection = connection
        self._lifetimes = lifetimes
        self._slots: OrderedDict[tuple[str, str], ReservationRef] = OrderedDict()

    async def reserve(self, claim: ReserveRequest, offer: Shortlist, *, or_wait: bool = False) -> ReserveAnswer:
        """Hold a slot of the best candidate that has room, in one round trip. Safe to run again.

        or_wait: where none has, the contact waits, if it may. Else it does so only where one who has is kept for
        those who wait already.
        """
        answer = await self._connection.verb("reserve", *self._asked(claim, offer, or_wait))
        return self._kept(claim, _reserved(claim, offer, answer))

    async def reserve_in_order(self, asked: Sequence[tuple[ReserveRequest, Shortlist]]) -> list[ReserveAnswer]:
        """Hold slots for claims of one site, one after the other, in one round trip. Safe to run again.

        Returns the answers up to the first for whom nobody has room; those after it were not tried.
        """
        each = [self._asked(claim, offer, or_wait=False) for claim, offer in asked]
        sizes = [size for names, args in each for size in (len(names), len(args))]
        answers = await self._connection.verb(
            "reserve_in_order",
            [name for names, _ in each for name in names],
            [len(each), *sizes, *(arg for _, args in each for arg in args)],
        )
        answered = zip(asked, answers, strict=False)
        return [self._kept(claim, _reserved(claim, offer, answer)) for (claim, offer), answer in answered]

    def _kept(self, claim: ReserveRequest, answer: ReserveAnswer) -> ReserveAnswer:
        """Return what was answered, having kept the slot that it holds, if any: what a slot is never changes."""
        if isinstance(answer, Reserved):
            it = answer.reservation
            self._slots[claim.site, it.id] = ReservationRef(claim.site, it.id, it.agent, it.contact, it.pool)
            if len(self._slots) > MOST_SLOTS:
                self._slots.popitem(last=False)
        return answer

    def _asked(
        self, claim: ReserveRequest, offer: Shortlist, or_wait: bool
    ) -> tuple[list[str], list[str | bytes | int]]:
        """Return what `reserve` is called with: its keys and arguments."""
        keys, kept = Keys(claim.site), self._lifetimes
        names = [
            keys.once("route", claim.request_id),
            keys.contact(claim.contact),
            keys.reservation(claim.reservation),
            keys.decision(claim.decision),
            keys.due,
            keys.load,
            keys.queue,
            keys.waiting,
            keys.contacts,
            keys.timers,
            keys.roster,
        ]
        old, waiting = claim.handed_on, claim.waiting
        if old is not None:
            names += (keys.reservation(old.reservation), keys.agent(old.agent), keys.holds(old.agent))
        args: list[str | bytes | int] = [
            claim.digest,
            kept.own_request_ms if claim.own_request else kept.request_window_ms,
            claim.contact,
            claim.reservation,
            claim.decision,
            claim.pool,
            claim.channel,
            claim.customer,
            offer.basis,
            claim.hold_ms,
            ReservationState.ACCEPTED if claim.accepted else ReservationState.PENDING,
            repr(offer.tolerance),
            offer.record,
            kept.decision_ms,
            kept.keep_ms,
            kept.events_kept,
            claim.how,
            "" if waiting is None else waiting.most_ms,
            b"" if waiting is None else waiting.sealed,
            0 if waiting is None else waiting.head_start_ms,
            "full" if or_wait else "kept" if claim.lines_up else "",
            claim.idle_ms,
            "" if old is None else old.reservation,
        ]
        for agent, affinity in offer.candidates:
            names += (keys.agent(agent), keys.holds(agent))
            args += (agent, repr(affinity))
        return names, args

    async def slot(self, site: str, reservation: str) -> ReservationRef:
        """Return what a transition of a reservation needs. Raises ReservationNotFound."""
        if kept := self._slots.get((site, reservation)):
            return kept
        found = await self._connection.run("HMGET", Keys(site).reservation(reservation), "agent", "contact", "pool")
        if found[0] is None:
            raise ReservationNotFound(reservation_name(site, reservation))
        return ReservationRef(site, reservation, *(value.decode() for value in found))

    async def accept(self, slot: ReservationRef, fence: int, accepted_ms: int, idle_ms: int = 0) -> Reservation:
        """Take an offer for `accepted_ms`; after `idle_ms` without a sign it stops counting, 0: never."""
        return await self._transition("accept", slot, fence, "accepted", accepted_ms, idle_ms)

    async def decline(self, slot: ReservationRef, fence: int, reason: str, retry_after_ms: int | None) -> Reservation:
        """Turn an offer down; `retry_after_ms` None: the agent is not offered it again."""
        again = "" if retry_after_ms is None else retry_after_ms
        return await self._transition("decline", slot, fence, "declined", reason, again)

    async def renew(self, slot: ReservationRef, fence: int, duration_ms: int, idle_ms: int = 0) -> Reservation:
        """Move the deadline to `duration_ms` from now."""
        return await self._transition("renew", slot, fence, "renewed", duration_ms, idle_ms)

    async def touch(self, slot: ReservationRef, fence: int, idle_ms: int) -> Reservation:
        """Note that a conversation goes on."""
        return await self._transition("touch", slot, fence, "touched", idle_ms)

    async def complete(self, slot: ReservationRef, fence: int, wrap_up_ms: int) -> Reservation:
        """End a conversation; the slot stays held for `wrap_up_ms`."""
        return await self._transition("complete", slot, fence, "completed", wrap_up_ms, new_id())

    async def cancel(self, slot: ReservationRef, fence: int, cause: Cause = Cause.CANCELED) -> Reservation:
        """Give a slot back without a conversation."""
        return await self._transition("cancel", slot, fence, "canceled", cause)

    async def withdraw(self, slot: ReservationRef, cause: Cause) -> Reservation:
        """Take an offer back from an agent who has gone: the contact goes back as after a decline."""
        return await self._transition("withdraw", slot, NO_FENCE, "withdrawn", cause)

    async def rest(self, slot: ReservationRef) -> bool:
        """Stop counting a conversation that is idle; tell whether this call was the one."""
        return bool((await self._run("rest", slot, NO_FENCE))[0] == b"rests")

    async def expire(self, slot: ReservationRef, max_missed: int) -> Lapsed | None:
        """Write what follows from a passed deadline; None where this call was not the one.

        max_missed: after so many offers in a row that lapsed, the agent is AWAY; 0: never.
        """
        answer = await self._run("expire", slot, NO_FENCE, max_missed)
        if answer[0] != b"lapsed":
            return None
        self._slots.pop((slot.site, slot.reservation), None)
        return Lapsed(ReservationState(answer[1].decode()), away=bool(answer[2]))

    async def forget_due(self, site: str, reservation: str) -> None:
        """Take the deadline of a reservation away whose record is forgotten."""
        await self._connection.run("ZREM", Keys(site).due, DUE_RESERVATION + reservation)

    async def overdue(self, site: str, now_ms: int, most: int) -> list[str]:
        """List reservations whose deadline has passed, the oldest first."""
        found = await self._connection.run("ZRANGE", Keys(site).due, "-inf", now_ms, "BYSCORE", "LIMIT", 0, most)
        return [member.decode().removeprefix(DUE_RESERVATION) for member in found]

    async def reservation(self, site: str, reservation: str, now_ms: int) -> Reservation:
        """Read a reservation. Raises ReservationNotFound."""
        fields = fields_of(await self._connection.run("HGETALL", Keys(site).reservation(reservation)))
        if not fields:
            raise ReservationNotFound(reservation_name(site, reservation))
        return decode_reservation(reservation, fields, now_ms)

    async def reservations(self, site: str, most: int, after: str, now_ms: int) -> Page[Reservation]:
        """List a page of the live reservations of a site by deadline."""
        after_ms = after.partition("|")[0]
        start = after_ms if after else f"({now_ms}"
        # 64 more than asked: those that share the deadline of the last page's last one.
        found = await self._connection.run(
            "ZRANGE", Keys(site).due, start, "+inf", "BYSCORE", "LIMIT", 0, most + 64, "WITHSCORES"
        )
        listed = [(int(at), member.decode().removeprefix(DUE_RESERVATION)) for member, at in pairs_of(found)]
        return await self._page(site, listed, most, after, now_ms)

    async def reservations_of(self, site: str, agent: str, most: int, after: str, now_ms: int) -> Page[Reservation]:
        """List a page of the live reservations of an agent by deadline."""
        lease = await self._connection.run("ZRANGE", Keys(site).holds(agent), 0, -1, "WITHSCORES")
        listed = sorted((hold.deadline_ms, hold.reservation) for hold in decode_holds(pairs_of(lease), now_ms))
        return await self._page(site, listed, most, after, now_ms)

    async def contact(self, site: str, contact: str, now_ms: int) -> Contact:
        """Read a contact. Raises ContactNotFound."""
        fields = await self._connection.run("HGETALL", Keys(site).contact(contact))
        if not fields:
            raise ContactNotFound(contact_name(site, contact))
        return decode_contact(contact, fields_of(fields), now_ms)

    async def decision(self, site: str, decision: str) -> Decision:
        """Read a decision's record. Raises DecisionNotFound."""
        fields = await self._connection.run("HGETALL", Keys(site).decision(decision))
        if not fields:
            raise DecisionNotFound(decision_name(site, decision))
        return decode_decision(decision, fields_of(fields))

    async def _page(
        self, site: str, listed: list[tuple[int, str]], most: int, after: str, now_ms: int
    ) -> Page[Reservation]:
        if after:
            after_ms, _, after_id = after.partition("|")
            listed = [one for one in listed if one > (int(after_ms), after_id)]
        page = listed[:most]
        found = await self._connection.pipeline([("HGETALL", Keys(site).reservation(one)) for _, one in page])
        live = [
            decode_reservation(one, fields_of(fields), now_ms)
            for (_, one), fields in zip(page, found, strict=True)
            if fields
        ]
        return Page(tuple(live), f"{page[-1][0]}|{page[-1][1]}" if len(listed) > most else "")

    async def _run(self, verb: str, slot: ReservationRef, fence: int, *args: str | int) -> list[Any]:
        keys, kept = Keys(slot.site), self._lifetimes
        return await self._connection.verb(
            verb,
            [
                keys.reservation(slot.reservation),
                keys.contact(slot.contact),
                keys.agent(slot.agent),
                keys.holds(slot.agent),
                keys.due,
                keys.load,
                keys.queue,
                keys.waiting,
                keys.contacts,
                keys.timers,
                keys.roster,
            ],
            [slot.reservation, slot.contact, slot.agent, fence, kept.keep_ms, kept.events_kept, *args],
        )

    async def _transition(
        self, verb: str, slot: ReservationRef, fence: int, wanted: str, *args: str | int
    ) -> Reservation:
        name = reservation_name(slot.site, slot.reservation)
        match await self._run(verb, slot, fence, *args):
            case [b"ok", flat, now_ms]:
                now = decode_reservation(slot.reservation, fields_of(flat), int(now_ms))
                if now.state not in HOLDING:
                    self._slots.pop((slot.site, slot.reservation), None)
                return now
            case [b"fence"]:
                raise FenceStale(name, fence)
            case [b"lapsed", state]:
                raise ReservationLapsed(name, state.decode())
            case [b"state", state]:
                raise ReservationStateWrong(name, state.decode(), wanted)
            case _:
                raise ReservationNotFound(name)


def _reserved(claim: ReserveRequest, offer: Shortlist, answer: list[Any]) -> ReserveAnswer:
    match answer:
        case [b"held", agent, fence, cost, created, deadline, event]:
            return Reserved(
                Reservation(
                    id=claim.reservation,
                    agent=agent.decode(),
                    contact=claim.contact,
                    decision=claim.decision,
                    pool=claim.pool,
                    channel=claim.channel,
                    cost=int(cost),
                    state=ReservationState.ACCEPTED if claim.accepted else ReservationState.PENDING,
                    fence=int(fence),
                    basis=offer.basis,
                    created_ms=int(created),
                    deadline_ms=int(deadline),
                    accepted_ms=int(created) if claim.accepted else 0,
                ),
                event.decode(),
            )
        case [b"replayed", reservation, decision, contact]:
            return Replayed(reservation.decode(), decision.decode(), contact.decode())
        case [b"queued", score, waits_until, event]:
            return Enqueued(int(score), int(waits_until), event.decode())
        case [b"full", load_event, roster_event]:
            return Full(int(load_event), int(roster_event))
        case [why, detail]:
            return Refused(why.decode(), detail.decode())
        case _:
            return Refused(answer[0].decode())
