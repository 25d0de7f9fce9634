"""The verbs of contacts that wait: their end, the leader lease of a site's queue, and the earmarks of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class Leave(VerbCall, frozen=True, kw_only=True):
    """Takes a contact out of the queue.

    gone: there is no such contact. held: an agent has it. ended: it has ended before. early: it may still wait.
    """

    contact: Key
    load: Key
    queue: Key
    waiting: Key
    contacts: Key
    timers: Key
    contact_id: str
    cause: str
    """CANCELED or WAIT_EXPIRED."""
    keep_ms: int
    events_kept: int

    answers: ClassVar[Answers] = {
        "left": ("state",),
        "gone": (),
        "held": ("reservation_id",),
        "ended": ("state",),
        "early": (),
    }


class Lead(VerbCall, frozen=True, kw_only=True):
    """Takes or renews the leader lease of a site's queue. follows: how long the lease of another process lasts."""

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

    agents: Sequence[FreedAgent]

    answers: ClassVar[Answers] = {"ok": ()}
