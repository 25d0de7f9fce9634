"""Doubles of the services behind the servicers: they record every call, and return the answers that a test sets."""

# ruff: noqa: ARG002, D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matcher.errors import MatcherError
from matcher.model import (
    Agent,
    AgentChange,
    Basis,
    Candidate,
    Constraint,
    Contact,
    ContactEvent,
    ContactSign,
    Decision,
    Experience,
    Hold,
    ImportAction,
    ImportedRow,
    ImportResult,
    LeftOut,
    Outcome,
    Page,
    Pool,
    PoolPolicy,
    Profile,
    Queued,
    Ranking,
    Reason,
    Reservation,
    ReservedOutcome,
    StreamPlace,
    Suggestion,
)
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState
from matcher.model.requests import AssignRequest, RouteRequest, SuggestRequest, TransferRequest
from matcher.rpc.ports import Services
from tests.rpc.coverage_double import CoverageDouble
from tests.rpc.customer_doubles import CustomersDouble, ForgettingDouble
from tests.rpc.double import NOW_MS, Double
from tests.rpc.feedback_doubles import FeedbackDouble
from tests.rpc.impact_double import ImpactDouble
from tests.rpc.interest_map_double import InterestMapDouble
from tests.rpc.key_doubles import KeysDouble
from tests.rpc.site_double import SitesDouble

MAYA = Agent(
    id="maya",
    profile=Profile(
        display_name="Maya",
        interests=("I run in the forest.", "I bake dark rye."),
        skills={"billing": 3},
        languages=("en", "sv-SE"),
    ),
    status=AgentStatus.ONLINE,
    version=7,
    profile_version=5,
    created_ms=NOW_MS,
    updated_ms=NOW_MS,
    idle_since_ms=NOW_MS,
    holds=(Hold(reservation="01JR", channel="chat", cost=30, deadline_ms=NOW_MS + 30_000),),
)
OFFER = Reservation(
    id="01JR",
    agent="maya",
    contact="c-1",
    decision="01JD",
    pool="default",
    channel="chat",
    cost=30,
    state=ReservationState.PENDING,
    fence=1_795_000_000_123_456,
    basis=Basis.AFFINITY,
    created_ms=NOW_MS,
    deadline_ms=NOW_MS + 30_000,
)
CANDIDATE = Candidate(
    agent="maya",
    display_name="Maya",
    affinity=0.5,
    score=0.75,
    confidence=0.25,
    utilization=0.0,
    idle_since_ms=NOW_MS,
    reasons=(Reason(0, 5, "0a1b2c3d", "I bake dark rye.", 0.5, 0.125),),
)
RANKING = Ranking(
    candidates=(CANDIDATE,),
    basis=Basis.AFFINITY,
    affinity_floor=0.25,
    affinity_tolerance=0.125,
    units=2,
    units_merged=False,
    eligible=3,
    left_out=LeftOut({Constraint.CAPACITY: 2, Constraint.POOL: 1}, (("tom", Constraint.POOL),)),
)
CONTACT = Contact("c-1", "default", "chat", "cust", ContactState.RESERVED, "01JR", ("tom",), NOW_MS, 3)
EVENT = ContactEvent("c-1", "default", 3, ContactState.RESERVED, Cause.OFFERED, "01JR", "maya", NOW_MS, 17)
DECISION = Decision("01JD", "c-1", "default", "01JR", "maya", RANKING, "model-1", "scorer-1", NOW_MS)
BILLING = Pool("billing", PoolPolicy(display_name="Billing", affinity_floor=0.5), 3, NOW_MS, NOW_MS)


class RouterDouble(Double):
    """Answers like a router that always offers the contact to Maya."""

    async def route(self, site: str, request: RouteRequest) -> Outcome:
        arguments: tuple[object, ...] = (
            site,
            request.message,
            request.contact_id,
            request.request_id,
            request.digest,
            request.auto_accept,
            request.explain_unmatched,
        )
        if request.wait:
            arguments = (*arguments, request.wait)
        return self.record("route", ReservedOutcome(OFFER, CANDIDATE, replayed=False), *arguments)

    async def transfer(self, site: str, request: TransferRequest) -> Outcome:
        arguments = (
            site,
            request.contact_id,
            request.pool_id,
            request.agent,
            request.message,
            request.request_id,
            request.wait,
            *(["keeps the agent"] if request.keeps_agent else ()),
        )
        return self.record("transfer", ReservedOutcome(OFFER, CANDIDATE, replayed=False), *arguments)

    async def assign(self, site: str, request: AssignRequest) -> ReservedOutcome:
        arguments = (
            site,
            request.contact_id,
            request.agent,
            request.pool_id,
            request.message,
            request.over_capacity,
            request.ignored,
            request.accepted,
            request.actor,
            request.request_id,
        )
        return self.record("assign", ReservedOutcome(OFFER, CANDIDATE, replayed=False), *arguments)

    async def suggest(self, site: str, request: SuggestRequest) -> Suggestion:
        tried = (request.affinity_floor, request.affinity_tolerance, request.profile_weight)
        arguments = (site, request.message, request.most, request.ignore_availability, request.explain_left_out, tried)
        return self.record("suggest", Suggestion(RANKING, ((0, 3), (4, 9)), 0.5), *arguments)


@dataclass
class WindowsDouble:
    """Routes every message by itself with the router's double."""

    router: RouterDouble

    async def route(
        self,
        site: str,
        request: RouteRequest,
        *,
        seconds_left: float | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Outcome:
        return await self.router.route(site, request)

    async def route_many(
        self, site: str, requests: Sequence[RouteRequest], *, seconds_left: float | None = None
    ) -> list[Outcome | MatcherError]:
        return [await self.route(site, request) for request in requests]


class ReservationsDouble(Double):
    """Answers as if there were one reservation: Maya's."""

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        return self.record("accept", OFFER, site, reservation, fence)

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        return self.record("decline", OFFER, site, reservation, fence, reason, retry_after_ms)

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        return self.record("renew", OFFER, site, reservation, fence, duration_ms)

    async def complete(self, site: str, reservation: str, fence: int, experience: Experience) -> Reservation:
        return self.record("complete", OFFER, site, reservation, fence, experience)

    async def end_wrap_up(self, site: str, reservation: str, fence: int) -> Reservation:
        return self.record("end_wrap_up", OFFER, site, reservation, fence)

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        return self.record("cancel", OFFER, site, reservation, fence)

    async def touch(self, site: str, reservation: str, fence: int) -> Reservation:
        return self.record("touch", OFFER, site, reservation, fence)

    async def reservation(self, site: str, reservation: str) -> Reservation:
        return self.record("reservation", OFFER, site, reservation)

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        return self.record("reservations", Page((OFFER,), "9|01JR"), site, agent, most, after)

    async def decision(self, site: str, decision: str) -> Decision:
        return self.record("decision", DECISION, site, decision)


class ContactsDouble(Double):
    """Answers as if there were one contact, which is offered to Maya."""

    async def contact(self, site: str, contact: str) -> Contact:
        return self.record("contact", CONTACT, site, contact)

    async def contacts(
        self, site: str, pool: str | None, state: ContactState | None, most: int, after: str
    ) -> Page[Contact]:
        return self.record("contacts", Page((CONTACT,), "9|c-1"), site, pool, state, most, after)

    async def waiting(self, site: str) -> Mapping[str, int]:
        return {"billing": 2}

    async def cancel(self, site: str, contact: str) -> Contact:
        return self.record("cancel_contact", CONTACT, site, contact)


class WatchDouble(Double):
    """Yields one item in each stream, and ends."""

    async def contact(
        self, site: str, contact: str, after_sequence: int, *, progress: bool
    ) -> AsyncGenerator[ContactEvent | ContactSign, None]:
        yield self.record("watch_contact", EVENT, site, contact, after_sequence, progress)
        if progress:
            yield ContactSign(EVENT, NOW_MS + 1_000, Queued(3, 40_000, NOW_MS + 60_000))

    async def events(
        self, site: str, pool: str | None, resume: StreamPlace | None, last: int = 0
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        yield self.record("watch_events", (EVENT, StreamPlace(EVENT.number, EVENT.at_ms)), site, pool, resume, last)

    async def reservations(self, site: str, agent: str) -> AsyncGenerator[Reservation | None, None]:
        yield self.record("watch_reservations", OFFER, site, agent)


class AgentsDouble(Double):
    """Answers as if there were one agent: Maya."""

    async def create_agent(self, site: str, agent: str, profile: Profile, status: AgentStatus) -> Agent:
        return self.record("create_agent", MAYA, site, agent, profile, status)

    async def agent(self, site: str, agent: str) -> Agent:
        return self.record("agent", MAYA, site, agent)

    async def agents(
        self, site: str, most: int, after: str, pool: str | None, status: AgentStatus | None, *, with_holds: bool
    ) -> Page[Agent]:
        return self.record("agents", Page((MAYA,), "maya"), site, most, after, pool, status, with_holds)

    async def update_agent(self, site: str, agent: str, change: AgentChange, etag: str) -> Agent:
        return self.record("update_agent", MAYA, site, agent, change, etag)

    async def delete_agent(self, site: str, agent: str, etag: str, force: bool) -> None:
        self.record("delete_agent", None, site, agent, etag, force)

    async def set_status(self, site: str, agent: str, status: AgentStatus, reason: str) -> Agent:
        return self.record("set_status", MAYA, site, agent, status, reason)

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        return self.record("beat", (NOW_MS, AgentStatus.ONLINE), site, agent, ttl_ms)


class ImportsDouble(Double):
    """Answers every row as created."""

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        self.record("import_agents", None, site, list(rows), validate_only)
        rejected: dict[str, MatcherError] = self.answers.get("import_agents", {})
        return [
            ImportResult(
                row.row,
                row.agent,
                ImportAction.REJECTED if row.agent in rejected else ImportAction.CREATED,
                rejected.get(row.agent),
            )
            for row in rows
        ]

    async def prune(
        self, site: str, keep: frozenset[str], max_removed: int | None, validate_only: bool
    ) -> list[ImportResult]:
        gone = [ImportResult(0, "gone", ImportAction.PRUNED)]
        return self.record("prune", gone, site, keep, max_removed, validate_only)


class PoolsDouble(Double):
    """Answers as if there were one pool: "billing"."""

    async def create_pool(self, site: str, pool: str, policy: PoolPolicy) -> Pool:
        return self.record("create_pool", BILLING, site, pool, policy)

    async def pool(self, site: str, pool: str) -> Pool:
        return self.record("pool", BILLING, site, pool)

    async def pools(self, site: str, most: int, after: str) -> Page[Pool]:
        return self.record("pools", Page((BILLING,), ""), site, most, after)

    async def update_pool(self, site: str, pool: str, change: Mapping[str, object], etag: str) -> Pool:
        return self.record("update_pool", BILLING, site, pool, dict(change), etag)

    async def delete_pool(self, site: str, pool: str, etag: str) -> None:
        self.record("delete_pool", None, site, pool, etag)

    async def effective_floor(self, site: str, pool: Pool) -> float:
        return 0.5

    async def effective_floors(self, site: str, pools: Sequence[Pool]) -> list[float]:
        return [0.5 for _ in pools]

    async def effective_scorer(self, site: str, pool: Pool) -> str:
        return "packaged"

    def effective_tolerance(self, pool: Pool) -> float:
        return 0.0625


@dataclass
class Doubles:
    """The doubles of all services."""

    router: RouterDouble = field(default_factory=RouterDouble)
    reservations: ReservationsDouble = field(default_factory=ReservationsDouble)
    contacts: ContactsDouble = field(default_factory=ContactsDouble)
    watch: WatchDouble = field(default_factory=WatchDouble)
    agents: AgentsDouble = field(default_factory=AgentsDouble)
    imports: ImportsDouble = field(default_factory=ImportsDouble)
    pools: PoolsDouble = field(default_factory=PoolsDouble)
    sites: SitesDouble = field(default_factory=SitesDouble)
    customers: CustomersDouble = field(default_factory=CustomersDouble)
    coverage: CoverageDouble = field(default_factory=CoverageDouble)
    interest_map: InterestMapDouble = field(default_factory=InterestMapDouble)
    forgetting: ForgettingDouble = field(default_factory=ForgettingDouble)
    impact: ImpactDouble = field(default_factory=ImpactDouble)
    feedback: FeedbackDouble = field(default_factory=FeedbackDouble)
    access_keys: KeysDouble = field(default_factory=KeysDouble)

    @property
    def services(self) -> Services:
        """Return the doubles as the argument of build_server."""
        return Services(
            router=self.router,
            assigner=self.router,
            windows=WindowsDouble(self.router),
            reservations=self.reservations,
            contacts=self.contacts,
            watch=self.watch,
            agents=self.agents,
            imports=self.imports,
            pools=self.pools,
            sites=self.sites,
            customers=self.customers,
            coverage=self.coverage,
            interest_map=self.interest_map,
            forgetting=self.forgetting,
            impact=self.impact,
            feedback=self.feedback,
            praise=self.feedback,
            access_keys=self.access_keys,
        )

    def calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return every call that reached a service, each service's in the order of the calls."""
        doubles: tuple[Double, ...] = (
            self.router,
            self.reservations,
            self.contacts,
            self.watch,
            self.agents,
            self.imports,
            self.pools,
            self.sites,
            self.customers,
            self.coverage,
            self.interest_map,
            self.forgetting,
            self.impact,
            self.feedback,
            self.access_keys,
        )
        return [call for double in doubles for call in double.calls]
