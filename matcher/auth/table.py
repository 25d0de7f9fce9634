"""The table of permissions: for every method the roles that may call it, and how far each call reaches.

A method without a row is refused to everybody. `matcher roles` prints the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from matcher.auth.principal import Role

ANYBODY: Final = frozenset(Role)


class Reach(StrEnum):
    """How far a call reaches within the site, by the pools of the caller's grant; the value says it to people."""

    OPEN = "Open to everybody, also without credentials."
    REFLECTION = "Any role; everybody where reflection is open."
    SERVICE = "The grant must be for all sites and all pools."
    SITES = "Sites that the grant does not have are left out."
    SITE = "The grant must be for all pools of the site."
    NAMED = "The grant must have the pools that the request names; where it names none, the default pool."
    NAMED_OR_SITE = "The grant must have the pool that the request names; where it names none, all pools."
    FILTERED = "The grant must have the pool that the request names; what is in other pools is left out."
    STORED = "The grant must have the pools that the request names; what is in other pools is not found."


@dataclass(frozen=True, slots=True)
class Row:
    """Who may call a method.

    The role `agent` reaches only the own desk: what the agent holds, and the agent.
    """

    roles: frozenset[Role]
    reach: Reach

    @property
    def needed(self) -> tuple[Role, ...]:
        """Return the roles in the order of their definition."""
        return tuple(role for role in Role if role in self.roles)


def _rows(service: str, **rows: tuple[str, Reach]) -> dict[str, Row]:
    """Return rows by full method name; each role stands by its first letter, the admin by `d`, the owner by `w`."""
    return {
        f"/{service}/{method}": Row(frozenset(_LETTERS[letter] for letter in letters), reach)
        for method, (letters, reach) in rows.items()
    }


_LETTERS: Final = {
    "p": Role.PLATFORM,
    "a": Role.AGENT,
    "s": Role.SUPERVISOR,
    "d": Role.ADMIN,
    "o": Role.OBSERVER,
    "w": Role.OWNER,
}

TABLE: Final[Mapping[str, Row]] = MappingProxyType(
    _rows(
        "matcher.v1.RoutingService",
        RouteMessage=("p", Reach.NAMED),
        RouteMessages=("p", Reach.NAMED),
        SuggestAgents=("psd", Reach.NAMED),
        AcceptReservation=("pa", Reach.STORED),
        DeclineReservation=("pa", Reach.STORED),
        TouchReservation=("pa", Reach.STORED),
        RenewReservation=("pa", Reach.STORED),
        CompleteReservation=("pa", Reach.STORED),
        EndWrapUp=("pas", Reach.STORED),
        CancelReservation=("pas", Reach.STORED),
        GetReservation=("paso", Reach.STORED),
        ListReservations=("paso", Reach.FILTERED),
        GetContact=("pso", Reach.STORED),
        ListContacts=("pso", Reach.FILTERED),
        CancelContact=("ps", Reach.STORED),
        TransferContact=("ps", Reach.STORED),
        AssignContact=("ps", Reach.STORED),
        WatchContact=("pso", Reach.STORED),
        WatchEvents=("pso", Reach.NAMED_OR_SITE),
        LinkCustomer=("d", Reach.SITE),
        GetDecision=("paso", Reach.STORED),
    )
    | _rows(
        "matcher.v1.RosterService",
        CreateAgent=("d", Reach.NAMED),
        GetAgent=("pasdo", Reach.STORED),
        ListAgents=("psdo", Reach.FILTERED),
        UpdateAgent=("d", Reach.STORED),
        DeleteAgent=("d", Reach.STORED),
        ForgetAgent=("d", Reach.SITE),
        ImportAgents=("d", Reach.SITE),
        SetAgentStatus=("pasd", Reach.STORED),
        BeatAgent=("pa", Reach.STORED),
        WatchReservations=("paso", Reach.STORED),
        CreatePool=("d", Reach.NAMED),
        GetPool=("psdo", Reach.NAMED),
        ListPools=("psdo", Reach.FILTERED),
        UpdatePool=("d", Reach.NAMED),
        DeletePool=("d", Reach.NAMED),
        CreateSite=("w", Reach.SITE),
        ListSites=("psdow", Reach.SITES),
        DeleteSite=("w", Reach.SITE),
        GetUsage=("psdow", Reach.SITE),
        GetInterestMap=("sdo", Reach.NAMED),
    )
    | _rows(
        "matcher.v1.CustomerService",
        PutCustomer=("d", Reach.SITE),
        GetCustomer=("d", Reach.SITE),
        LookupCustomer=("d", Reach.SITE),
        ListCustomers=("d", Reach.SITE),
        LinkCustomers=("d", Reach.SITE),
        ForgetCustomer=("d", Reach.SITE),
    )
    | _rows(
        "matcher.v1.FeedbackService",
        GetImpactReport=("sdo", Reach.NAMED_OR_SITE),
        RecordOutcome=("pd", Reach.SITE),
        RecordOutcomes=("pd", Reach.SITE),
        GetOutcomes=("psdo", Reach.SITE),
        ListPraise=("as", Reach.STORED),
        WatchPraise=("as", Reach.STORED),
        GetCoverage=("sdo", Reach.NAMED),
    )
    | _rows(
        "matcher.v1.KeyService",
        CreateKey=("w", Reach.SERVICE),
        ListKeys=("w", Reach.SERVICE),
        RotateKey=("w", Reach.SERVICE),
        RevokeKey=("w", Reach.SERVICE),
    )
    | {f"/grpc.health.v1.Health/{method}": Row(ANYBODY, Reach.OPEN) for method in ("Check", "List", "Watch")}
    | {
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo": Row(ANYBODY, Reach.REFLECTION)
        for version in ("v1", "v1alpha")
    }
)
"""Every method by its name on the wire, "/package.Service/Method"."""
