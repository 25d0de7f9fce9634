"""Several contacts that compete for agents: shortlists lose nobody, and the record names whom it chose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from matcher.affinity.search_result import SearchResult
from matcher.model import Basis
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch
from matcher.ranking.policy import rank_with
from tests.ranking.search_results import UNITS, found_of, person

FLOOR = 0.3
TOLERANCE = 0.05
ABLE = {"chat": (1, 1)}

Crew = list[tuple[float, int]]


@st.composite
def contests(draw: st.DrawFn) -> list[SearchResult]:
    """Draw what several messages meet among the same people."""
    crew: Crew = draw(st.lists(st.tuples(st.sampled_from([0.0, 0.5]), st.integers(0, 2)), min_size=1, max_size=7))
    met = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(25, 100)), max_size=2)
    return [found_of([(draw(met), used, idle) for used, idle in crew]) for _ in range(draw(st.integers(1, 5)))]


def counted(found: SearchResult) -> NDArray[np.float64]:
    """Return what counts of everybody's affinity [agents], by slot."""
    values = np.zeros(found.eligible)
    for agent, affinity in zip(found.agents, found.scores.affinity, strict=True):
        values[99 - int(agent.id.removeprefix("agent-"))] = affinity if affinity >= FLOOR else 0.0
    return values


@given(contests())
def test_shortlists_lose_nothing(contest: list[SearchResult]) -> None:
    """What the contacts get in sum is what they would get if everybody were compared with everybody."""
    crew = [person(slot) for slot in range(contest[0].eligible)]
    openings = {agent.id: Opening(agent.id, 1, 0, 0, ABLE) for agent in crew}
    taken = assign_batch([BatchEntry(found, FLOOR, "chat") for found in contest], openings)
    values = np.stack([counted(found) for found in contest])
    place = {agent.id: at for at, agent in enumerate(crew)}
    got = [(row, place[agent]) for row, agent in enumerate(taken) if agent is not None]
    assert len({at for _, at in got}) == len(got) == min(values.shape)
    rows, columns = linear_sum_assignment(values, maximize=True)
    assert sum(values[pair] for pair in got) == pytest.approx(values[rows, columns].sum())


@given(contests(), st.sampled_from([0.0, 0.05, 0.3]))
def test_with_tolerances_it_is_never_below_one_by_one(contest: list[SearchResult], tolerance: float) -> None:
    """As many are served as when each in turn takes the policy's first who is free, at no smaller affinity in sum."""
    crew = [person(slot) for slot in range(contest[0].eligible)]
    resting = {one.agent.id: one for one in contest[0].longest_idle}
    openings = {
        agent: Opening(agent, 2, round(2 * one.utilization), one.idle_since_ms, {"chat": (1, 2)})
        for agent, one in resting.items()
    }
    taken = assign_batch([BatchEntry(found, FLOOR, "chat", tolerance) for found in contest], openings)
    place = {agent.id: at for at, agent in enumerate(crew)}
    affinity = [counted(found) for found in contest]
    together = [row[place[agent]] for row, agent in zip(affinity, taken, strict=True) if agent is not None]
    left, alone = dict(openings), []
    for row in affinity:
        able = [one for one in left.values() if one.room("chat")]
        best = max((row[place[one.agent]] for one in able), default=0.0)
        equal = [one for one in able if row[place[one.agent]] >= best - tolerance and row[place[one.agent]] > 0]
        order = sorted(equal, key=lambda one: (one.used, one.idle_since_ms, one.agent)) or sorted(
            able, key=lambda one: (one.idle_since_ms, one.used, one.agent)
        )
        if order:
            left[order[0].agent] = order[0].with_contact("chat")
            alone.append(row[place[order[0].agent]])
    assert len(together) == len(alone)
    assert sum(together) >= sum(alone) - 1e-8


def test_those_within_the_tolerance_count_as_equal() -> None:
    """Two contacts a hair nearer to the one who is busy: within the tolerance both go where there is rest."""
    found = found_of([([(0, 0, 90)], 0.5, 0), ([(0, 0, 89)], 0.0, 9)])
    openings = {
        "agent-99": Opening("agent-99", 4, 2, 0, {"chat": (1, 2)}),
        "agent-98": Opening("agent-98", 4, 0, 9, {"chat": (1, 4)}),
    }
    assert set(assign_batch([BatchEntry(found, FLOOR, "chat", 0.05)] * 2, openings)) == {"agent-98"}
    assert set(assign_batch([BatchEntry(found, FLOOR, "chat", 0.0)] * 2, openings)) == {"agent-99"}


def test_nobody_is_given_who_has_left_or_is_full() -> None:
    """Of three whom the message meets one is gone and one is full: the third takes it; a second contact gets nobody."""
    found = found_of([([(0, 0, 90)], 0.0, 0), ([(0, 0, 80)], 1.0, 0), ([(0, 0, 70)], 0.0, 0)])
    openings = {
        "agent-98": Opening("agent-98", 1, 1, 0, ABLE),
        "agent-97": Opening("agent-97", 1, 0, 0, ABLE),
    }
    assert assign_batch([BatchEntry(found, FLOOR, "chat")], openings) == ["agent-97"]
    assert assign_batch([BatchEntry(found, FLOOR, "chat")] * 2, openings) == ["agent-97", None]
    assert assign_batch([BatchEntry(found, FLOOR, "chat")] * 2, {}) == [None, None]
    assert assign_batch([], openings) == []


def test_a_message_with_nothing_to_go_by_leaves_the_agent_to_one_who_needs_them() -> None:
    """Small talk would go to the longest idle; she is another's best, so it goes to whoever has rested next longest."""
    crew = [(0.0, 1), (0.0, 5), (0.0, 9)]
    meets = found_of([([(0, 0, 90)], *crew[0]), ([], *crew[1]), ([], *crew[2])])
    says_nothing = found_of([([], *one) for one in crew])
    openings = {
        f"agent-{99 - slot}": Opening(f"agent-{99 - slot}", 1, 0, idle, ABLE) for slot, (_, idle) in enumerate(crew)
    }
    alone = [BatchEntry(says_nothing, FLOOR, "chat")]
    assert assign_batch(alone, openings) == ["agent-99"]
    assert assign_batch([*alone, BatchEntry(meets, FLOOR, "chat")], openings) == ["agent-98", "agent-99"]


@given(contests(), st.integers(1, 4))
def test_the_record_holds_who_was_chosen_and_what_they_were_to_the_message(
    contest: list[SearchResult], most: int
) -> None:
    """Whoever of those found is chosen: among at most so many candidates, AFFINITY where met above the floor."""
    (found, *_) = contest
    for chosen in {one.agent.id for one in found.longest_idle} | {agent.id for agent in found.agents}:
        ranking = rank_with(found, UNITS, chosen, floor=FLOOR, tolerance=TOLERANCE, most=most)
        (candidate,) = (one for one in ranking.candidates if one.agent == chosen)
        assert len(ranking.candidates) <= most
        affinity = dict(zip((agent.id for agent in found.agents), found.scores.affinity.tolist(), strict=True))
        assert candidate.affinity == affinity.get(chosen, 0.0)
        assert (ranking.basis is Basis.AFFINITY) == (chosen in affinity and affinity[chosen] >= FLOOR)
        assert ranking.affinity_tolerance == TOLERANCE
    with pytest.raises(ValueError, match="not among"):
        rank_with(found, UNITS, "nobody", floor=FLOOR, tolerance=TOLERANCE)
