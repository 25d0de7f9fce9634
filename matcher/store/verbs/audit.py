"""The verbs of the audit: they compare records that must agree, and repair those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall

_AUDITED: Final[Answers] = {"audited": ("repairs",)}
"""repairs: a list of 'KIND|id', see RepairKind."""


class AuditedReservation(CallPart, frozen=True, kw_only=True):
    """A reservation that an agent's holds or the deadlines name."""

    reservation: Key
    id: str


class AuditAgent(VerbCall, frozen=True, kw_only=True):
    """Repairs the holds and the deadlines of an agent's reservations."""

    life: Key
    agent: Key
    holds: Key
    due: Key
    load: Key
    waiting: Key
    agent_id: str
    events_kept: int
    reservations: Sequence[AuditedReservation]

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = _AUDITED


class AuditedContact(CallPart, frozen=True, kw_only=True):
    """A contact that waits, or that the queue names."""

    contact: Key
    id: str


class AuditQueue(VerbCall, frozen=True, kw_only=True):
    """Repairs the queue by the records of contacts, and the numbers of waiting contacts."""

    life: Key
    queue: Key
    waiting: Key
    timers: Key
    load: Key
    events_kept: int
    contacts: Sequence[AuditedContact]

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = _AUDITED
