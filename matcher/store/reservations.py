"""The store of reservations: holds capacity, moves reservations through their states, and lists them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from matcher.errors import (
    DecisionNotFound,
    FenceStale,
    ReservationLapsed,
    ReservationNotFound,
    ReservationStateWrong,
    StoreUnavailable,
)
from matcher.model import Decision, Page, Reservation
from matcher.model.lifecycle import HOLDING, Cause, ContactState, ReservationState
from matcher.model.resource_names import decision_name, new_id, reservation_name
from matcher.store import verbs
from matcher.store.codecs import decode_decision, decode_holds, decode_reservation, fields_of, pairs_of
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import DUE_RESERVATION, Keys
from matcher.store.pages import Entry, KeysetPage, keyset_page
from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall
from matcher.store.reserve_call import handed_on, reserve_call
from matcher.store.reserve_request import (
    Declined,
    Enqueued,
    Full,
    Lapsed,
    Lifetimes,
    OtherArm,
    Refusal,
    Refused,
    Replayed,
    ReservationRef,
    ReserveAnswer,
    Reserved,
    ReserveKind,
    ReserveRequest,
    Shortlist,
    WaitTerms,
    reserve_answer,
)
from matcher.store.schema import RETURNED_SINCE
from matcher.store.unreadable import Unreadable

__all__ = [
    "NO_FENCE",
    "Declined",
    "Enqueued",
    "Full",
    "Lapsed",
    "Lifetimes",
    "OtherArm",
    "Refusal",
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
OFFER_TRIES: Final = 4
"""How often a verb is run that finds the contact offered to another agent: an offer more is made only by a transfer
more."""
MOST_REFS: Final = 8_192
"""How many references of reservations made by this process are remembered, the latest, about 4 MB. For any other, a
transition reads the reservation first."""


class ReservationStore:
    """Hold capacity, and move reservations through their states."""

    def __init__(
        self,
        connection: StoreClient,
        lifetimes: Lifetimes,
        unreadable: Unreadable | None = None,
        keys: ServiceKeys | None = None,
    ) -> None:
        """unreadable: reports records that are left out of a list. keys: make the digests of handles in decisions."""
        self._connection = connection
        self._unreadable = unreadable or Unreadable()
        self._lifetimes = lifetimes
        self._keys = keys
        self._refs: OrderedDict[tuple[str, str], ReservationRef] = OrderedDict()

    @property
    def schema(self) -> int:
        """The schema of the records that this process writes now."""
        return self._connection.schema.writes

    async def reserve(self, request: ReserveRequest, shortlist: Shortlist, *, or_wait: bool = False) -> ReserveAnswer:
        """Hold capacity of the best candidate that has enough free, in one round trip. Safe to run again.

        or_wait: where none has, the contact waits, if it may. Else it does so only where a candidate has, but is kept
        for the contacts that wait already.
        """
        answer = await self._connection.verb(self._reserve_call(request, shortlist, or_wait=or_wait))
        return self._remember(request, reserve_answer(request, shortlist, answer))

    async def reserve_in_order(self, requests: Sequence[tuple[ReserveRequest, Shortlist]]) -> list[ReserveAnswer]:
        """Reserve for several contacts of one site, one after the other, in one round trip. Safe to run again.

        Returns the answers up to the first Full; the requests after it were not tried.
        """
        calls = [self._reserve_call(request, shortlist, or_wait=False) for request, shortlist in requests]
        answers = await self._connection.verb(verbs.ReserveInOrder(reserves=calls))
        return [
            self._remember(request, reserve_answer(request, shortlist, answer))
            for (request, shortlist), answer in zip(requests, answers, strict=False)
        ]

    def _remember(self, request: ReserveRequest, answer: ReserveAnswer) -> ReserveAnswer:
        """Return the answer; remember the reference of the reservation that it holds, if any."""
        if isinstance(answer, Reserved):
            made = answer.reservation
            takes_over = request.handed_on if request.keeps_agent else None
            ref = ReservationRef(request.site, made.id, made.agent, made.contact, made.pool, takes_over)
            self._refs[request.site, made.id] = ref
            if len(self._refs) > MOST_REFS:
                self._refs.popitem(last=False)
        return answer

    def _reserve_call(self, request: ReserveRequest, shortlist: Shortlist, *, or_wait: bool) -> verbs.Reserve:
        digest = self._keys.handle_digests(request.customer)[0] if self._keys and request.customer else ""
        return reserve_call(
            request, shortlist, self._lifetimes, or_wait=or_wait, schema=self.schema, customer_digest=digest
        )

    async def reference(self, site: str, reservation: str) -> ReservationRef:
        """Return what a transition of a reservation needs. Raises ReservationNotFound."""
        if ref := self._refs.get((site, reservation)):
            return ref
        agent, contact, pool, takes_over = await self._connection.run(
            "HMGET", Keys(site).reservation(reservation), "agent", "contact", "pool", "takes_over"
        )
        if agent is None:
            raise ReservationNotFound(reservation_name(site, reservation))
        old = None
        if takes_over is not None:
            old_id, old_agent, old_pool = takes_over.decode().split("|")
            old = ReservationRef(site, old_id, old_agent, contact.decode(), old_pool)
        return ReservationRef(site, reservation, agent.decode(), contact.decode(), pool.decode(), old)

    async def accept(
        self,
        ref: ReservationRef,
        fence: int,
        accepted_ms: int,
        idle_ms: int = 0,
        first_ms: int = 0,
        *,
        wrap_up_ms: int = 0,
    ) -> Reservation:
        """Accept an offer for `accepted_ms`; after `idle_ms` without activity the conversation is idle, 0: never.

        first_ms: within what time the agent must answer the customer, by a touch; 0: at any time. wrap_up_ms: how long
        the capacity of the agent stays held from whom a transfer takes the contact over.
        """
        old = ref.takes_over
        call = verbs.Accept(
            transition=self._transition(ref, fence),
            accepted_ms=accepted_ms,
            idle_ms=idle_ms,
            first_ms=first_ms,
            handed_on=None if old is None else handed_on(old, wrap_up_ms),
        )
        return await self._move(ref, fence, "accepted", call)

    async def decline(
        self, ref: ReservationRef, fence: int, reason: str, retry_after_ms: int | None, max_declined: int = 0
    ) -> Declined:
        """Decline an offer; `retry_after_ms` None: the contact is not offered to the agent again.

        max_declined: after how many declined offers in a row the agent is AWAY; 0: never.
        """
        call = verbs.Decline(
            transition=self._transition(ref, fence),
            reason=reason,
            retry_after_ms="" if retry_after_ms is None else retry_after_ms,
            max_declined=max_declined,
        )
        answer = await self._run(ref, call)
        declined = self._moved(ref, fence, "declined", answer)
        return Declined(declined, away=answer[-1] == b"away", still_away=answer[-1] == b"still")

    async def renew(self, ref: ReservationRef, fence: int, duration_ms: int, idle_ms: int = 0) -> Reservation:
        """Move the deadline to `duration_ms` from now."""
        transition = self._transition(ref, fence)
        call = verbs.Renew(transition=transition, duration_ms=duration_ms, idle_ms=idle_ms)
        return await self._move(ref, fence, "renewed", call)

    async def touch(self, ref: ReservationRef, fence: int, idle_ms: int) -> Reservation:
        """Note activity in a conversation."""
        call = verbs.Touch(transition=self._transition(ref, fence), idle_ms=idle_ms)
        return await self._move(ref, fence, "touched", call)

    async def complete(
        self,
        ref: ReservationRef,
        fence: int,
        wrap_up_ms: int,
        *,
        good: bool | None = None,
        second_ends: bool = False,
        reported: Sequence[verbs.ReportedOutcome] = (),
    ) -> Reservation:
        """End a conversation; its capacity stays held for `wrap_up_ms`. A second call changes nothing.

        good: whether the customer was served well, None: not known. The reservation keeps the first report.
        second_ends: a second call ends the wrap-up. reported: outcomes for the ledger, where there is one.
        """
        call = verbs.Complete(
            transition=self._transition(ref, fence),
            wrap_up_ms=wrap_up_ms,
            good="" if good is None else "1" if good else "0",
            second_ends="1" if second_ends else "",
            write_id=new_id(),
            outcomes=Keys(ref.site).outcomes(ref.contact),
            reported=reported,
        )
        return await self._move(ref, fence, "completed", call)

    async def end_wrap_up(self, ref: ReservationRef, fence: int) -> Reservation:
        """End a wrap-up before its time."""
        return await self._move(ref, fence, "wrapped up", verbs.EndWrapUp(transition=self._transition(ref, fence)))

    async def cancel(self, ref: ReservationRef, fence: int, wrap_up_ms: int = 0) -> Reservation:
        """End an offer or a conversation, and its contact; a conversation's capacity stays held for `wrap_up_ms`."""
        call = verbs.Cancel(transition=self._transition(ref, fence), wrap_up_ms=wrap_up_ms)
        return await self._move(ref, fence, "canceled", call)

    async def withdraw(self, ref: ReservationRef, cause: Cause) -> Reservation:
        """Withdraw the offer to an agent who has gone: the contact goes back as after a decline.

        cause AGENT_REMOVED: also the conversation, whose contact goes back at its old age.
        """
        call = verbs.Withdraw(transition=self._transition(ref, NO_FENCE), cause=cause)
        return await self._move(ref, NO_FENCE, "withdrawn", call)

    async def rest(self, ref: ReservationRef) -> bool:
        """Stop counting an idle conversation; return whether this call did."""
        answer = await self._connection.verb(verbs.Rest(transition=self._transition(ref, NO_FENCE)))
        return bool(answer[0] == b"rests")

    async def expire(self, ref: ReservationRef, max_missed: int, wrap_up_ms: int = 0) -> Lapsed | None:
        """Write the consequences of a passed deadline; None where another call does or it has not passed.

        max_missed: after how many lapsed offers in a row the agent is AWAY; 0: never. wrap_up_ms: how long the capacity
        stays held after a conversation.
        """
        call = verbs.Expire(transition=self._transition(ref, NO_FENCE), max_missed=max_missed, wrap_up_ms=wrap_up_ms)
        answer = await self._run(ref, call)
        if answer[0] != b"lapsed":
            return None
        self._refs.pop((ref.site, ref.reservation), None)
        return Lapsed(ReservationState(answer[1].decode()), away=bool(answer[2]))

    async def forget_due(self, site: str, reservation: str) -> bool:
        """Remove the deadline of a reservation whose record is forgotten; return whether there was one."""
        return bool(await self._connection.run("ZREM", Keys(site).due, DUE_RESERVATION + reservation))

    async def overdue(self, site: str, now_ms: int, most: int) -> list[str]:
        """List reservations whose deadline has passed, the earliest deadline first."""
        members = await self._connection.run("ZRANGE", Keys(site).due, "-inf", now_ms, "BYSCORE", "LIMIT", 0, most)
        return [member.decode(errors="replace").removeprefix(DUE_RESERVATION) for member in members]

    async def reservation(self, site: str, reservation: str, now_ms: int) -> Reservation:
        """Read a reservation. Raises ReservationNotFound."""
        fields = fields_of(await self._connection.run("HGETALL", Keys(site).reservation(reservation)))
        if not fields:
            raise ReservationNotFound(reservation_name(site, reservation))
        return decode_reservation(reservation, fields, now_ms)

    async def reservations(self, site: str, most: int, after: str, now_ms: int) -> Page[Reservation]:
        """List a page of the live reservations of a site by deadline."""
        page = await keyset_page(
            self._connection,
            Keys(site).due,
            Entry.of_token(after),
            most,
            first=f"({now_ms}",
            prefix=DUE_RESERVATION,
        )
        return await self._page(site, page, most, now_ms)

    async def reservations_of(self, site: str, agent: str, most: int, after: str, now_ms: int) -> Page[Reservation]:
        """List a page of the live reservations of an agent by deadline."""
        members = await self._connection.run("ZRANGE", Keys(site).holds(agent), 0, -1, "WITHSCORES")
        last = Entry.of_token(after)
        entries = [Entry(hold.deadline_ms, hold.reservation) for hold in decode_holds(pairs_of(members), now_ms)]
        entries = sorted(entry for entry in entries if last is None or entry > last)
        return await self._page(site, KeysetPage(entries, last=True), most, now_ms)

    async def decision(self, site: str, decision: str) -> Decision:
        """Read a decision's record. Raises DecisionNotFound."""
        fields = await self._connection.run("HGETALL", Keys(site).decision(decision))
        if not fields:
            raise DecisionNotFound(decision_name(site, decision))
        return decode_decision(decision, fields_of(fields))

    async def _page(self, site: str, page: KeysetPage, most: int, now_ms: int) -> Page[Reservation]:
        """Read the first `most` reservations of a page."""
        listed = page.entries[:most]
        commands = [("HGETALL", Keys(site).reservation(entry.id)) for entry in listed]
        answers = await self._connection.pipeline(commands, any_type=True)
        reservations = self._unreadable.decoded(
            site,
            "reservation",
            zip((entry.id for entry in listed), answers, strict=True),
            lambda name, fields: decode_reservation(name, fields_of(fields), now_ms),
        )
        more = len(page.entries) > most or not page.last
        read = [(entry, record) for entry, record in zip(listed, reservations, strict=True) if record is not None]
        return Page(
            tuple(record for _, record in read),
            listed[-1].token if more else "",
            tuple(entry.token for entry, _ in read),
        )

    def _transition(self, ref: ReservationRef, fence: int) -> verbs.Transition:
        keys, lifetimes = Keys(ref.site), self._lifetimes
        return verbs.Transition(
            step=verbs.ContactStep.of(
                keys, ref.contact, lifetimes.keep_ms, lifetimes.events_kept, lifetimes.outbox_kept
            ),
            reservation=keys.reservation(ref.reservation),
            agent=keys.agent(ref.agent),
            holds=keys.holds(ref.agent),
            pool=keys.pool(ref.pool),
            due=keys.due,
            roster=keys.roster,
            reservation_id=ref.reservation,
            agent_id=ref.agent,
            fence=fence,
            returned=ContactState.RETURNED if self._connection.schema.writes >= RETURNED_SINCE else ContactState.QUEUED,
        )

    async def _move(self, ref: ReservationRef, fence: int, wanted: str, call: VerbCall) -> Reservation:
        """Run a transition; wanted: the word for the state it leads to, for the error."""
        return self._moved(ref, fence, wanted, await self._run(ref, call))

    async def _run(self, ref: ReservationRef, call: VerbCall) -> list[Any]:
        """Run a verb that may end a conversation. An offer of its contact to another agent is withdrawn first."""
        for _ in range(OFFER_TRIES):
            answer = await self._connection.verb(call)
            if answer[0] != b"offered":
                return answer
            await self._withdraw_offer(ref, answer[1].decode())
        raise StoreUnavailable("the store", "a contact is offered to other agents again and again")

    async def _withdraw_offer(self, kept: ReservationRef, offer: str) -> None:
        """End the offer of a transfer; its contact stays with the agent who keeps it."""
        try:
            offered = await self.reference(kept.site, offer)
            await self.withdraw(offered, Cause.TRANSFER_WITHDRAWN)
        except ReservationLapsed:
            await self.expire(offered, 0)
        except ReservationStateWrong:
            return  # the offer was answered meanwhile
        except ReservationNotFound:
            # The record of the offer is lost: nobody will answer it.
            await self._connection.run("HDEL", Keys(kept.site).contact(kept.contact), "offered")

    def _moved(self, ref: ReservationRef, fence: int, wanted: str, answer: list[Any]) -> Reservation:
        """Return the reservation after a transition, by the answer to it."""
        name = reservation_name(ref.site, ref.reservation)
        match answer:
            case [b"ok", flat, now_ms, *_]:
                moved = decode_reservation(ref.reservation, fields_of(flat), int(now_ms))
                if moved.state not in HOLDING:
                    self._refs.pop((ref.site, ref.reservation), None)
                return moved
            case [b"fence"]:
                raise FenceStale(name, fence)
            case [b"lapsed", state]:
                raise ReservationLapsed(name, state.decode())
            case [b"state", state]:
                raise ReservationStateWrong(name, state.decode(), wanted)
            case _:
                raise ReservationNotFound(name)
