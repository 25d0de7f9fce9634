"""Scopes: of which pools, and at whose desk, a caller may see and change what only the store knows."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller reaches within one site.

    pools: the ids of the pools, None for all of them. agents: the agents whose own desk it is. sites: the ids of the
    sites of which the caller may know, None for all of them. shows_customers: the caller may see a customer's handle.
    """

    pools: frozenset[str] | None = None
    agents: frozenset[str] = frozenset()
    sites: frozenset[str] | None = None
    shows_customers: bool = True

    def reaches(self, pools: Iterable[str], agent: str = "") -> bool:
        """Return whether something is in reach that is in one of these pools, or at this agent's desk."""
        return self.pools is None or agent in self.agents or not self.pools.isdisjoint(pools)

    def holds(self, pools: Iterable[str]) -> bool:
        """Return whether all of these pools are in reach."""
        return self.pools is None or self.pools.issuperset(pools)

    def knows(self, site: str) -> bool:
        """Return whether the caller may know of a site."""
        return self.sites is None or site in self.sites

    @property
    def only_agent(self) -> str | None:
        """Return the agent at whose desk alone the caller is; None where the caller reaches more."""
        return next(iter(self.agents)) if len(self.agents) == 1 and not self.pools and self.pools is not None else None

    @property
    def is_desk(self) -> bool:
        """Return whether the caller is at agents' own desks alone."""
        return bool(self.agents) and self.pools is not None and not self.pools

    def packed(self, agent: str = "") -> str:
        """Return the pools as the store's verbs take them, ";billing;sales;"; "" for all pools, and at the own desk."""
        if self.pools is None or agent in self.agents:
            return ""
        return f";{';'.join(sorted(self.pools))};"


EVERYTHING: Final = Scope()
"""The scope of a caller whose role reaches the whole site, and of the service's own work."""

_OF_CALL: Final[ContextVar[Scope]] = ContextVar("scope", default=EVERYTHING)


def scope_of_call() -> Scope:
    """Return the scope of the call that this task works for.

    Only the first method of a service that a call reaches asks for it, and passes it on: what follows from a call, such
    as the withdrawal of offers, is the service's own work.
    """
    return _OF_CALL.get()


def set_scope(scope: Scope) -> None:
    """Make a scope that of the call which this task works for."""
    _OF_CALL.set(scope)
