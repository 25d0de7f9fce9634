"""Principals: who makes a call, with the grants that say in which role and where."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Final, Literal, TypeAlias


class Role(StrEnum):
    """What a principal is for. What each role may do stands in one table of the service."""

    PLATFORM = "platform"
    """The contact platform: routes messages and follows its contacts."""
    AGENT = "agent"
    """One agent's desk: the agent's own reservations, heartbeat and status."""
    SUPERVISOR = "supervisor"
    """Leads pools: their contacts, assignments by hand, the status of agents."""
    ADMIN = "admin"
    """Keeps the roster, the pools and their policy, and what is remembered of customers."""
    OBSERVER = "observer"
    """Reads, and no customers."""
    OWNER = "owner"
    """Keeps the sites and the keys."""


class Every(Enum):
    """Stands for all names."""

    ALL = "*"


ALL: Final = Every.ALL

Names: TypeAlias = frozenset[str] | Literal[Every.ALL]
"""Ids of sites or of pools, or ALL of them."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, with the sites and the pools that it is for.

    agent: the id of the agent whose desk it is; None in every role but `agent`.
    """

    role: Role
    sites: Names = ALL
    pools: Names = ALL
    agent: str | None = None

    def reaches(self, site: str) -> bool:
        """Return whether the grant is for a site."""
        return self.sites is ALL or site in self.sites


class PrincipalKind(StrEnum):
    """By what a principal showed who it is."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret
    CERTIFICATE = "certificate"
    NOBODY = "nobody"
    """By nothing: the service asks nobody who they are (MATCHER_AUTH=off)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a call."""

    name: str
    kind: PrincipalKind
    grants: tuple[Grant, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind.value


NOBODY: Final = Principal("", PrincipalKind.NOBODY, (Grant(Role.OWNER),))
"""The principal of every call where the service asks nobody who they are: with the owner's rights."""


@lru_cache(4_096)
def digest_of(principal: Principal) -> str:
    """Return what stands for a principal where the store counts what each has asked for; "-": nobody in particular."""
    return "-" if principal is NOBODY else hashlib.sha256(str(principal).encode()).hexdigest()[:16]


_CURRENT: Final[ContextVar[Principal]] = ContextVar("principal", default=NOBODY)


def current_principal() -> Principal:
    """Return the principal of the call that this task works for."""
    return _CURRENT.get()


def set_principal(principal: Principal) -> None:
    """Make a principal that of the call which this task works for, and of the tasks that it starts."""
    _CURRENT.set(principal)
