"""The verbs of contacts that wait: their end, the leader lease of a site's queue, and the earmarks of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from matcher.store.keys import Keys
from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class ContactStep(CallPart, frozen=True, kw_only=True):
    """What a step of a contact's life takes: the part that lua/contact.lua reads."""

    contact: Key
    life: Key
    load: Key
    queue: Key
    waiting: Key
    contacts: Key
    timers: Key
    outbox: Key
    offers: Key
    asked: Key
    contact_id: str
    keep_ms: int
    """How long the records of what has ended are kept."""
    events_kept: int
    outbox_kept: int
    """About how many entries the outbox keeps for the ledger; 0: the service keeps no ledger, and nothing is added."""

    @classmethod
    def of(cls, keys: Keys, contact: str, keep_ms: int, events_kept: int, outbox_kept: int = 0) -> Self:
        """Return the part for a contact of the site whose keys these are."""
        return cls(
            contact=keys.contact(contact),
            life=keys.life,
            load=keys.load,
            queue=keys.queue,
            waiting=keys.waiting,
            contacts=keys.contacts,
            timers=keys.timers,
            outbox=keys.outbox,
            offers=keys.offers,
            asked=keys.asked,
            contact_id=contact,
            keep_ms=keep_ms,
            events_kept=events_kept,
            outbox_kept=outbox_kept,
        )


class Leave(VerbCall, frozen=True, kw_only=True):
    """Takes a contact out of the queue.

    gone: there is no such contact, or the caller does not reach it. held: an agent has it. ended: it has ended before.
    early: it may still wait.
    """

    step: ContactStep
    aside: Key
    cause: str
    """CANCELED or WAIT_EXPIRED."""
    scope: str = ""
    """The pools that the caller reaches, ';billing;sales;'; "": all."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {
        "left": ("state",),
        "gone": (),
        "held": ("reservation_id",),
        "ended": ("state",),
        "early": (),
    }


class Quarantine(VerbCall, frozen=True, kw_only=True):
    """Takes a contact that cannot be read out of the queue, and keeps its record aside.

    aside: done, with the contact's state: QUARANTINED, or ASSIGNED where a transfer waited. changed: its record is not
    the one seen. gone: the contact is not in the queue.
    """

    step: ContactStep
    aside: Key
    seen: str
    """The record that cannot be read: SHA-1 over its names and values, 40 hex digits; "" for a key of another type."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"aside": ("state",), "changed": (), "gone": ()}


class Lose(VerbCall, frozen=True, kw_only=True):
    """Tells that the store has lost steps of a contact, or the contact.

    told: done, with the contact's state. kept: nothing is lost, or it was told before.
    """

    step: ContactStep
    sequence: int
    """The last step that the caller saw."""
    state: str
    """The contact's state by that step."""
    pool_id: str
    reservation_id: str
    """The reservation that the contact had by that step, "" for none."""
    agent_id: str

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"told": ("state",), "kept": ()}


class Lead(VerbCall, frozen=True, kw_only=True):
    """Takes or renews the leader lease of a site's queue. follows: how long the lease of another process lasts."""

    life: Key
    dispatcher: Key
    load: Key
    process_id: str
    lease_ms: int

    answers: ClassVar[Answers] = {"leads": ("load_event",), "follows": ("left_ms",)}


class FreedAgent(CallPart, frozen=True, kw_only=True):
    """An agent with an earmark, and when the capacity became free."""

    agent: Key
    freed_at_ms: int


class GiveBack(VerbCall, frozen=True, kw_only=True):
    """Ends the earmarks of agents."""

    life: Key
    agents: Sequence[FreedAgent]

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}
