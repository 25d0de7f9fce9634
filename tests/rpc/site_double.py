"""Double of the sites."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from collections.abc import Sequence

from matcher.model import Page, Site
from matcher.model.quotas import QuotaUse
from tests.rpc.double import Double


class SitesDouble(Double):
    """Answers as if there were two sites: "acme" and "default"."""

    async def create_site(self, site: str) -> Site:
        return self.record("create_site", Site(site, "u-1"), site)

    async def sites(self, most: int, after: str) -> Page[Site]:
        return self.record("sites", Page((Site("acme", "u-1"), Site("default", "u-2")), ""), most, after)

    async def usage(self, site: str) -> Sequence[QuotaUse]:
        return self.record("usage", [QuotaUse("agents", 2, 200)], site)

    async def delete_site(self, site: str, force: bool) -> None:
        self.record("delete_site", None, site, force)
