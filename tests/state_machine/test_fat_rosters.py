"""Pages of agents with as many interests as an agent may have: none is read from the store for another page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from matcher.model import PAGE_BYTES, Agent
from matcher.model.lifecycle import AgentStatus
from matcher.store.roster import RosterStore
from tests.state_machine.pair import ROSES, Pair

INTERESTS = tuple(f"{number:02}{'r' * 510}" for number in range(64))
CHARACTERS = 512 * 64
AGENTS = 120


async def test_a_page_of_fat_agents_ends_early_and_the_next_goes_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for 1,000, a page has what fits into 3 MiB; all pages together read hardly more agents than there are."""
    for number in range(AGENTS):
        profile = replace(ROSES, interests=INTERESTS)
        await pair.other.agents.create_agent(pair.site, f"a{number:03}", profile, AgentStatus.ONLINE)
    await pair.catch_up()
    read: list[str] = []
    read_agents = RosterStore.agents

    async def counted(store: RosterStore, site: str, ids: Sequence[str]) -> list[Agent | None]:
        read.extend(ids)
        return await read_agents(store, site, ids)

    monkeypatch.setattr(RosterStore, "agents", counted)
    listed: list[str] = []
    sizes: list[int] = []
    after = ""
    while True:
        page = await pair.other.agents.agents(pair.site, 1_000, after, None, None, with_holds=False)
        listed += [agent.id for agent in page.items]
        assert page.places == tuple(agent.id for agent in page.items)
        sizes.append(CHARACTERS * len(page.items))
        if not (after := page.next):
            break
    assert listed == read == [f"a{number:03}" for number in range(AGENTS)]
    assert len(sizes) == 2
    assert PAGE_BYTES - CHARACTERS < sizes[0] <= PAGE_BYTES + CHARACTERS * 50
