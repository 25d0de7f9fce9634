"""The map of interests on the wire."""

from __future__ import annotations

from typing import Final

from matcher.model import DEFAULT_POOL
from matcher.model.interest_map import InterestMap
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.validation.violations import Violations
from matcher.v1 import roster_pb2 as pb

DEFAULT_INTERESTS: Final = 2_000
MOST_INTERESTS: Final = 3_000
LONGEST_TEXT: Final = 120
"""Characters of an interest that are shown: with 3,000 interests the answer stays below 3 MiB."""


def interest_map_request(request: pb.GetInterestMapRequest) -> tuple[str, str, int]:
    """Check a GetInterestMapRequest; return site, pool, and how many interests; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else DEFAULT_POOL
    most = wrong.between("max_interests", request.max_interests, 0, MOST_INTERESTS)
    wrong.refuse()
    return site, pool, most or DEFAULT_INTERESTS


def interest_map(site: str, drawn: InterestMap) -> pb.InterestMap:
    """Convert the map of a pool."""
    return pb.InterestMap(
        pool=name(Kind.POOL, site, drawn.pool),
        interests=(
            pb.MappedInterest(
                interest=_cut(one.text),
                x=one.x,
                y=one.y,
                entry=one.entry,
                agents=(name(Kind.AGENT, site, agent) for agent in one.agents),
                agent_count=one.count,
            )
            for one in drawn.interests
        ),
        entries=(
            pb.MappedEntry(entry=one.id, display_name=one.name, x=one.x, y=one.y, agent_count=one.agents)
            for one in drawn.entries
        ),
        interest_count=drawn.total,
        unplaced_count=drawn.unplaced,
        agent_count=drawn.agents,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
