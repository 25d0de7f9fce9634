"""The services that the gRPC edge calls, as Protocols: they take and return plain ids, not resource names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from matcher.auth.access_keys import AccessKey
from matcher.auth.principal import Grant
from matcher.errors import MatcherError
from matcher.model import (
    Agent,
    AgentChange,
    Contact,
    ContactEvent,
    ContactSign,
    Decision,
    Experience,
    ImportedRow,
    ImportResult,
    Outcome,
    Page,
    Pool,
    PoolPolicy,
    Profile,
    Reservation,
    ReservedOutcome,
    Site,
    StreamPlace,
    Suggestion,
)
from matcher.model.coverage import Coverage
from matcher.model.customers import Customer, CustomerWrite
from matcher.model.impact import ImpactReport, ImpactRequest
from matcher.model.interest_map import InterestMap
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.model.outcomes import ContactOutcomes, OutcomeRecorded, OutcomeWrite
from matcher.model.praise import Praise, PraisePage, Readers
from matcher.model.quotas import QuotaUse
from matcher.model.requests import AssignRequest, RouteRequest, SuggestRequest, TransferRequest


class Router(Protocol):
    """Transfers and suggestions. Every method may raise a MatcherError."""

    async def transfer(self, site: str, request: TransferRequest) -> Outcome:
        """Move an accepted contact to another pool or agent."""

    async def suggest(self, site: str, request: SuggestRequest) -> Suggestion:
        """Rank agents for a message and hold nothing."""


class Assigner(Protocol):
    """Assignments by hand."""

    async def assign(self, site: str, request: AssignRequest) -> ReservedOutcome:
        """Give a contact to one agent; raise a MatcherError where that cannot be."""


class MatchingWindows(Protocol):
    """Decisions for messages: for a message alone, or for the messages of a pool's matching window together."""

    async def route(
        self,
        site: str,
        request: RouteRequest,
        *,
        seconds_left: float | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Decide which agent takes the message; raise a MatcherError where that fails.

        seconds_left: until the caller's deadline, None: without one. on_wait: called when the request begins to wait
        for the end of a window.
        """

    async def route_many(
        self, site: str, requests: Sequence[RouteRequest], *, seconds_left: float | None = None
    ) -> list[Outcome | MatcherError]:
        """Decide for all messages together; return the outcome or the error of each, in their order."""


class ReservationService(Protocol):
    """The life of a reservation. Every method may raise a MatcherError; fence 0 is not checked."""

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Accept an offer."""

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Decline an offer; retry_after_ms None: the contact is never offered to the agent again."""

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Extend the deadline of an accepted reservation; duration_ms None: by the pool's accepted_duration."""

    async def complete(self, site: str, reservation: str, fence: int, experience: Experience) -> Reservation:
        """End a conversation; experience: how it was for the customer. A repeat changes nothing."""

    async def end_wrap_up(self, site: str, reservation: str, fence: int) -> Reservation:
        """End a wrap-up before its time."""

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """End an offer, or a conversation before it is complete, and its contact."""

    async def touch(self, site: str, reservation: str, fence: int) -> Reservation:
        """Record that the conversation is active."""

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on."""

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of the decision that led to a reservation."""


class ContactService(Protocol):
    """The life of a contact. Every method may raise a MatcherError."""

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact."""

    async def contacts(
        self, site: str, pool: str | None, state: ContactState | None, most: int, after: str
    ) -> Page[Contact]:
        """List the contacts that have not ended, the oldest first, from `after` on."""

    async def waiting(self, site: str) -> Mapping[str, int]:
        """Return how many contacts wait, by pool."""

    async def cancel(self, site: str, contact: str) -> Contact:
        """End a contact."""


class WatchService(Protocol):
    """Streams of changes. Every generator may raise a MatcherError."""

    def contact(
        self, site: str, contact: str, after_sequence: int, *, progress: bool
    ) -> AsyncGenerator[ContactEvent | ContactSign, None]:
        """Yield a contact's events after a sequence number, and signs of life, until the contact has ended.

        progress: the signs have the contact's place in the queue, and tell when it has changed.
        """

    def events(
        self, site: str, pool: str | None, resume: StreamPlace | None, last: int = 0
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Yield the events of all contacts, each with the place to resume from; None: a sign of life.

        last: begin with this number of the site's last changes, where nothing is resumed.
        """

    def reservations(self, site: str, agent: str) -> AsyncGenerator[Reservation | None, None]:
        """Yield an agent's live reservations, then each as it changes; None: a sign of life."""


class AgentService(Protocol):
    """Agents. Every method may raise a MatcherError; etag "" is not checked."""

    async def create_agent(self, site: str, agent: str, profile: Profile, status: AgentStatus) -> Agent:
        """Add an agent."""

    async def agent(self, site: str, agent: str) -> Agent:
        """Read an agent with the agent's holds."""

    async def agents(
        self, site: str, most: int, after: str, pool: str | None, status: AgentStatus | None, *, with_holds: bool
    ) -> Page[Agent]:
        """List agents by id, from `after` on; with_holds: each with the holds."""

    async def update_agent(self, site: str, agent: str, change: AgentChange, etag: str) -> Agent:
        """Change an agent."""

    async def delete_agent(self, site: str, agent: str, etag: str, force: bool) -> None:
        """Remove an agent."""

    async def set_status(self, site: str, agent: str, status: AgentStatus, reason: str) -> Agent:
        """Set an agent's status, and why."""

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        """Record a heartbeat of an agent's desk; return until when it counts, and the agent's status."""


class ImportService(Protocol):
    """Imports of a roster. Every method may raise a MatcherError."""

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        """Add or change agents; return one result a row, in the order of the rows."""

    async def prune(
        self, site: str, keep: frozenset[str], max_removed: int | None, validate_only: bool
    ) -> list[ImportResult]:
        """Remove the agents who are not in `keep`, at most `max_removed`, None: half of the roster; or none."""


class PoolService(Protocol):
    """Pools. Every method may raise a MatcherError; etag "" is not checked."""

    async def create_pool(self, site: str, pool: str, policy: PoolPolicy) -> Pool:
        """Add a pool."""

    async def pool(self, site: str, pool: str) -> Pool:
        """Read a pool."""

    async def pools(self, site: str, most: int, after: str) -> Page[Pool]:
        """List pools by id, from `after` on."""

    async def update_pool(self, site: str, pool: str, change: Mapping[str, object], etag: str) -> Pool:
        """Change a pool: field names of PoolPolicy to new values, None: back to the default."""

    async def delete_pool(self, site: str, pool: str, etag: str) -> None:
        """Remove a pool."""

    async def effective_floor(self, site: str, pool: Pool) -> float:
        """Return the affinity floor in force."""

    async def effective_floors(self, site: str, pools: Sequence[Pool]) -> list[float]:
        """Return the affinity floors in force of some pools."""

    async def effective_scorer(self, site: str, pool: Pool) -> str:
        """Return the name of the scorer that ranks for a pool."""

    def effective_tolerance(self, pool: Pool) -> float:
        """Return the affinity tolerance in force."""


class CustomerService(Protocol):
    """What is remembered of customers. Every method may raise a MatcherError."""

    async def put_customer(self, site: str, write: CustomerWrite) -> Customer:
        """Remember a customer's interests until the consent ends."""

    async def customer(self, site: str, customer: str, *, with_ended: bool = False) -> Customer:
        """Read everything that is remembered of a customer."""

    async def customer_of(self, site: str, handle: str, *, with_ended: bool = False) -> Customer:
        """Read everything that is remembered of a handle's customer."""

    async def customers(self, site: str, most: int, after: str) -> Page[Customer]:
        """List customers, from `after` on."""

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many handles the customer has now."""

    async def link_customers(self, site: str, handles: Sequence[str]) -> Customer:
        """Join the handles of one customer; read the customer."""


class ImpactService(Protocol):
    """What the comparison shows. The method may raise a MatcherError."""

    async def report(self, site: str, request: ImpactRequest) -> ImpactReport:
        """Report the differences between the arms, by pool and outcome."""


class FeedbackService(Protocol):
    """What became of contacts afterwards. Every method may raise a MatcherError."""

    async def record_one(self, site: str, write: OutcomeWrite, *, validate_only: bool) -> OutcomeRecorded:
        """Record what became of a contact, and praise."""

    async def record_many(
        self, site: str, writes: Sequence[OutcomeWrite], *, validate_only: bool
    ) -> list[OutcomeRecorded | MatcherError]:
        """Record for several contacts; return of each what changed, or its error."""

    async def outcomes(self, site: str, contact: str, born_ms: int | None) -> ContactOutcomes:
        """Read everything that was recorded of a contact's life."""


class PraiseService(Protocol):
    """What customers praise. Every method may raise a MatcherError."""

    async def page(self, site: str, of: Readers, most: int, before: int | None) -> PraisePage:
        """List praise, the latest first, of numbers below `before`."""

    def watch(self, site: str, of: Readers, resume: int | None) -> AsyncGenerator[tuple[Praise | None, int], None]:
        """Yield praise as it is recorded, each with the number to resume from; None: a sign of life."""


class Forgetting(Protocol):
    """Removal of every trace of a person. Every method may raise a MatcherError."""

    async def forget_customer(self, site: str, customer: str, *, force: bool) -> None:
        """Remove every trace of a customer."""

    async def forget_handle(self, site: str, handle: str, *, force: bool) -> None:
        """Remove every trace of the customer of a handle."""

    async def forget_agent(self, site: str, agent: str, *, force: bool) -> None:
        """Remove an agent and every trace of the agent."""


class SiteService(Protocol):
    """Sites. Every method may raise a MatcherError."""

    async def create_site(self, site: str) -> Site:
        """Add a site."""

    async def sites(self, most: int, after: str) -> Page[Site]:
        """List sites by id, from `after` on."""

    async def usage(self, site: str) -> Sequence[QuotaUse]:
        """Read how much of its quotas a site uses."""

    async def delete_site(self, site: str, force: bool) -> None:
        """Remove a site."""


class CoverageService(Protocol):
    """What customers bring up. Every method may raise a MatcherError."""

    async def coverage(self, site: str, pool: str, days: int) -> Coverage:
        """Return what the customers of a pool brought up in the last days."""


class InterestMapService(Protocol):
    """The map of a pool's interests. Every method may raise a MatcherError."""

    async def interest_map(self, site: str, pool: str, most: int) -> InterestMap:
        """Return the map with at most `most` interests."""


class AccessKeyService(Protocol):
    """The access keys of callers. Every method may raise a MatcherError."""

    async def create(
        self, principal: str, grants: Sequence[Grant], lifetime_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        """Make the first key of a principal; return it and its text. lifetime_ms None: it does not expire."""

    async def rotate(
        self, principal: str, lifetime_ms: int | None = None, overlap_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        """Make the next key of a principal; return it and its text. overlap_ms: how long the present one lives on."""

    async def revoke(self, *, key_id: str = "", principal: str = "") -> list[AccessKey]:
        """Revoke a key, or every live key of a principal; return them."""

    async def keys(self) -> list[tuple[AccessKey, int]]:
        """List all keys, each with when it was last used, in milliseconds since 1970; 0: never."""


@dataclass(frozen=True, slots=True)
class Services:
    """The services behind the servicers."""

    router: Router
    assigner: Assigner
    windows: MatchingWindows
    reservations: ReservationService
    contacts: ContactService
    watch: WatchService
    agents: AgentService
    imports: ImportService
    pools: PoolService
    sites: SiteService
    customers: CustomerService
    coverage: CoverageService
    interest_map: InterestMapService
    forgetting: Forgetting
    impact: ImpactService
    feedback: FeedbackService
    praise: PraiseService
    access_keys: AccessKeyService | None = None
    """None: this service takes no keys."""
