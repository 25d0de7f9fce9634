"""Written by `python -m tests.client.sync_types`; do not edit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

import grpc

from matcher.client.blocking import Stream as Stream
from matcher.client.connection import Deadlines
from matcher.client.credentials import TokenSource
from matcher.client.failure import MatcherCallError
from matcher.v1 import coverage_pb2, customers_pb2, feedback_pb2, impact_pb2, keys_pb2, roster_pb2, routing_pb2

class MatcherClient:
    def route(
        self,
        text: str,
        *,
        pool: str = ...,
        customer: str = ...,
        channel: str = ...,
        language: str = ...,
        required_skills: Mapping[str, int] | None = ...,
        excluded_agents: Iterable[str] = ...,
        contact_id: str = ...,
        request_id: str = ...,
        auto_accept: bool = ...,
        explain_unmatched: bool = ...,
        wait: bool = ...,
        wait_duration: timedelta | None = ...,
        skills_expire: Mapping[str, timedelta] | None = ...,
        language_expires: timedelta | None = ...,
        preferred_agents: Mapping[str, timedelta | None] | None = ...,
        media_type: str = ...,
        customer_interests: Iterable[str] = ...,
        customer_interests_shareable: bool = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.RouteMessageResponse: ...
    def suggest(
        self,
        text: str,
        *,
        pool: str = ...,
        customer: str = ...,
        channel: str = ...,
        language: str = ...,
        required_skills: Mapping[str, int] | None = ...,
        excluded_agents: Iterable[str] = ...,
        preferred_agents: Iterable[str] = ...,
        max_candidates: int = ...,
        ignore_availability: bool = ...,
        explain_left_out: bool = ...,
        media_type: str = ...,
        customer_interests: Iterable[str] = ...,
        affinity_floor: float | None = ...,
        affinity_tolerance: float | None = ...,
        profile_weight: float | None = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.SuggestAgentsResponse: ...
    def accept(
        self, reservation: str, *, fence: int = ..., deadline: float | None = ...
    ) -> routing_pb2.Reservation: ...
    def decline(
        self,
        reservation: str,
        *,
        fence: int = ...,
        reason: str = ...,
        retry_after: timedelta | None = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.Reservation: ...
    def renew(
        self, reservation: str, *, fence: int = ..., duration: timedelta | None = ..., deadline: float | None = ...
    ) -> routing_pb2.Reservation: ...
    def complete(
        self,
        reservation: str,
        *,
        fence: int = ...,
        resolved: bool | None = ...,
        rating: int = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.Reservation: ...
    def end_wrap_up(
        self, reservation: str, *, fence: int = ..., deadline: float | None = ...
    ) -> routing_pb2.Reservation: ...
    def cancel(
        self, reservation: str, *, fence: int = ..., deadline: float | None = ...
    ) -> routing_pb2.Reservation: ...
    def reservation(self, reservation: str, *, deadline: float | None = ...) -> routing_pb2.Reservation: ...
    def list_reservations(
        self, *, agent: str = ..., page_size: int = ..., page_token: str = ..., deadline: float | None = ...
    ) -> routing_pb2.ListReservationsResponse: ...
    def reservations(self, *, agent: str = ...) -> Stream[routing_pb2.Reservation]: ...
    def decision(self, decision: str, *, deadline: float | None = ...) -> routing_pb2.Decision: ...
    def transfer(
        self,
        contact: str,
        *,
        pool: str = ...,
        agent: str = ...,
        text: str = ...,
        language: str = ...,
        required_skills: Mapping[str, int] | None = ...,
        excluded_agents: Iterable[str] = ...,
        request_id: str = ...,
        wait: bool = ...,
        wait_duration: timedelta | None = ...,
        release: routing_pb2.Release.ValueType = ...,
        skills_expire: Mapping[str, timedelta] | None = ...,
        language_expires: timedelta | None = ...,
        preferred_agents: Mapping[str, timedelta | None] | None = ...,
        media_type: str = ...,
        customer_interests: Iterable[str] = ...,
        customer_interests_shareable: bool = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.RouteMessageResponse: ...
    def assign(
        self,
        contact: str,
        agent: str,
        *,
        pool: str = ...,
        text: str = ...,
        customer: str = ...,
        channel: str = ...,
        language: str = ...,
        required_skills: Mapping[str, int] | None = ...,
        excluded_agents: Iterable[str] = ...,
        media_type: str = ...,
        over_capacity: bool = ...,
        ignore_constraints: Iterable[routing_pb2.Constraint.ValueType] = ...,
        accepted: bool = ...,
        actor: str = ...,
        reason: str = ...,
        request_id: str = ...,
        customer_interests: Iterable[str] = ...,
        customer_interests_shareable: bool = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.RouteMessageResponse: ...
    def link_customer(self, *customers: str, deadline: float | None = ...) -> int: ...
    def route_many(
        self, requests: Iterable[routing_pb2.RouteMessageRequest], *, deadline: float | None = ...
    ) -> list[routing_pb2.RouteMessagesResult]: ...
    def contact(self, contact: str, *, deadline: float | None = ...) -> routing_pb2.Contact: ...
    def list_contacts(
        self,
        *,
        pool: str = ...,
        state: routing_pb2.ContactState.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        deadline: float | None = ...,
    ) -> routing_pb2.ListContactsResponse: ...
    def contacts(
        self, *, pool: str = ..., state: routing_pb2.ContactState.ValueType = ...
    ) -> Stream[routing_pb2.Contact]: ...
    def cancel_contact(self, contact: str, *, deadline: float | None = ...) -> routing_pb2.Contact: ...
    def touch(self, reservation: str, *, fence: int = ..., deadline: float | None = ...) -> routing_pb2.Reservation: ...
    def watch_contact(
        self,
        contact: str,
        *,
        after_sequence: int = ...,
        include_progress: bool = ...,
        on_break: Callable[[MatcherCallError], None] = ...,
    ) -> Stream[routing_pb2.ContactEvent]: ...
    def watch_events(
        self,
        *,
        pool: str = ...,
        resume_token: str = ...,
        last_events: int = ...,
        on_break: Callable[[MatcherCallError], None] = ...,
    ) -> Stream[routing_pb2.WatchEventsResponse]: ...
    def create_agent(
        self, agent_id: str, agent: roster_pb2.Agent, *, deadline: float | None = ...
    ) -> roster_pb2.Agent: ...
    def agent(self, agent: str, *, deadline: float | None = ...) -> roster_pb2.Agent: ...
    def list_agents(
        self,
        *,
        pool: str = ...,
        status: roster_pb2.AgentStatus.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        with_holds: bool = ...,
        deadline: float | None = ...,
    ) -> roster_pb2.ListAgentsResponse: ...
    def agents(
        self, *, pool: str = ..., status: roster_pb2.AgentStatus.ValueType = ..., with_holds: bool = ...
    ) -> Stream[roster_pb2.Agent]: ...
    def update_agent(
        self, agent: roster_pb2.Agent, fields: Iterable[str] = ..., *, deadline: float | None = ...
    ) -> roster_pb2.Agent: ...
    def delete_agent(self, agent: str, *, etag: str = ..., force: bool = ..., deadline: float | None = ...) -> None: ...
    def forget_agent(self, agent: str, *, force: bool = ..., deadline: float | None = ...) -> None: ...
    def set_agent_status(
        self, agent: str, status: roster_pb2.AgentStatus.ValueType, *, reason: str = ..., deadline: float | None = ...
    ) -> roster_pb2.Agent: ...
    def beat_agent(
        self, agent: str, *, ttl: timedelta | None = ..., deadline: float | None = ...
    ) -> roster_pb2.BeatAgentResponse: ...
    def watch_reservations(
        self, agent: str, *, on_break: Callable[[MatcherCallError], None] = ...
    ) -> Stream[roster_pb2.WatchReservationsResponse]: ...
    def import_agents(
        self,
        rows: Iterable[roster_pb2.ImportRow],
        *,
        validate_only: bool = ...,
        prune: bool = ...,
        max_removed: int | None = ...,
        update_mask: Sequence[str] = ...,
    ) -> Stream[roster_pb2.ImportAgentsResponse]: ...
    def create_pool(self, pool_id: str, pool: roster_pb2.Pool, *, deadline: float | None = ...) -> roster_pb2.Pool: ...
    def pool(self, pool: str, *, deadline: float | None = ...) -> roster_pb2.Pool: ...
    def list_pools(
        self, *, page_size: int = ..., page_token: str = ..., deadline: float | None = ...
    ) -> roster_pb2.ListPoolsResponse: ...
    def pools(self) -> Stream[roster_pb2.Pool]: ...
    def update_pool(
        self, pool: roster_pb2.Pool, fields: Iterable[str] = ..., *, deadline: float | None = ...
    ) -> roster_pb2.Pool: ...
    def delete_pool(self, pool: str, *, etag: str = ..., deadline: float | None = ...) -> None: ...
    def create_site(self, site_id: str, *, deadline: float | None = ...) -> roster_pb2.Site: ...
    def list_sites(
        self, *, page_size: int = ..., page_token: str = ..., deadline: float | None = ...
    ) -> roster_pb2.ListSitesResponse: ...
    def sites(self) -> Stream[roster_pb2.Site]: ...
    def usage(self, site: str = ..., *, deadline: float | None = ...) -> roster_pb2.Usage: ...
    def interest_map(
        self, pool: str = ..., *, max_interests: int = ..., deadline: float | None = ...
    ) -> roster_pb2.InterestMap: ...
    def delete_site(self, site: str, *, force: bool = ..., deadline: float | None = ...) -> None: ...
    def put_customer(
        self,
        customer: customers_pb2.Customer,
        *,
        request_id: str = ...,
        validate_only: bool = ...,
        deadline: float | None = ...,
    ) -> customers_pb2.Customer: ...
    def customer(
        self, customer: str, *, with_ended_contacts: bool = ..., deadline: float | None = ...
    ) -> customers_pb2.Customer: ...
    def lookup_customer(
        self, handle: str, *, with_ended_contacts: bool = ..., deadline: float | None = ...
    ) -> customers_pb2.Customer: ...
    def list_customers(
        self, *, page_size: int = ..., page_token: str = ..., deadline: float | None = ...
    ) -> customers_pb2.ListCustomersResponse: ...
    def customers(self) -> Stream[customers_pb2.Customer]: ...
    def forget_customer(self, customer: str, *, force: bool = ..., deadline: float | None = ...) -> None: ...
    def forget_handle(self, handle: str, *, force: bool = ..., deadline: float | None = ...) -> None: ...
    def link_customers(self, *handles: str, deadline: float | None = ...) -> customers_pb2.Customer: ...
    def record_outcome(
        self,
        contact: str,
        outcome: feedback_pb2.Outcome,
        *,
        praise: str = ...,
        contact_created: datetime | None = ...,
        validate_only: bool = ...,
        deadline: float | None = ...,
    ) -> feedback_pb2.RecordOutcomeResponse: ...
    def record_outcomes(
        self,
        requests: Iterable[feedback_pb2.RecordOutcomeRequest],
        *,
        validate_only: bool = ...,
        deadline: float | None = ...,
    ) -> list[feedback_pb2.RecordOutcomesResult]: ...
    def outcomes(
        self, contact: str, *, contact_created: datetime | None = ..., deadline: float | None = ...
    ) -> feedback_pb2.ContactOutcomes: ...
    def list_praise(
        self,
        *,
        agent: str = ...,
        manager: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        deadline: float | None = ...,
    ) -> feedback_pb2.ListPraiseResponse: ...
    def praise(self, *, agent: str = ..., manager: str = ...) -> Stream[feedback_pb2.Praise]: ...
    def watch_praise(
        self,
        *,
        agent: str = ...,
        manager: str = ...,
        resume_token: str = ...,
        on_break: Callable[[MatcherCallError], None] = ...,
    ) -> Stream[feedback_pb2.WatchPraiseResponse]: ...
    def impact_report(
        self,
        pool: str = ...,
        *,
        start: datetime | None = ...,
        end: datetime | None = ...,
        wanted: Mapping[str, float] | None = ...,
        with_days: bool = ...,
        of_basis: routing_pb2.Basis.ValueType = ...,
        deadline: float | None = ...,
    ) -> impact_pb2.ImpactReport: ...
    def coverage(
        self, pool: str = ..., *, days: int = ..., deadline: float | None = ...
    ) -> coverage_pb2.GetCoverageResponse: ...
    def create_key(
        self,
        principal: str,
        grants: Sequence[keys_pb2.Grant],
        *,
        lifetime: float | None = ...,
        deadline: float | None = ...,
    ) -> keys_pb2.CreateKeyResponse: ...
    def list_keys(self, *, deadline: float | None = ...) -> keys_pb2.ListKeysResponse: ...
    def rotate_key(
        self, principal: str, *, lifetime: float | None = ..., overlap: float | None = ..., deadline: float | None = ...
    ) -> keys_pb2.RotateKeyResponse: ...
    def revoke_key(
        self, key: str = ..., *, principal: str = ..., deadline: float | None = ...
    ) -> keys_pb2.RevokeKeyResponse: ...
    def __init__(
        self,
        target: str = ...,
        *,
        site: str = ...,
        channels: int = ...,
        credentials: grpc.ChannelCredentials | None = ...,
        deadlines: Deadlines | None = ...,
        token: TokenSource | str | None = ...,
    ) -> None: ...
    def open(self) -> Self: ...
    def spread(self) -> None: ...
    def close(self) -> None: ...
    def name(self, collection: str, value: str) -> str: ...
    @property
    def parent(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
