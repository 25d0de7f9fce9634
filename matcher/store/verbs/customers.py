"""The verbs of customers: their handles, and how agents served them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class OtherCustomer(CallPart, frozen=True, kw_only=True):
    """A customer whose record goes into another's."""

    customer: Key


class Handle(CallPart, frozen=True, kw_only=True):
    """A handle to be joined, and the id of the customer that it is expected to lead to; "": none."""

    handle: Key
    digest: str
    """What names the key."""
    expected: str


class Link(VerbCall, frozen=True, kw_only=True):
    """Joins the handles of one customer. moved: a handle or a customer leads elsewhere by now.

    linked: how many handles the customer has, how long the record lasts from now on, and the digests of its handles.
    """

    life: Key
    customer: Key
    customer_id: str
    """The customer to whom all handles lead from now on."""
    remember_ms: int
    """How long the handles stay joined at least."""
    others: Sequence[OtherCustomer]
    handles: Sequence[Handle]

    answers: ClassVar[Answers] = {"linked": ("handles", "lasts_ms", "digests"), "moved": ()}


class Remember(VerbCall, frozen=True, kw_only=True):
    """Notes how an agent served a customer. moved: the customer was joined to another.

    ok: how long the record lasts from now on, and the digests of the customer's handles.
    """

    life: Key
    customer: Key
    agent_field: str
    verdict: str
    """'good|when|until' or 'bad|when|until'."""
    uid_field: str
    uid: str
    """'when|uid': of the agent, at the time of the verdict; "": not known."""
    now_ms: int
    """The time of the verdict."""

    answers: ClassVar[Answers] = {"ok": ("lasts_ms", "digests"), "moved": ("customer_id",)}


class Rehash(VerbCall, frozen=True, kw_only=True):
    """Stores a customer's handle by the digest of a newer key.

    both: the handle has a customer by either digest, who is not `customer_id`.
    """

    life: Key
    handle: Key
    former: Key
    customer: Key
    customer_id: str
    """The customer whom both digests lead to; "": they are not known to."""

    answers: ClassVar[Answers] = {"done": (), "both": ("customer_id", "former_customer_id")}
