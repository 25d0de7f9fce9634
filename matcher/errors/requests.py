"""Errors of requests: fields that are wrong, and names of what does not exist or exists already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from matcher.errors.reason import MatcherError


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """Names one wrong field and what is wrong with it."""

    field: str
    description: str


class FieldsInvalid(MatcherError):
    """One or more fields of the request are wrong; it carries all violations at once."""

    reason = "FIELDS_INVALID"

    def __init__(self, violations: Sequence[FieldViolation], *, more: int = 0) -> None:
        """violations: those that the answer names; more: how many there are besides."""
        super().__init__("; ".join(f"{violation.field} {violation.description}" for violation in violations))
        self.violations = tuple(violations)
        self.more = more


class MessageMalformed(MatcherError):
    """The body is not a message of this method."""

    reason = "MESSAGE_MALFORMED"

    def __init__(self, method: str) -> None:
        super().__init__("the body is cut off, not protobuf, or not UTF-8", method=method)


class MessageTooLarge(MatcherError):
    """The body is larger than the limit of its method."""

    reason = "MESSAGE_TOO_LARGE"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the body has {size} bytes; at most {limit} are allowed", bytes=size, limit=limit)


class RequestIdReused(MatcherError):
    """An earlier, different request used the same request_id."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__("an earlier, different request used the same request_id", request_id=request_id)


class NotFound(MatcherError):
    """There is no such resource; a subclass for each kind."""

    kind: ClassVar[str]

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no {name}", **{self.kind: name})


class SiteNotFound(NotFound):
    """There is no such site."""

    reason = "SITE_NOT_FOUND"
    kind = "site"


class PoolNotFound(NotFound):
    """There is no such pool."""

    reason = "POOL_NOT_FOUND"
    kind = "pool"


class AgentNotFound(NotFound):
    """There is no such agent."""

    reason = "AGENT_NOT_FOUND"
    kind = "agent"


class ReservationNotFound(NotFound):
    """There is no such reservation, or its record has expired."""

    reason = "RESERVATION_NOT_FOUND"
    kind = "reservation"


class ContactNotFound(NotFound):
    """There is no such contact, or its record has expired."""

    reason = "CONTACT_NOT_FOUND"
    kind = "contact"


class CustomerNotFound(NotFound):
    """There is no such customer: nothing is remembered of one, or no longer."""

    reason = "CUSTOMER_NOT_FOUND"
    kind = "customer"


class HandleUnknown(MatcherError):
    """Nothing is remembered of a customer with this handle, or no longer. The handle itself is not repeated."""

    reason = "CUSTOMER_NOT_FOUND"

    def __init__(self, site: str, *, every_record_read: bool = False) -> None:
        """every_record_read: contacts, decisions and the ledger do not have the handle either."""
        looked = (
            "and no contact, no decision and no row of the ledger has it"
            if every_record_read
            else "whether contacts have it, `with_ended_contacts` tells"
        )
        super().__init__(f"nothing is remembered in {site} of a customer with this handle; {looked}", field="handle")


class ConsentMissing(MatcherError):
    """Interests are to be remembered without a consent that is in force."""

    reason = "CONSENT_MISSING"

    def __init__(self, why: str) -> None:
        super().__init__(f"interests are remembered only while a consent is in force: {why}", field="customer.consent")


class DecisionNotFound(NotFound):
    """There is no such decision, or its record has expired."""

    reason = "DECISION_NOT_FOUND"
    kind = "decision"


class MethodNotFound(MatcherError):
    """The service has no such method."""

    reason = "METHOD_NOT_FOUND"

    def __init__(self, method: str) -> None:
        super().__init__(f"there is no method {method}", method=method)


class AlreadyExists(MatcherError):
    """A resource of that name exists; a subclass for each kind."""

    kind: ClassVar[str]

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} already exists", **{self.kind: name})


class AgentExists(AlreadyExists):
    """An agent of that id exists."""

    reason = "AGENT_EXISTS"
    kind = "agent"


class PoolExists(AlreadyExists):
    """A pool of that id exists."""

    reason = "POOL_EXISTS"
    kind = "pool"


class SiteExists(AlreadyExists):
    """A site of that id exists."""

    reason = "SITE_EXISTS"
    kind = "site"
