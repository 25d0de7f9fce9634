"""The reader of waiting contacts: reads their records, opens and encodes their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from matcher.errors import MatcherError
from matcher.model import Message, Pool, PoolPolicy
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage, encode_or_fall_back, with_profile, without_units
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.message_reading import read_message
from matcher.routing.queued_contacts import QueuedContact
from matcher.routing.returning_customers import ReturningCustomers
from matcher.store.contacts import ContactStore, QueuePlace, UnreadableContact, WaitingContact
from matcher.store.remembered import StoredProfile
from matcher.store.sealer import NotOpened, Sealer, WaitingMessage, WaitingText, WaitingVectors

log = structlog.get_logger(__name__)


class Quarantined(StrEnum):
    """Why a waiting contact is kept aside."""

    RECORD = "record"
    """Its record cannot be read."""
    SECRET = "secret"  # noqa: S105 - a reason, not a secret
    """Its message was sealed with another secret, or was damaged since."""
    MESSAGE = "message"
    """Its message was opened and is no message."""
    ENCODING = "encoding"
    """Its text cannot be encoded, while the encoder encodes other texts."""


GOOD_TEXT: Final = "hello"
"""Tells a broken encoder from a text that it cannot encode."""
_REASONS: Final = {NotOpened.SECRET: Quarantined.SECRET, NotOpened.MESSAGE: Quarantined.MESSAGE}


class Opened(NamedTuple):
    """A waiting contact with its message: the text that was opened, and what the contact requires."""

    place: QueuePlace
    record: WaitingContact
    message: Message
    auto_accept: bool
    vectors: WaitingVectors | None = None
    """What was sealed of its vectors; None: nothing was."""

    @classmethod
    def of(cls, place: QueuePlace, record: WaitingContact, said: WaitingText | WaitingMessage) -> Opened:
        """Return a contact with what was sealed; schema 2 sealed text and requirements together."""
        if isinstance(said, WaitingMessage):
            return cls(place, record, said.message, said.auto_accept)
        stored = record.requirements
        required = stored.requirements(place.pool, record.channel, record.only)
        message = said.message(record.customer, required, stored.preferred_agents())
        return cls(place, record, message, stored.auto_accept, said.vectors)


class WaitingReader:
    """Read contacts of one site's queue. A contact that cannot be read costs no other contact its turn."""

    def __init__(
        self,
        replica: SiteReplica,
        contacts: ContactStore,
        sealer: Sealer,
        on_quarantined: Callable[[Quarantined], None] = lambda _: None,
        share: EncoderShare | None = None,
        returning: ReturningCustomers | None = None,
    ) -> None:
        """on_quarantined: called for each contact that is kept aside. share: the part of the encoder of all queues.

        returning: reads what customers agreed to leave; None: nothing is read.
        """
        self._replica = replica
        self._contacts = contacts
        self._sealer = sealer
        self._on_quarantined = on_quarantined
        self._share = share or EncoderShare()
        self._returning = returning
        self._has_opened = False
        """Whether this process ever opened a message of the site: then its secret is the one that the site's have."""
        self._unopened: set[str] = set()

    async def read(self, places: Sequence[QueuePlace]) -> tuple[list[QueuedContact], set[str]]:
        """Return the contacts that can be compared, and the ids of those that no longer wait or cannot be read."""
        records = await self._contacts.kept(self._replica.site, [place.contact for place in places])
        opened: list[Opened] = []
        returned: list[QueuedContact] = []
        left_out: set[str] = set()
        unopened: list[tuple[str, WaitingContact, NotOpened]] = []
        for place, record in zip(places, records, strict=True):
            if isinstance(record, UnreadableContact):
                await self._set_aside(place.contact, record.seen, Quarantined.RECORD, record.why)
            elif record is not None and not record.sealed:
                returned.append(await self._without_text(place, record))
                continue
            elif record is not None:
                said = self._sealer.open(self._replica.site, place.contact, record.sealed)
                if said is NotOpened.OVER:
                    returned.append(await self._without_text(place, record))
                    continue
                if not isinstance(said, NotOpened):
                    opened.append(Opened.of(place, record, said))
                    continue
                unopened.append((place.contact, record, said))
            left_out.add(place.contact)
        self._has_opened = self._has_opened or bool(opened)
        for contact, record, why in unopened:
            await self._handle_unopened(contact, record, why)
        return returned + await self._encoded(opened, left_out), left_out

    async def _without_text(self, place: QueuePlace, record: WaitingContact) -> QueuedContact:
        """Return a contact that came back from an agent without its text.

        It is offered by its requirements, and by what its customer agreed to leave.
        """
        opened = Opened.of(place, record, WaitingText("", kept=()))
        encoded = without_units(self._replica, opened.message)
        profile = await self._profile(self._pool(place), record)
        if profile is not None:
            encoded = with_profile(encoded, profile)
        return QueuedContact(place, record, opened.message, opened.auto_accept, encoded, opened.message.requirements)

    async def _encoded(self, opened: Sequence[Opened], left_out: set[str]) -> list[QueuedContact]:
        """Encode messages; add the contacts to `left_out` whose text cannot be encoded."""
        # A message that another version sealed may be unread.
        read = [await read_message(waiting.message) for waiting in opened]
        # A few at a time: all at once, long messages would be more than may wait for the encoder, at each try again.
        pools = [self._pool(waiting.place) for waiting in opened]
        profiles = await asyncio.gather(
            *(self._profile(pool, waiting.record) for pool, waiting in zip(pools, opened, strict=True))
        )
        outcomes = await asyncio.gather(
            *(
                encode_or_fall_back(self._replica, pool, message, profile, self._share, kept=waiting.vectors)
                for waiting, message, pool, profile in zip(opened, read, pools, profiles, strict=True)
            ),
            return_exceptions=True,
        )
        queued = []
        for waiting, message, pool, profile, outcome in zip(opened, read, pools, profiles, outcomes, strict=True):
            place, record = waiting.place, waiting.record
            encoded: EncodedMessage | BaseException | None = outcome
            if isinstance(outcome, BaseException):
                if isinstance(outcome, MatcherError) or not isinstance(outcome, Exception):
                    raise outcome
                encoded = await self._encoded_alone(place.contact, record, message, pool, profile)
            if isinstance(encoded, EncodedMessage):
                required = waiting.message.requirements
                queued.append(QueuedContact(place, record, waiting.message, waiting.auto_accept, encoded, required))
            else:
                left_out.add(place.contact)
        return queued

    async def _encoded_alone(
        self, contact: str, record: WaitingContact, message: Message, pool: Pool, profile: StoredProfile | None
    ) -> EncodedMessage | None:
        """Encode a message again, for another of its batch may have failed; None: it is set aside now.

        Raises what the encoder raises of a text that is surely good: then the encoder is broken, and no contact is.
        """
        try:
            return await encode_or_fall_back(self._replica, pool, message, profile, self._share)
        except MatcherError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever a text does to the encoder, the others are served
            await self._replica.matching.encoder.encode([GOOD_TEXT])
            await self._set_aside(contact, record.seen, Quarantined.ENCODING, type(fault).__name__)
            return None

    def _pool(self, place: QueuePlace) -> Pool:
        """Return a contact's pool; one that was removed meanwhile, with the policy of a new one."""
        return self._replica.pools.known.get(place.pool) or Pool(place.pool, PoolPolicy(), 0, 0, 0)

    async def _profile(self, pool: Pool, record: WaitingContact) -> StoredProfile | None:
        return await self._returning.profile(self._replica, pool, record.customer) if self._returning else None

    async def _handle_unopened(self, contact: str, record: WaitingContact, why: NotOpened) -> None:
        """Set a contact aside whose message cannot be opened.

        Not where this process has never opened one: its own secret may be the wrong one, and it would set the whole
        queue aside. Such a contact goes on waiting, for a process that can open its message.
        """
        if self._has_opened or why is NotOpened.MESSAGE:
            self._unopened.discard(contact)
            await self._set_aside(contact, record.seen, _REASONS[why], why.name)
        elif contact not in self._unopened:
            self._unopened.add(contact)
            log.warning(
                "the message of a waiting contact was sealed with another secret",
                site=self._replica.site,
                contact=contact,
            )

    async def _set_aside(self, contact: str, seen: str, reason: Quarantined, why: str) -> None:
        site = self._replica.site
        if not await self._contacts.quarantine(site, contact, seen):
            return  # the contact left the queue, or has another record: its event says which
        self._replica.queue.leave(contact)
        event = "a waiting contact cannot be read and is kept aside"
        log.warning(event, site=site, contact=contact, reason=reason.value, why=why)
        self._on_quarantined(reason)
