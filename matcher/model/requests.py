"""Requests of the router as data: validated, with plain ids instead of resource names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from matcher.model.contacts import Wait
from matcher.model.decisions import Constraint, Message
from matcher.model.roster import Pool
from matcher.model.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True, repr=False)
class RouteRequest:
    """The arguments of RouteMessage as one value.

    contact_id, request_id: "" where the service makes them. digest: the request as bytes, of which the service keeps
    only a keyed digest. wait: None where the contact may not wait. keeps_channel: the message names no channel, so that
    of a contact that is known is the contact's own. scope: what the caller reaches. The class has no repr, so that no
    log line can show the message or the bytes.
    """

    message: Message
    contact_id: str = ""
    request_id: str = ""
    digest: bytes = b""
    auto_accept: bool = False
    explain_unmatched: bool = False
    wait: Wait | None = None
    keeps_channel: bool = False
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True, repr=False)
class TransferRequest:
    """The arguments of TransferContact as one value.

    pool_id: "" for the contact's own pool. agent: "" for any agent. message: what the new agent is ranked for, and its
    requirements; None: no text and no requirements. wait: None where the contact need not wait. keeps_agent: the agent
    who has the contact keeps it until the new agent accepts.
    """

    contact_id: str
    pool_id: str = ""
    agent: str = ""
    message: Message | None = None
    request_id: str = ""
    digest: bytes = b""
    wait: Wait | None = None
    keeps_agent: bool = False
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True, repr=False)
class AssignRequest:
    """The arguments of AssignContact as one value.

    pool_id: "" for the contact's own pool. message None: what the contact has. ignored: the constraints that need not
    be met. keeps_channel: as of RouteRequest.
    """

    contact_id: str
    agent: str
    pool_id: str = ""
    message: Message | None = None
    over_capacity: bool = False
    ignored: frozenset[Constraint] = frozenset()
    accepted: bool = False
    actor: str = ""
    request_id: str = ""
    digest: bytes = b""
    keeps_channel: bool = False
    reason: str = ""
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True, repr=False)
class SuggestRequest:
    """The arguments of SuggestAgents as one value; most: the greatest number of candidates.

    The policy's floor, tolerance and weight of a profile to rank by; None: those of the pool.
    """

    message: Message
    most: int
    ignore_availability: bool = False
    explain_left_out: bool = False
    affinity_floor: float | None = None
    affinity_tolerance: float | None = None
    profile_weight: float | None = None

    def on_trial(self, pool: Pool) -> Pool:
        """Return the pool with the policy to rank by; nothing of it is stored."""
        tried = {
            "affinity_floor": self.affinity_floor,
            "affinity_tolerance": self.affinity_tolerance,
            "profile_weight": self.profile_weight,
        }
        changes: dict[str, Any] = {field: value for field, value in tried.items() if value is not None}
        return replace(pool, policy=replace(pool.policy, **changes)) if changes else pool
