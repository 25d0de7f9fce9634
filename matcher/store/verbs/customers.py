"""The verbs of customers: their handles, and how agents served them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class OtherCustomer(CallPart, frozen=True, kw_only=True):
    """A customer whose record goes into another's."""

    customer: Key
    profile: Key
    other_id: str


class Handle(CallPart, frozen=True, kw_only=True):
    """A handle to be joined, and the id of the customer that it is expected to lead to; "": none."""

    handle: Key
    digest: str
    """What names the key."""
    sealed: bytes
    """The handle itself, sealed."""
    expected: str


class Link(VerbCall, frozen=True, kw_only=True):
    """Joins the handles of one customer. moved: a handle or a customer leads elsewhere by now.

    linked: how many handles the customer has, how long the record lasts from now on, and the digests of its handles.
    """

    life: Key
    customer: Key
    profile: Key
    customers: Key
    audit: Key
    said: str | bytes = ""
    """See PutAgent."""
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
    profile: Key
    customers: Key
    customer_id: str
    digest: str
    """That of the handle by which the customer came."""
    sealed: bytes
    """That handle, sealed."""
    agent_field: str
    verdict: str
    """'good|when|until' or 'bad|when|until'."""
    uid_field: str
    uid: str
    """'when|uid': of the agent, at the time of the verdict; "": not known."""
    now_ms: int
    """The time of the verdict."""

    answers: ClassVar[Answers] = {"ok": ("lasts_ms", "digests"), "moved": ("customer_id",)}


class PutProfile(VerbCall, frozen=True, kw_only=True):
    """Stores the interests that a customer agreed to leave. moved: the customer was joined to another. gone: forgotten.

    ok: how long the customer's record lasts from now on, and the digests of the customer's handles.
    """

    life: Key
    customer: Key
    profile: Key
    customers: Key
    audit: Key
    once: Key
    said: str | bytes = ""
    """See PutAgent."""
    customer_id: str
    uid: str
    """Of these interests: what is sealed is bound to it."""
    time_ms: int
    """When the consent was given."""
    expires_ms: int
    sealed: bytes
    """The interests and the consent; b"": there are no interests."""
    vectors: bytes
    request_id: str
    digest: str
    """Of the request; "": the request is not remembered."""
    once_ms: int

    answers: ClassVar[Answers] = {"ok": ("lasts_ms", "digests"), "moved": ("customer_id",), "gone": ()}


class PutProfileVectors(VerbCall, frozen=True, kw_only=True):
    """Stores the vectors of a customer's interests by another model. changed: the interests are others by now."""

    life: Key
    profile: Key
    uid: str
    vectors: bytes

    answers: ClassVar[Answers] = {"ok": (), "changed": ()}


class RecallHandle(VerbCall, frozen=True, kw_only=True):
    """Stores the sealed handle of a customer of whom only its digest is known."""

    life: Key
    customer: Key
    digest: str
    sealed: bytes

    answers: ClassVar[Answers] = {"ok": (), "moved": ()}


class Reseal(VerbCall, frozen=True, kw_only=True):
    """Replaces a sealed field of a record by the same sealed under a newer key. changed: it is another by now."""

    life: Key
    record: Key
    field: str
    expected: bytes
    sealed: bytes

    answers: ClassVar[Answers] = {"ok": (), "changed": ()}


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
