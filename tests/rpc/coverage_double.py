"""Double of what customers bring up."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from matcher.model.coverage import Coverage, Covered, EntryKind, Unasked
from tests.rpc.double import Double


class CoverageDouble(Double):
    """The double of what customers bring up."""

    async def coverage(self, site: str, pool: str, days: int) -> Coverage:
        one = Covered(EntryKind.INTEREST, "cats", "cats", 40, 15, 0, 10, 20, 5, rising=True)
        theme = Covered(EntryKind.THEME, "gift", "gifts", 15, 10, 0, 0, None, None, rising=False)
        asked = Coverage(pool, 20_000, 20_027, 300, 28, True, (one, theme), (Unasked("ann", "chess", "chess"),))
        return self.record("coverage", asked, site, pool, days)
