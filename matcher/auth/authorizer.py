"""The authorizer: compares what a request asks for with the grants of who makes it; deny by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from matcher.auth.principal import ALL, Grant, Principal, Role
from matcher.auth.table import TABLE, Reach, Row
from matcher.errors import PermissionDenied
from matcher.model.resource_names import agent_name, pool_name, site_name
from matcher.model.scope import EVERYTHING, Scope

NOTHING: Final = Scope(pools=frozenset())


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request names, in any of its fields.

    pools, agents: each with its site; the site "" stands for every site that the request names.
    """

    sites: Sequence[str] = ()
    pools: Sequence[tuple[str, str]] = ()
    agents: Sequence[tuple[str, str]] = ()


class Authorizer(Protocol):
    """Decides what a principal may."""

    def check_method(self, principal: Principal, method: str) -> None:
        """Raise PermissionDenied where no request of the method can be allowed."""

    def scope(self, principal: Principal, method: str, asked: Asked) -> Scope:
        """Return what the call reaches of what only the store knows.

        Raises PermissionDenied where the request names what the principal may not ask for.
        """


class TableAuthorizer:
    """Decides by the table of permissions."""

    def check_method(self, principal: Principal, method: str) -> None:
        """Raise PermissionDenied where the principal has none of the method's roles."""
        row = TABLE.get(method)
        if row is None or not any(grant.role in row.roles for grant in principal.grants):
            raise PermissionDenied(method, row.needed if row else ())

    def scope(self, principal: Principal, method: str, asked: Asked) -> Scope:
        """Return the scope of the call, by the grants whose roles the table names. Raises PermissionDenied.

        A request that names no site at all reaches nothing: its validation says what is missing.
        """
        row = TABLE.get(method)
        if row is None:
            raise PermissionDenied(method, ())
        if row.reach in {Reach.OPEN, Reach.REFLECTION}:
            return EVERYTHING
        grants = [grant for grant in principal.grants if grant.role in row.roles]
        if not grants:
            raise PermissionDenied(method, row.needed)
        if row.reach is Reach.SITES:
            return _known_sites(grants)
        if row.reach is Reach.SERVICE:
            if not any(grant.sites is ALL and grant.pools is ALL for grant in grants):
                raise PermissionDenied(method, row.needed, "all sites")
            return EVERYTHING
        # The rows of an import name no site: theirs is that of the config, which came first and was compared.
        scope = EVERYTHING if row.reach is Reach.SITE else NOTHING
        for site in asked.sites:
            scope = _Call(method, row, asked, site).scope(grants)
        return scope


TABLE_AUTHORIZER: Final = TableAuthorizer()


@dataclass(frozen=True, slots=True)
class _Call:
    """A request, as far as it concerns one site."""

    method: str
    row: Row
    asked: Asked
    site: str

    def scope(self, grants: Sequence[Grant]) -> Scope:
        """Return what the call reaches within the site. Raises PermissionDenied."""
        here = [grant for grant in grants if grant.reaches(self.site)]
        if not here:
            self._deny(site_name(self.site))
        wide = [grant for grant in here if grant.role is not Role.AGENT]
        desks = frozenset(grant.agent for grant in here if grant.role is Role.AGENT and grant.agent)
        shows_customers = any(grant.role is not Role.OBSERVER for grant in here)
        if any(grant.pools is ALL for grant in wide):
            return EVERYTHING if shows_customers else Scope(shows_customers=False)
        pools = frozenset(pool for grant in wide if grant.pools is not ALL for pool in grant.pools)
        self._check_pools(pools)
        if not wide:
            for site, agent in self.asked.agents:
                if site == self.site and agent not in desks:
                    self._deny(agent_name(site, agent))
        return Scope(pools, desks, shows_customers=shows_customers)

    def _check_pools(self, granted: frozenset[str]) -> None:
        """Check the pools that the request names, by those of grants that do not have all."""
        named = [pool for site, pool in self.asked.pools if site in {"", self.site}]
        for pool in named:
            if pool not in granted:
                self._deny(pool_name(self.site, pool))
        # A request that names no pool where it must means the whole site: a field that stands for the default pool has
        # named it.
        if self.row.reach is Reach.SITE or (self.row.reach in {Reach.NAMED, Reach.NAMED_OR_SITE} and not named):
            self._deny(site_name(self.site), all_pools=True)

    def _deny(self, name: str, *, all_pools: bool = False) -> NoReturn:
        raise PermissionDenied(self.method, self.row.needed, name, all_pools=all_pools)


def _known_sites(grants: Sequence[Grant]) -> Scope:
    if any(grant.sites is ALL for grant in grants):
        return EVERYTHING
    return Scope(sites=frozenset(site for grant in grants if grant.sites is not ALL for site in grant.sites))
