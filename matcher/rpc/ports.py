"""What the gRPC edge asks of the parts behind it, by plain ids and not by resource names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from matcher.errors import MatcherError
from matcher.model import (
    Agent,
    AgentChange,
    Contact,
    ContactEvent,
    Decision,
    Experience,
    ImportedRow,
    ImportResult,
    Outcome,
    Page,
    Pool,
    PoolPolicy,
    Profile,
    Ranking,
    Reservation,
    StreamPlace,
)
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.model.requests import RouteRequest, SuggestRequest, TransferRequest


class Router(Protocol):
    """Decides. Every method may raise a MatcherError."""

    async def transfer(self, site: str, request: TransferRequest) -> Outcome:
        """Hand a contact on that an agent has accepted."""

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer; return how many there are now."""

    async def suggest(self, site: str, request: SuggestRequest) -> Ranking:
        """Rank agents for the message and hold nothing."""


class Gathering(Protocol):
    """Decides, for several messages together where there are several."""

    async def route(
        self,
        site: str,
        request: RouteRequest,
        *,
        seconds_left: float | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """Decide which agent takes the message; `on_wait` is called when the call begins to wait for others."""

    async def route_many(self, site: str, requests: Sequence[RouteRequest]) -> list[Outcome | MatcherError]:
        """Decide for all messages together; return what became of each, in their order."""


class Reservations(Protocol):
    """Keeps the lives of reservations. Every method may raise a MatcherError."""

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Take an offer; fence 0: not checked."""

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Turn an offer down; retry_after_ms None: never offered to the agent again."""

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Move a deadline on; duration_ms None: by the pool's accepted_duration."""

    async def complete(self, site: str, reservation: str, fence: int, experience: Experience) -> Reservation:
        """End a conversation; experience: how it was for the customer."""

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """Give a slot back."""

    async def touch(self, site: str, reservation: str, fence: int) -> Reservation:
        """Note that a conversation goes on."""

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on."""

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of the decision that led to a reservation."""


class Contacts(Protocol):
    """Keeps the lives of contacts. Every method may raise a MatcherError."""

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


class Streams(Protocol):
    """Tells what happens as it does. Every generator may raise a MatcherError."""

    def contact(self, site: str, contact: str, after_sequence: int) -> AsyncGenerator[ContactEvent, None]:
        """Tell a contact's steps after a sequence number, until it has ended."""

    def events(
        self, site: str, pool: str | None, resume: StreamPlace | None
    ) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Tell the steps of all contacts, each with the place to resume from; None: a sign of life."""

    def reservations(self, site: str, agent: str) -> AsyncGenerator[Reservation | None, None]:
        """Tell an agent's reservations as they are and as they change; None: a sign of life."""


class Roster(Protocol):
    """Keeps agents, pools and sites. Every method may raise a MatcherError."""

    async def create_agent(self, site: str, agent: str, profile: Profile, status: AgentStatus) -> Agent:
        """Add an agent."""

    async def agent(self, site: str, agent: str) -> Agent:
        """Read an agent with what they hold."""

    async def agents(
        self, site: str, most: int, after: str, pool: str | None, status: AgentStatus | None
    ) -> Page[Agent]:
        """List agents by id, from `after` on."""

    async def update_agent(self, site: str, agent: str, change: AgentChange, etag: str) -> Agent:
        """Change an agent; etag "": not checked."""

    async def delete_agent(self, site: str, agent: str, etag: str, force: bool) -> None:
        """Remove an agent; etag "": not checked."""

    async def set_status(self, site: str, agent: str, status: AgentStatus) -> Agent:
        """Declare an agent's status."""

    async def beat(self, site: str, agent: str, ttl_ms: int) -> tuple[int, AgentStatus]:
        """Note that an agent's desk is alive; return until when that counts, and the agent's status."""

    async def import_agents(self, site: str, rows: Sequence[ImportedRow], validate_only: bool) -> list[ImportResult]:
        """Add or change agents; one result a row, in the order of the rows."""

    async def prune(self, site: str, keep: frozenset[str], validate_only: bool) -> list[ImportResult]:
        """Remove the agents who are not in `keep`."""

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

    def effective_tolerance(self, pool: Pool) -> float:
        """Return the affinity tolerance in force."""

    async def create_site(self, site: str) -> None:
        """Add a site."""

    async def sites(self, most: int, after: str) -> Page[str]:
        """List sites by id, from `after` on."""

    async def delete_site(self, site: str, force: bool) -> None:
        """Remove a site."""


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the methods."""

    router: Router
    reservations: Reservations
    contacts: Contacts
    roster: Roster
    gathering: Gathering
    streams: Streams
