"""Double of the map of interests."""

# ruff: noqa: D102 - matcher/rpc/ports.py describes the methods and their arguments

from __future__ import annotations

from matcher.model.interest_map import InterestMap, MappedEntry, MappedInterest
from tests.rpc.double import Double


class InterestMapDouble(Double):
    """The double of the map of interests."""

    async def interest_map(self, site: str, pool: str, most: int) -> InterestMap:
        chess = MappedInterest("playing chess", 0.5, -0.25, "chess", ("ann",), 1)
        drawn = InterestMap(pool, (chess,), (MappedEntry("chess", "chess", 0.5, -0.25, 1),), 2, 1, 1)
        return self.record("interest_map", drawn, site, pool, most)
