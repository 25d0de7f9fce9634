"""Errors that fail a call, one class for each reason.

The reasons have the names of proto/matcher/v1/errors.proto; `rpc/status.py` maps them to gRPC codes. Callers see
messages and metadata: these never hold a customer's words, a secret or another exception's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class MatcherError(Exception):
    """Fails a call for a reason the caller can act on."""

    reason: ClassVar[str]
    retry_after_seconds: ClassVar[float | None] = None

    def __init__(self, message: str, /, **metadata: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """Names one wrong field and what is wrong with it."""

    field: str
    description: str


class FieldsInvalid(MatcherError):
    """One or more fields of the request are wrong; it carries all violations at once."""

    reason = "FIELDS_INVALID"

    def __init__(self, violations: Sequence[FieldViolation], *, more: int = 0) -> None:
        """violations: those that are told; more: how many there are besides."""
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


class ContactHeld(MatcherError):
    """The contact has a live reservation already: one customer, one agent."""

    reason = "CONTACT_HELD"

    def __init__(self, contact: str, reservation: str) -> None:
        super().__init__(
            f"{contact} already has the live reservation {reservation}", contact=contact, reservation=reservation
        )


class ReservationLapsed(MatcherError):
    """The reservation's deadline has passed."""

    reason = "RESERVATION_LAPSED"

    def __init__(self, reservation: str, state: str) -> None:
        super().__init__(
            f"the deadline of {reservation} has passed: it is {state}", reservation=reservation, state=state
        )


class ReservationStateWrong(MatcherError):
    """The reservation's state does not allow the transition."""

    reason = "RESERVATION_STATE"

    def __init__(self, reservation: str, state: str, wanted: str) -> None:
        super().__init__(f"{reservation} is {state}; it cannot be {wanted}", reservation=reservation, state=state)


class FenceStale(MatcherError):
    """The fence of the request is not the reservation's."""

    reason = "FENCE_STALE"

    def __init__(self, reservation: str, fence: int) -> None:
        super().__init__(f"the fence of {reservation} is not {fence}", reservation=reservation, fence=fence)


class AgentHasHolds(MatcherError):
    """The agent holds live reservations."""

    reason = "AGENT_HAS_HOLDS"

    def __init__(self, agent: str, holds: int) -> None:
        super().__init__(f"{agent} holds {holds} live reservations; `force` cancels them", agent=agent, holds=holds)


class PoolInUse(MatcherError):
    """Agents are still in the pool, or it is the default pool."""

    reason = "POOL_IN_USE"

    def __init__(self, pool: str, agents: int) -> None:
        why = f"{agents} agents are in it" if agents else "it is the site's default pool"
        super().__init__(f"{pool} cannot be removed: {why}", pool=pool, agents=agents)


class PoolHasWaiting(MatcherError):
    """Contacts wait in the pool."""

    reason = "POOL_HAS_WAITING"

    def __init__(self, pool: str, waiting: int) -> None:
        super().__init__(f"{pool} cannot be removed: {waiting} contacts wait in it", pool=pool, waiting=waiting)


class ContactStateWrong(MatcherError):
    """The contact's state does not allow the operation."""

    reason = "CONTACT_STATE_WRONG"

    def __init__(self, contact: str, state: str, wanted: str) -> None:
        super().__init__(f"{contact} is {state or 'unknown'} and cannot be {wanted}", contact=contact, state=state)


class WatcherTooSlow(MatcherError):
    """A watcher read too slowly, and its stream was ended."""

    reason = "WATCHER_TOO_SLOW"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the watcher fell {limit} answers behind: resume after the last answer that it read", limit=limit
        )


class EventsForgotten(MatcherError):
    """The events after a resume token are no longer kept."""

    reason = "EVENTS_FORGOTTEN"

    def __init__(self, resume_token: str, oldest: int) -> None:
        super().__init__(
            "the events after the resume_token are no longer kept: read the list, then watch again",
            resume_token=resume_token,
            oldest=oldest,
        )


class ContactEnded(MatcherError):
    """The contact has ended and cannot be routed again."""

    reason = "CONTACT_ENDED"

    def __init__(self, contact: str, state: str) -> None:
        super().__init__(f"{contact} is {state} and cannot be routed again", contact=contact, state=state)


class SiteInUse(MatcherError):
    """The site still has agents, or it is the default site."""

    reason = "SITE_IN_USE"

    def __init__(self, site: str, agents: int) -> None:
        why = f"it has {agents} agents; `force` removes them" if agents else "it is the default site"
        super().__init__(f"{site} cannot be removed: {why}", site=site, agents=agents)


class EtagMismatch(MatcherError):
    """The etag of the request is not the current etag."""

    reason = "ETAG_MISMATCH"

    def __init__(self, name: str, etag: str) -> None:
        super().__init__(f"the etag of {name} is now {etag}: read it again, then write", resource=name, etag=etag)


class EncoderOverloaded(MatcherError):
    """Too many tokens wait for the encoder."""

    reason = "ENCODER_OVERLOADED"
    retry_after_seconds = 0.2

    def __init__(self, queued: int, limit: int) -> None:
        super().__init__(f"{queued} tokens wait for the encoder; at most {limit} may wait", queued=queued, limit=limit)


class ServiceOverloaded(MatcherError):
    """For a while this process has received more calls than it can work on; nothing was done."""

    reason = "SERVICE_OVERLOADED"
    retry_after_seconds = 0.5

    def __init__(self) -> None:
        super().__init__("this process receives more calls than it can work on: try again, or try another replica")


class StoreFull(MatcherError):
    """The store has no memory left; nothing was written."""

    reason = "STORE_FULL"
    retry_after_seconds = 5.0

    def __init__(self) -> None:
        super().__init__("the store has no memory left; nothing was written")


class StoreUnavailable(MatcherError):
    """The store does not answer. Only the log shows the address, which has no password in it, and `why`."""

    reason = "STORE_UNAVAILABLE"
    retry_after_seconds = 1.0

    def __init__(self, address: str, why: str) -> None:
        super().__init__("the store does not answer")
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the store at {self.address} does not answer: {self.why}"


class StoreUnfit(MatcherError):
    """The store answers but is not fit for the data: wrong version, eviction, schema. The service does not start."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, address: str, why: str) -> None:
        super().__init__("the store cannot be used")
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the store at {self.address} cannot be used: {self.why}"


class IndexBehind(MatcherError):
    """This replica has not caught up with the roster."""

    reason = "INDEX_BEHIND"
    retry_after_seconds = 0.5

    def __init__(self, site: str) -> None:
        super().__init__(f"this replica has not caught up with {site}", site=site)


class ShuttingDown(MatcherError):
    """This server is stopping; another server can take the call."""

    reason = "SHUTTING_DOWN"
    retry_after_seconds = 0.1

    def __init__(self) -> None:
        super().__init__("this server is stopping")


class ModelUnusable(MatcherError):
    """The embedding model cannot be loaded. The service does not start."""

    reason = "INTERNAL_FAULT"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the embedding model cannot be used: {reason}")


class SettingsWrong(MatcherError):
    """A setting is unknown or its value is wrong. The service does not start."""

    reason = "INTERNAL_FAULT"
