"""Losses: what this process saw of contacts and the store does not know any more, as after a failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import structs

from matcher.model import ContactEvent, Reservation
from matcher.model.lifecycle import ENDED, Cause, ContactState, ReservationState
from matcher.replica.event_hub import EventHub
from matcher.store.change_stream import event_number
from matcher.store.contacts import ContactStore
from matcher.store.reservations import Enqueued, Reserved, ReserveRequest
from matcher.store.standing import Standing

log = structlog.get_logger(__name__)

BATCH: Final = 500
MOST_AWAY_SECONDS: Final = 60.0
"""After a longer absence of the store a record that is missing may have expired: then nothing is told."""
OVER: Final = ENDED | {ContactState.RETURNED}


class Losses:
    """Remember the last step of each contact that has not ended, and tell of those that the store has lost."""

    def __init__(self, site: str, contacts: ContactStore, hub: EventHub, on_lost: Callable[[], None]) -> None:
        """on_lost: called for each contact of which something was lost, by the process that tells it."""
        self._site = site
        self._contacts = contacts
        self._hub = hub
        self._on_lost = on_lost
        self._last: dict[str, ContactEvent] = {}
        self._recent: dict[str, tuple[ContactEvent, float]] = {}
        """Steps that are remembered for a minute, each with when it was noted (time.monotonic): those with the cause
        LOST, which a store may lose too, and own steps whose numbers were read before."""
        self._read = 0
        self._another = False

    def note(self, event: ContactEvent) -> None:
        """Note a step of a contact that was read from the stream."""
        self._read = event.number
        self._forget_old()
        own = self._last.get(event.contact)
        if own is not None and own.sequence > event.sequence:
            return  # a later step, which this process took itself
        if event.state in OVER:
            self._last.pop(event.contact, None)
        else:
            self._last[event.contact] = event

    def note_reserved(self, request: ReserveRequest, answer: Reserved) -> None:
        """Note a hold that this process made: its caller is told of the hold before the stream has brought it back.

        A primary may die between its answer and the reading. A transfer that keeps the agent takes no step.
        """
        if not request.keeps_agent:
            self._note_own(_held(answer.reservation, answer.sequence), answer.event)

    def note_enqueued(self, request: ReserveRequest, answer: Enqueued, now_ms: int) -> None:
        """Note that this process let a contact wait, where it has not read so from the stream yet.

        A primary may die between its answer and the reading. An agent who hands a contact on keeps it meanwhile.
        """
        state, cause, kept = ContactState.QUEUED, Cause.NOBODY_FREE, request.handed_on
        if kept is not None:
            state, cause = ContactState.ASSIGNED, Cause.TRANSFER_ASKED
        reservation, agent = (kept.reservation, kept.agent) if kept is not None else ("", "")
        event = ContactEvent(
            request.contact, request.pool, answer.sequence, state, cause, reservation, agent, now_ms
        )  # fmt: skip
        self._note_own(event, answer.event)

    def note_accepted(self, reservation: Reservation) -> None:
        """Note that this process accepted the offer of a contact, where it has not read so from the stream yet."""
        last, recent = self._last.get(reservation.contact), self._recent.get(reservation.contact)
        for offer, remember in ((last, self._keep), (recent[0] if recent else None, self._remember)):
            if offer is not None and offer.state is ContactState.RESERVED and offer.reservation == reservation.id:
                remember(_held(reservation, offer.sequence + 1))  # from the offer to its acceptance is one step

    def _note_own(self, event: ContactEvent, written: str) -> None:
        """Note a step of this process; written: the id of its event in the stream.

        A number that was read before is that of the step, and then the contact may have ended since; or the store has
        lost that number and gives it again.
        """
        if event_number(written) > self._read:
            self._keep(event)
        else:
            self._remember(event)

    def _keep(self, event: ContactEvent) -> None:
        self._last[event.contact] = event

    async def compare(self, heard_at: float, *, another: bool) -> None:
        """Forget what the store does not have, now that the site was read again; tell of it where the store lost it.

        heard_at: when the store last answered (time.monotonic). another: another server answers than before, or the
        server has started again. The same server has lost nothing: this process missed events, and a contact that is
        missing was removed with its customer. The step with the cause LOST reaches every watch at every process; where
        the store loses that step as well, another one is told. Raises StoreUnavailable.
        """
        self._another = self._another or another  # also where the store went away during the comparison before
        self._read = 0  # a server that lost steps gives their numbers again
        self._forget_old()
        known, kept = list(self._latest().values()), set[str]()
        for start in range(0, 0 if time.monotonic() - heard_at > MOST_AWAY_SECONDS else len(known), BATCH):
            batch = known[start : start + BATCH]
            for event, found in zip(batch, await self._contacts.standings(self._site, batch), strict=True):
                if found is Standing.LOST and self._another:
                    await self._lost(event)
                elif found is Standing.LAST and event.state not in OVER:
                    kept.add(event.contact)
        # Only now: where the store went away meanwhile, all of it is compared again. What was noted meanwhile stays.
        for event in known:
            if event.contact not in kept and self._last.get(event.contact) is event:
                del self._last[event.contact]
        self._another = False

    def end(self) -> None:
        """Tell the watches of this process that the store came back without the site: all of it is lost."""
        for event in self._last.values():
            self._hub.publish(
                ContactEvent(
                    event.contact,
                    event.pool,
                    event.sequence + 1,
                    ContactState.RETURNED,
                    Cause.LOST,
                    event.reservation,
                    event.agent,
                    event.at_ms,
                    self._hub.last + 1,
                )
            )
            self._report(event)
        self._last.clear()
        self._recent.clear()

    def _latest(self) -> dict[str, ContactEvent]:
        """Return the last step that is known of each contact that has not ended, or of which a step is remembered."""
        latest = {contact: event for contact, (event, _) in self._recent.items()}
        for contact, event in self._last.items():
            if contact not in latest or latest[contact].sequence <= event.sequence:
                latest[contact] = event
        return latest

    async def _lost(self, event: ContactEvent) -> None:
        if await self._contacts.lose(self._site, event) is not None:
            self._report(event)
        self._remember(
            structs.replace(event, sequence=event.sequence + 1, state=ContactState.RETURNED, cause=Cause.LOST)
        )

    def _remember(self, event: ContactEvent) -> None:
        self._recent.pop(event.contact, None)  # the latest stands last
        self._recent[event.contact] = (event, time.monotonic())

    def _forget_old(self) -> None:
        """Forget what was noted long enough ago that no store can lose it any more."""
        while self._recent:
            contact, (_, at) = next(iter(self._recent.items()))
            if time.monotonic() - at <= MOST_AWAY_SECONDS:
                return
            del self._recent[contact]

    def _report(self, event: ContactEvent) -> None:
        self._on_lost()
        log.warning(
            "the store lost what it had acknowledged",
            site=self._site,
            contact=event.contact,
            reservation=event.reservation,
            agent=event.agent,
        )


def _held(reservation: Reservation, sequence: int) -> ContactEvent:
    accepted = reservation.state is ReservationState.ACCEPTED
    return ContactEvent(
        reservation.contact,
        reservation.pool,
        sequence,
        ContactState.ASSIGNED if accepted else ContactState.RESERVED,
        Cause.ACCEPTED if accepted else Cause.OFFERED,
        reservation.id,
        reservation.agent,
        reservation.created_ms,
    )
