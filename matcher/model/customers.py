"""Customers: what the service remembers of a person, by the person's consent, and what a caller asks to remember."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class CustomerInterest(msgspec.Struct, frozen=True, array_like=True):
    """An interest of a customer, in the customer's words, and where it comes from. Never logged.

    id: random; a reason of a decision names the interest by it. "": not stored yet.
    """

    id: str
    text: str
    source: str

    def __repr__(self) -> str:
        return f"CustomerInterest({self.id}, …)"


class Consent(msgspec.Struct, frozen=True, array_like=True):
    """A customer's consent: to what, in the operator's words, since when and until when (ms).

    shareable: an agent's desk may show which interest led to a decision.
    """

    basis: str
    time_ms: int
    expires_ms: int
    shareable: bool


@dataclass(frozen=True, slots=True)
class CustomerNote:
    """How an agent served a customer: whether well, when, and until when that counts (ms)."""

    agent: str
    good: bool
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, repr=False)
class Customer:
    """Everything that is remembered of a customer. Never logged.

    id "": nothing but contacts, decisions or the ledger has the handle.

    unnamed_handles: handles of which an earlier version stored only the digest. consent None: there are no interests.
    open_contacts: contacts that have not ended; read where one customer is read. ended_contacts, decisions: read where
    they are asked for.
    """

    id: str
    handles: tuple[str, ...] = ()
    unnamed_handles: int = 0
    interests: tuple[CustomerInterest, ...] = ()
    consent: Consent | None = None
    notes: tuple[CustomerNote, ...] = ()
    open_contacts: tuple[str, ...] = ()
    expires_ms: int = 0
    ended_contacts: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class CustomerWrite:
    """What a caller wants to be remembered of a customer. Never logged.

    customer "": the customer of the handles, a new one where they have none. consent None: there are no interests, and
    those stored before are forgotten. validate_only: nothing is written.
    """

    customer: str
    handles: tuple[str, ...]
    interests: tuple[CustomerInterest, ...]
    consent: Consent | None
    request_id: str = ""
    digest: bytes = b""
    validate_only: bool = False
