"""Laws of the jointly best assignment, checked against every possible assignment."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from matcher.model import Agent, Capacity, ChannelCapacity, Hold, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.assignment import Opening, assign, assign_one_by_one

NO = -math.inf


def opening(agent: str, free: int = 1, *, load: int = 0, idle_since_ms: int = 0) -> Opening:
    """Return an agent with free capacity for so many chats."""
    return Opening(agent, load + free, load, idle_since_ms, {"chat": (1, load + free)})


@dataclass(frozen=True)
class Batch:
    """The contacts and agents of one assignment."""

    values: NDArray[np.float64]
    channels: list[str]
    openings: list[Opening]

    def worth(self, assigned: Sequence[int | None]) -> tuple[int, float]:
        """Return how many contacts are served, and the sum of their values."""
        served = [float(self.values[contact, agent]) for contact, agent in enumerate(assigned) if agent is not None]
        return len(served), round(sum(served), 6)

    def fits(self, assigned: Sequence[int | None]) -> bool:
        """Tell whether every pair is allowed and no agent is over capacity."""
        left = list(self.openings)
        for contact, agent in enumerate(assigned):
            if agent is None:
                continue
            if self.values[contact, agent] == NO or not left[agent].free_for(self.channels[contact]):
                return False
            left[agent] = left[agent].with_contact(self.channels[contact])
        return True

    def every_assignment(self) -> Iterator[tuple[int | None, ...]]:
        """Yield all assignments that fit."""
        able: list[list[int | None]] = [[None, *np.flatnonzero(np.isfinite(row)).tolist()] for row in self.values]
        return (assigned for assigned in itertools.product(*able) if self.fits(assigned))


@st.composite
def batches(draw: st.DrawFn, most: int = 4, channels: Sequence[str] = ("chat",)) -> Batch:
    """Draw a batch; there are few different values, so that many pairs are equal."""
    contacts, agents = draw(st.integers(1, most)), draw(st.integers(1, most))
    value = st.sampled_from([NO, NO, 0.0, 0.25, 0.5, 0.5, 0.75, 1.0, 40.0])
    rows = draw(st.lists(st.lists(value, min_size=agents, max_size=agents), min_size=contacts, max_size=contacts))
    openings = [
        Opening(
            f"a{number}",
            draw(st.integers(1, 6)),
            draw(st.integers(0, 3)),
            draw(st.integers(0, 2)),
            {channel: (draw(st.integers(1, 3)), draw(st.integers(0, 3))) for channel in channels},
        )
        for number in range(agents)
    ]
    of_contacts = draw(st.lists(st.sampled_from(channels), min_size=contacts, max_size=contacts))
    return Batch(np.array(rows, np.float64), of_contacts, openings)


@given(batches())
def test_it_is_the_best_of_all_assignments(batch: Batch) -> None:
    """No other assignment serves more contacts, nor as many at a greater sum; no agent is over capacity."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    assert batch.fits(assigned)
    assert batch.worth(assigned) == max(map(batch.worth, batch.every_assignment()))


@given(batches(channels=("chat", "voice")))
def test_with_several_channels_no_agent_is_over_capacity_and_it_is_never_below_one_by_one(batch: Batch) -> None:
    """At any costs of the channels under one total, the pairs fit, and assigning one by one is not better."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    assert batch.fits(assigned)
    assert batch.worth(assigned) >= batch.worth(assign_one_by_one(batch.values, batch.channels, batch.openings))


@given(batches(most=8))
def test_it_is_never_below_one_by_one(batch: Batch) -> None:
    """In any order of the contacts, assigning one by one is not better than assigning jointly."""
    assigned = batch.worth(assign(batch.values, batch.channels, batch.openings))
    for shift in range(len(batch.channels)):
        order = np.roll(np.arange(len(batch.channels)), shift)
        turned = Batch(batch.values[order], batch.channels, batch.openings)
        assert assigned >= turned.worth(assign_one_by_one(turned.values, turned.channels, turned.openings))


@given(batches(most=6), st.randoms(use_true_random=False))
def test_the_order_of_the_agents_does_not_matter(batch: Batch, random: st.DataObject) -> None:
    """In any order of the agents the assignment is worth the same, and the same agents and contacts are in it."""
    order = list(range(len(batch.openings)))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = assign(batch.values, batch.channels, batch.openings)
    after = assign(batch.values[:, order], batch.channels, [batch.openings[place] for place in order])
    moved = [None if place is None else order[place] for place in after]
    assert batch.worth(before) == batch.worth(moved)
    assert sorted(str(agent) for agent in before) == sorted(str(agent) for agent in moved)
    assert [agent is None for agent in before] == [agent is None for agent in moved]


@given(batches(most=6))
def test_no_contact_is_overtaken_for_an_agent_whom_both_could_have(batch: Batch) -> None:
    """A contact without an agent has no greater value with any agent it could have than the contact the agent got."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    for left in (contact for contact, agent in enumerate(assigned) if agent is None):
        for contact, agent in enumerate(assigned):
            if agent is not None and batch.values[left, agent] != NO:
                assert batch.values[contact, agent] >= batch.values[left, agent]
                if batch.values[contact, agent] == batch.values[left, agent]:
                    assert contact < left


def test_of_two_contacts_the_agent_goes_to_the_one_that_makes_the_sum_greatest() -> None:
    """Assigned one by one, the first contact gets the only baker, whom the second needs more."""
    values = np.array([[0.6, 0.5], [0.9, 0.1]])
    both = [opening("baker"), opening("sailor")]
    assert assign_one_by_one(values, ["chat", "chat"], both) == [0, 1]
    assert assign(values, ["chat", "chat"], both) == [1, 0]


def test_one_more_served_contact_is_worth_more_than_any_affinity() -> None:
    """The second contact can only have the agent who is best for the first: so the first gets another agent."""
    values = np.array([[1.0, 0.0], [0.01, NO]])
    assert assign(values, ["chat", "chat"], [opening("a"), opening("b")]) == [1, 0]


def test_of_equal_agents_the_lowest_load_then_the_longest_idle_then_the_id_decides() -> None:
    """Four agents have the same value: the busy agent gets no contact, and the one idle shortest gets the last."""
    crew = [
        opening("d", 1, load=1),
        opening("c", idle_since_ms=9),
        opening("b", idle_since_ms=5),
        opening("a", idle_since_ms=5),
    ]
    assert assign(np.full((1, 4), 0.5), ["chat"], crew) == [3]
    assert set(assign(np.full((2, 4), 0.5), ["chat"] * 2, crew)) == {2, 3}
    assert set(assign(np.full((3, 4), 0.5), ["chat"] * 3, crew)) == {1, 2, 3}


def test_equal_agents_share_before_an_agent_gets_a_second_contact() -> None:
    """Two agents with capacity for three get two of four contacts each; the lower load comes before the longer idle."""
    crew = [opening("a", 3, idle_since_ms=5), opening("b", 3, idle_since_ms=1)]
    assert sorted(map(str, assign(np.zeros((4, 2)), ["chat"] * 4, crew))) == ["0", "0", "1", "1"]
    loaded = [opening("a", 1, load=2, idle_since_ms=1), opening("b", 3, idle_since_ms=5)]
    assert assign(np.zeros((1, 2)), ["chat"], loaded) == [1]


def test_of_equal_contacts_the_first_is_served() -> None:
    """Three contacts have the same value with the only agent: the first of them is served."""
    assert assign(np.array([[NO], [0.5], [0.5], [0.5]]), ["chat"] * 4, [opening("a")]) == [None, 0, None, None]


def test_the_assignment_is_the_best_also_among_thousands_of_agents() -> None:
    """Sixty contacts, three thousand agents with capacity for one or two: the same as with every column compared."""
    random = np.random.default_rng(5)
    values = random.random((60, 3000)).round(3) ** 8
    values[:, 40:] /= 4
    crew = [opening(f"a{number:04}", int(random.integers(1, 3))) for number in range(3000)]
    batch = Batch(values, ["chat"] * 60, crew)
    agents = np.repeat(np.arange(3000), [opening.free_for("chat") for opening in crew])
    _, columns = linear_sum_assignment(values[:, agents], maximize=True)
    assigned = assign(values, batch.channels, crew)
    assert batch.fits(assigned)
    assert batch.worth(assigned) == batch.worth(agents[columns].tolist())
    assert batch.worth(assigned) > batch.worth(assign_one_by_one(values, batch.channels, crew))


def test_an_opening_is_the_capacity_that_the_holds_leave() -> None:
    """Chat costs 30 with at most three, voice 100, under a total of 100: one held chat leaves two chats, no call."""
    capacity = Capacity(100, {"chat": ChannelCapacity(30, 3), "voice": ChannelCapacity(100, 1)})
    agent = Agent("ann", Profile("Ann", ("bees",), capacity=capacity), AgentStatus.ONLINE, 1, 1, 0, 0, 7)
    free = Opening.of(agent)
    assert (free.free_for("chat"), free.free_for("voice"), free.free_for("mail")) == (3, 1, 0)
    busy = free.with_contact("chat")
    assert busy == Opening("ann", 100, 30, 7, {"chat": (30, 2), "voice": (100, 1)})
    assert (busy.free_for("chat"), busy.free_for("voice")) == (2, 0)
    held = Agent("ann", agent.profile, AgentStatus.ONLINE, 1, 1, 0, 0, 7, (Hold("r", "chat", 30, 10**15),))
    assert Opening.of(held) == busy


def test_an_idle_conversation_does_not_count_to_the_channels_maximum() -> None:
    """At most three chats are allowed; one of three is idle and costs nothing: so one more fits."""
    capacity = Capacity(100, {"chat": ChannelCapacity(30, 3)})
    holds = tuple(Hold(name, "chat", cost, 10**15) for name, cost in (("a", 30), ("b", 30), ("c", 0)))
    profile = Profile("Ann", ("bees",), capacity=capacity)
    agent = Agent("ann", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 7, holds)
    assert Opening.of(agent).free_for("chat") == 1


@pytest.mark.parametrize(
    ("values", "channels", "crew"),
    [
        (np.zeros((1, 2)), ["chat"], [opening("a")]),
        (np.zeros((2, 1)), ["chat"], [opening("a")]),
        (np.full((1, 1), math.nan), ["chat"], [opening("a")]),
        (np.full((1, 1), math.inf), ["chat"], [opening("a")]),
    ],
    ids=["an agent without an opening", "a contact without a channel", "not a number", "an infinite value"],
)
def test_arguments_that_do_not_fit_are_refused(
    values: NDArray[np.float64], channels: list[str], crew: list[Opening]
) -> None:
    """A value that cannot be compared, or lists of different lengths, raise ValueError."""
    with pytest.raises(ValueError, match=r"fit|finite"):
        assign(values, channels, crew)


def test_without_contacts_or_free_agents_nothing_is_assigned() -> None:
    """No contacts give an empty assignment; without agents, or without free capacity, no contact is served."""
    assert assign(np.zeros((0, 2)), [], [opening("a"), opening("b")]) == []
    assert assign(np.zeros((2, 0)), ["chat"] * 2, []) == [None, None]
    assert assign(np.zeros((2, 1)), ["chat", "voice"], [opening("a", 0)]) == [None, None]


def test_no_contact_waits_for_the_import_of_the_solver() -> None:
    """A server imports it at its start; a command that decides for one message does without it."""
    script = (
        "import sys; from matcher.ranking import assignment; before = 'scipy.optimize' in sys.modules; "
        "assignment.prepare(); print(before, 'scipy.optimize' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True"]
