"""Several contacts at once: the laws of the jointly best assignment, against every possible one."""

from __future__ import annotations

import itertools
import math
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
from matcher.ranking.assignment import Opening, assign, one_by_one

NO = -math.inf


def opening(agent: str, room: int = 1, *, load: int = 0, idle_since_ms: int = 0) -> Opening:
    """Return an agent who can take `room` chats more."""
    return Opening(agent, load + room, load, idle_since_ms, {"chat": (1, load + room)})


@dataclass(frozen=True)
class Batch:
    """Contacts and agents."""

    values: NDArray[np.float64]
    channels: list[str]
    openings: list[Opening]

    def worth(self, assigned: Sequence[int | None]) -> tuple[int, float]:
        """Return how many are served, and what that is worth."""
        taken = [float(self.values[contact, agent]) for contact, agent in enumerate(assigned) if agent is not None]
        return len(taken), round(sum(taken), 6)

    def fits(self, assigned: Sequence[int | None]) -> bool:
        """Tell whether nobody is over-filled and every pair is allowed."""
        left = list(self.openings)
        for contact, agent in enumerate(assigned):
            if agent is None:
                continue
            if self.values[contact, agent] == NO or not left[agent].room(self.channels[contact]):
                return False
            left[agent] = left[agent].with_contact(self.channels[contact])
        return True

    def every_way(self) -> Iterator[tuple[int | None, ...]]:
        """Go through all assignments that fit."""
        able: list[list[int | None]] = [[None, *np.flatnonzero(np.isfinite(row)).tolist()] for row in self.values]
        return (way for way in itertools.product(*able) if self.fits(way))


@st.composite
def batches(draw: st.DrawFn, most: int = 4, channels: Sequence[str] = ("chat",)) -> Batch:
    """Draw a batch; values are few, so that many are equal."""
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
def test_it_is_the_best_of_all_ways(batch: Batch) -> None:
    """No other assignment serves more contacts, nor as many at a greater sum; nobody is over-filled."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    assert batch.fits(assigned)
    assert batch.worth(assigned) == max(map(batch.worth, batch.every_way()))


@given(batches(channels=("chat", "voice")))
def test_with_several_channels_nobody_is_over_filled_and_it_is_never_below_one_by_one(batch: Batch) -> None:
    """Whatever the costs of the channels under one total, the pairs fit, and one by one would not be better."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    assert batch.fits(assigned)
    assert batch.worth(assigned) >= batch.worth(one_by_one(batch.values, batch.channels, batch.openings))


@given(batches(most=8))
def test_it_is_never_below_one_by_one(batch: Batch) -> None:
    """In whatever order the contacts would have come one by one, together they are served at least as well."""
    assigned = batch.worth(assign(batch.values, batch.channels, batch.openings))
    for shift in range(len(batch.channels)):
        order = np.roll(np.arange(len(batch.channels)), shift)
        turned = Batch(batch.values[order], batch.channels, batch.openings)
        assert assigned >= turned.worth(one_by_one(turned.values, turned.channels, turned.openings))


@given(batches(most=6), st.randoms(use_true_random=False))
def test_the_order_of_the_agents_does_not_matter(batch: Batch, random: st.DataObject) -> None:
    """The same contacts are worth the same, and the same people take them, in whatever order they are listed."""
    order = list(range(len(batch.openings)))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = assign(batch.values, batch.channels, batch.openings)
    after = assign(batch.values[:, order], batch.channels, [batch.openings[place] for place in order])
    moved = [None if place is None else order[place] for place in after]
    assert batch.worth(before) == batch.worth(moved)
    assert sorted(str(agent) for agent in before) == sorted(str(agent) for agent in moved)
    assert [agent is None for agent in before] == [agent is None for agent in moved]


@given(batches(most=6))
def test_for_an_agent_whom_both_could_have_nobody_is_overtaken(batch: Batch) -> None:
    """Whoever is left without an agent was worth no more to any agent they could have than who was taken."""
    assigned = assign(batch.values, batch.channels, batch.openings)
    for left in (contact for contact, agent in enumerate(assigned) if agent is None):
        for contact, agent in enumerate(assigned):
            if agent is not None and batch.values[left, agent] != NO:
                assert batch.values[contact, agent] >= batch.values[left, agent]
                if batch.values[contact, agent] == batch.values[left, agent]:
                    assert contact < left


def test_two_who_want_the_same_agent_are_parted_as_it_pays_in_sum() -> None:
    """One by one the first takes the only baker, whom the second needs more."""
    values = np.array([[0.6, 0.5], [0.9, 0.1]])
    both = [opening("baker"), opening("sailor")]
    assert one_by_one(values, ["chat", "chat"], both) == [0, 1]
    assert assign(values, ["chat", "chat"], both) == [1, 0]


def test_serving_one_more_is_worth_more_than_any_affinity() -> None:
    """The second can have only the agent who is the first's best: the first takes another."""
    values = np.array([[1.0, 0.0], [0.01, NO]])
    assert assign(values, ["chat", "chat"], [opening("a"), opening("b")]) == [1, 0]


def test_of_equals_the_lowest_load_then_the_longest_idle_then_the_id_takes_it() -> None:
    """Four agents are worth the same to three contacts; the busy one is left out, and whoever has rested least."""
    crew = [
        opening("d", 1, load=1),
        opening("c", idle_since_ms=9),
        opening("b", idle_since_ms=5),
        opening("a", idle_since_ms=5),
    ]
    assert assign(np.full((1, 4), 0.5), ["chat"], crew) == [3]
    assert set(assign(np.full((2, 4), 0.5), ["chat"] * 2, crew)) == {2, 3}
    assert set(assign(np.full((3, 4), 0.5), ["chat"] * 3, crew)) == {1, 2, 3}


def test_equals_share_before_anybody_takes_a_second() -> None:
    """Two agents with room for three each take two of four contacts each; at rest, the longest idle begins."""
    crew = [opening("a", 3, idle_since_ms=5), opening("b", 3, idle_since_ms=1)]
    for resting in (None, np.ones((4, 2), np.bool_)):
        assert sorted(map(str, assign(np.zeros((4, 2)), ["chat"] * 4, crew, resting))) == ["0", "0", "1", "1"]
    loaded = [opening("a", 1, load=2, idle_since_ms=1), opening("b", 3, idle_since_ms=5)]
    assert assign(np.zeros((1, 2)), ["chat"], loaded) == [1]
    assert assign(np.zeros((1, 2)), ["chat"], loaded, np.ones((1, 2), np.bool_)) == [0]


def test_of_equal_contacts_the_first_is_served() -> None:
    """One slot, three who are worth the same: the first of them gets it, not the one who may not."""
    assert assign(np.array([[NO], [0.5], [0.5], [0.5]]), ["chat"] * 4, [opening("a")]) == [None, 0, None, None]


def test_a_batch_finds_the_best_also_among_thousands() -> None:
    """Sixty contacts among three thousand agents with one slot or two: as with every slot of theirs compared."""
    random = np.random.default_rng(5)
    values = random.random((60, 3000)).round(3) ** 8
    values[:, 40:] /= 4
    crew = [opening(f"a{number:04}", int(random.integers(1, 3))) for number in range(3000)]
    batch = Batch(values, ["chat"] * 60, crew)
    slots = np.repeat(np.arange(3000), [one.room("chat") for one in crew])
    _, columns = linear_sum_assignment(values[:, slots], maximize=True)
    assigned = assign(values, batch.channels, crew)
    assert batch.fits(assigned)
    assert batch.worth(assigned) == batch.worth(slots[columns].tolist())
    assert batch.worth(assigned) > batch.worth(one_by_one(values, batch.channels, crew))


def test_what_an_agent_can_take_is_what_the_holds_leave() -> None:
    """Chat at 30 and at most three, voice at 100, under a total of 100: one chat held leaves two, and no call."""
    capacity = Capacity(100, {"chat": ChannelCapacity(30, 3), "voice": ChannelCapacity(100, 1)})
    agent = Agent("ann", Profile("Ann", ("bees",), capacity=capacity), AgentStatus.ONLINE, 1, 1, 0, 0, 7)
    free = Opening.of(agent)
    assert (free.room("chat"), free.room("voice"), free.room("mail")) == (3, 1, 0)
    busy = free.with_contact("chat")
    assert busy == Opening("ann", 100, 30, 7, {"chat": (30, 2), "voice": (100, 1)})
    assert (busy.room("chat"), busy.room("voice")) == (2, 0)
    held = Agent("ann", agent.profile, AgentStatus.ONLINE, 1, 1, 0, 0, 7, (Hold("r", "chat", 30, 10**15),))
    assert Opening.of(held) == busy


def test_a_conversation_that_costs_nothing_takes_nobodys_place() -> None:
    """Three chats are the most; one of three stands idle: there is room for another."""
    capacity = Capacity(100, {"chat": ChannelCapacity(30, 3)})
    holds = tuple(Hold(name, "chat", cost, 10**15) for name, cost in (("a", 30), ("b", 30), ("c", 0)))
    profile = Profile("Ann", ("bees",), capacity=capacity)
    agent = Agent("ann", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 7, holds)
    assert Opening.of(agent).room("chat") == 1


@pytest.mark.parametrize(
    ("values", "channels", "crew"),
    [
        (np.zeros((1, 2)), ["chat"], [opening("a")]),
        (np.zeros((2, 1)), ["chat"], [opening("a")]),
        (np.full((1, 1), math.nan), ["chat"], [opening("a")]),
        (np.full((1, 1), math.inf), ["chat"], [opening("a")]),
    ],
    ids=["an agent without an opening", "a contact without a channel", "no number", "endless worth"],
)
def test_what_does_not_fit_is_refused(values: NDArray[np.float64], channels: list[str], crew: list[Opening]) -> None:
    """A value that cannot be compared, or lists of other lengths, raise ValueError."""
    with pytest.raises(ValueError, match=r"fit|finite"):
        assign(values, channels, crew)


def test_nobody_to_serve_and_nobody_to_serve_them() -> None:
    """An empty batch has an empty answer; without agents, or without room, everybody is left."""
    assert assign(np.zeros((0, 2)), [], [opening("a"), opening("b")]) == []
    assert assign(np.zeros((2, 0)), ["chat"] * 2, []) == [None, None]
    assert assign(np.zeros((2, 1)), ["chat", "voice"], [opening("a", 0)]) == [None, None]
