"""Several contacts at once, to the jointly best agents. Pure.

What is best, in this order:
1. as many contacts as possible get an agent: serving one more customer is worth more than any affinity;
2. among those the sum of the values is greatest;
3. where values are equal, who comes first of the contacts is served, by agents with the lower load, then the longest
   idle, then the lower id; a pair that is `at_rest` asks for the longest idle first. No agent takes a second contact
   for such a reason before everybody equal took one.

The assignment problem is solved by scipy's linear_sum_assignment (Crouse 2016, IEEE TAES 52(4)). An agent with room for
k contacts stands for k columns. What agents can take of several channels under one total is no assignment problem but
a knapsack: there each agent stands for as many columns as the cheapest channel of the batch allows, agents who got
more than they hold keep what is worth most, and the others are assigned again among the room that is left. So no one is
ever over-filled, and the answer is never below what one by one gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher.model import Agent

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Assigned: TypeAlias = "list[int | None]"

EQUAL: Final = 1e-9
"""Differences below this share of the range of all values are those of rounding."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What an agent can still take, and what decides among equals."""

    agent: str
    total: int
    load: int
    idle_since_ms: int
    channels: Mapping[str, tuple[int, int]]
    """Of each channel taken: the cost of a contact, and how many more there may be (the total apart)."""

    @classmethod
    def of(cls, agent: Agent) -> Opening:
        """Return what an agent can take beside the holds that are known; a conversation that costs nothing is none."""
        capacity = agent.profile.capacity
        held = [hold.channel for hold in agent.holds if hold.cost]
        load = sum(hold.cost for hold in agent.holds)
        channels = {
            channel: (taken.cost, max(0, taken.max - held.count(channel)) if taken.max else capacity.total)
            for channel, taken in capacity.channels.items()
        }
        return cls(agent.id, capacity.total, load, agent.idle_since_ms, channels)

    @property
    def used(self) -> float:
        """Return the share of the total that is held; 1 where there is none."""
        return self.load / self.total if self.total else 1.0

    def room(self, channel: str) -> int:
        """Return how many contacts of a channel fit, if all are of it."""
        cost, most = self.channels.get(channel, (1, 0))
        return max(0, min((self.total - self.load) // max(1, cost), most))

    def with_contact(self, channel: str) -> Opening:
        """Return what is left with one more contact of a channel."""
        cost, most = self.channels[channel]
        left = {**self.channels, channel: (cost, most - 1)}
        return Opening(self.agent, self.total, self.load + cost, self.idle_since_ms, left)


def assign(
    values: Floats, channels: Sequence[str], openings: Sequence[Opening], at_rest: Flags | None = None
) -> Assigned:
    """Return each contact's agent, as a column of `values`; None: nobody is left who may take it.

    values: [contacts, agents], -inf for a pair that is not allowed, else finite; contacts in the order in which equals
    are served. channels: [contacts]. openings: [agents]. at_rest: [contacts, agents], pairs whose equals are ordered by
    idleness before load; None: no pair is.
    Raises ValueError where the shapes do not fit or a value is neither finite nor -inf.
    """
    contacts, agents = values.shape
    if len(channels) != contacts or len(openings) != agents or (at_rest is not None and at_rest.shape != values.shape):
        raise ValueError(f"{values.shape} values, {len(channels)} channels and {len(openings)} openings do not fit")
    if np.isnan(values).any() or np.isposinf(values).any():
        raise ValueError("a value is neither finite nor -inf")
    resting = np.zeros(values.shape, np.bool_) if at_rest is None else at_rest
    if not values.size:
        return [None] * contacts
    kinds = sorted(set(channels))
    room = np.array([[opening.room(kind) for opening in openings] for kind in kinds], np.int64)
    of_contact = np.array([kinds.index(channel) for channel in channels], np.int64)
    values = np.where(room[of_contact] > 0, values, -np.inf)
    if len(kinds) == 1:
        return _Batch(values, resting, openings, channels).best(room[0])
    return max(
        (_mixed(values, resting, openings, channels), one_by_one(values, channels, openings)),
        key=lambda assigned: _worth(values, assigned),
    )


def one_by_one(values: Floats, channels: Sequence[str], openings: Sequence[Opening]) -> Assigned:
    """Return what comes of it when every contact in turn takes the best agent who has room."""
    left, assigned = list(openings), []
    for contact, channel in enumerate(channels):
        able = [agent for agent in np.flatnonzero(np.isfinite(values[contact])).tolist() if left[agent].room(channel)]
        taken = max(able, key=lambda agent: float(values[contact, agent]), default=None)
        if taken is not None:
            left[taken] = left[taken].with_contact(channel)
        assigned.append(taken)
    return assigned


def _worth(values: Floats, assigned: Assigned) -> tuple[int, float]:
    taken = [float(values[contact, agent]) for contact, agent in enumerate(assigned) if agent is not None]
    return len(taken), sum(taken)


def _mixed(values: Floats, resting: Flags, openings: Sequence[Opening], channels: Sequence[str]) -> Assigned:
    """Assign contacts of several channels: each round fills the room that the rounds before have left."""
    left = list(openings)
    assigned: Assigned = [None] * len(channels)
    waiting = list(range(len(channels)))
    while waiting:
        kinds = {channels[contact] for contact in waiting}
        fits = {kind: np.array([opening.room(kind) for opening in left], np.int64) for kind in kinds}
        now = np.stack([np.where(fits[channels[contact]] > 0, values[contact], -np.inf) for contact in waiting])
        most = np.max(list(fits.values()), axis=0)
        batch = _Batch(now, resting[waiting], left, [channels[contact] for contact in waiting])
        best = zip(waiting, batch.best(most), strict=True)
        found = [(contact, agent) for contact, agent in best if agent is not None]
        if not found:
            break
        # Those worth most first: they keep what they were given, and the first of every agent always fits.
        for contact, agent in sorted(found, key=lambda pair: (-values[pair], pair)):
            if left[agent].room(channels[contact]):
                left[agent] = left[agent].with_contact(channels[contact])
                assigned[contact] = agent
        waiting = [contact for contact in waiting if assigned[contact] is None]
    return assigned


class _Batch:
    """Contacts and the slots they compete for."""

    def __init__(self, values: Floats, resting: Flags, openings: Sequence[Opening], channels: Sequence[str]) -> None:
        self._values = values
        self._resting = resting
        self._openings = openings
        self._channels = channels

    def best(self, room: Ints) -> Assigned:
        """Return each contact's agent; `room` [agents]: how many contacts each takes at most."""
        contacts = len(self._values)
        assigned: Assigned = [None] * contacts
        able = np.flatnonzero(np.isfinite(self._values).any(axis=1))
        if not len(able):
            return assigned
        columns, by_load, by_idleness = self._slots(np.minimum(room, contacts))
        values = self._values[np.ix_(able, columns)]
        order = np.where(self._resting[np.ix_(able, columns)], by_idleness, by_load)
        kept = _foremost(values, order, len(able))
        kept = kept[np.argsort(by_load[kept])]  # so that the order in which agents are listed decides nothing
        for contact, slot in zip(able.tolist(), _solve(values[:, kept], order[:, kept], columns[kept]), strict=True):
            if slot is not None:
                assigned[contact] = int(columns[kept[slot]])
        return assigned

    def _slots(self, room: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the agent of each slot [slots], and its place by load and by idleness [slots]."""
        usual = max(sorted(self._channels), key=self._channels.count)
        slots = []
        for agent in np.flatnonzero(room > 0).tolist():
            opening = self._openings[agent]
            cost = opening.channels.get(usual, (1, 0))[0]
            for number in range(int(room[agent])):
                load = (opening.load + number * cost) / max(1, opening.total)
                slots.append((number, load, opening.idle_since_ms, opening.agent, agent))
        places = range(len(slots))
        by_load = sorted(places, key=lambda at: (slots[at][1], slots[at][0], *slots[at][2:]))
        by_idleness = sorted(places, key=lambda at: (slots[at][0], slots[at][2], slots[at][1], slots[at][3]))
        return np.array([slot[-1] for slot in slots], np.int64), _places(by_load), _places(by_idleness)


def _places(order: Sequence[int]) -> Ints:
    places = np.empty(len(order), np.int64)
    places[np.array(order, np.int64)] = np.arange(len(order))
    return places


def _foremost(values: Floats, order: Ints, most: int) -> Ints:
    """Return the slots that are among the `most` first of some contact: with one each, nobody needs another."""
    slots = values.shape[1]
    if slots <= 2 * most:
        return np.arange(slots)
    kept = np.zeros(slots, np.bool_)
    for value, place in zip(values, order, strict=True):
        last = np.partition(value, slots - most)[slots - most]
        kept |= value > last
        tied = np.flatnonzero((value == last) & np.isfinite(value))
        kept[tied[np.argsort(place[tied])[:most]]] = True
    return np.flatnonzero(kept)


def _solve(values: Floats, order: Ints, agents: Ints) -> Assigned:
    """Return each contact's slot [contacts]; values, order: [contacts, slots]; agents: whose each slot is [slots]."""
    contacts, slots = values.shape
    allowed = np.isfinite(values)
    least, greatest = values[allowed].min(), values[allowed].max()
    costs = (least - values) / max(greatest - least, np.finfo(np.float64).tiny)
    for_all = slots >= contacts and bool(allowed.all())
    if not for_all:
        # A slot of its own for each contact that gets none: it costs more than all values together can make up for.
        costs = np.hstack([costs, _alone(np.full(contacts, contacts + 1.0), np.inf)])
    taken = _cheapest(costs)
    if _has_equals(values, agents) or (taken >= slots).any():
        tight = _tight(costs, taken)
        if np.count_nonzero(tight.edges) > contacts:
            taken = _cheapest(_among_equals(tight, order))
    return [slot if slot < slots else None for slot in taken.tolist()]


def _alone(costs: Floats, otherwise: float) -> Floats:
    """Return the costs [contacts, contacts] of slots that each contact has for itself."""
    own = np.full((len(costs), len(costs)), otherwise)
    np.fill_diagonal(own, costs)
    return own


def _has_equals(values: Floats, agents: Ints) -> bool:
    """Tell whether two agents are worth the same to some contact."""
    _, first = np.unique(agents, return_index=True)
    ordered = np.sort(values[:, first], axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & np.isfinite(ordered[:, 1:])).any())


@dataclass(frozen=True, slots=True)
class _Tight:
    """The pairs of which every cheapest assignment consists [contacts, columns], and the columns all of them use."""

    edges: Flags
    needed: Flags


def _tight(costs: Floats, taken: Ints) -> _Tight:
    """Return what all cheapest assignments have in common with the one that was found.

    The prices of the columns are shortest ways over the pairs taken; a pair is part of a cheapest assignment only if
    it costs what its row and column are worth (complementary slackness).
    """
    rows = np.arange(len(costs))
    matched = costs[rows, taken]
    further = costs[:, taken] - matched[:, None]
    price = np.zeros(len(rows))
    for _ in rows:
        lower = np.minimum(price, (price[:, None] + further).min(axis=0))
        if (price - lower).max(initial=0.0) <= EQUAL / len(rows):
            break
        price = lower
    prices = np.zeros(costs.shape[1])
    prices[taken] = price
    edges = costs - (matched - price)[:, None] - prices <= EQUAL
    edges[rows, taken] = True
    return _Tight(edges, prices < -EQUAL)


def _among_equals(tight: _Tight, order: Ints) -> Floats:
    """Return costs [contacts, columns] by which the first of the contacts go before, and the first of the slots.

    All are whole numbers below 2^53, so that one kind never outweighs another.
    """
    contacts, slots = order.shape
    earlier = float(contacts * slots + 1)
    wished = np.hstack([order.astype(np.float64), _alone(np.linspace(contacts, 1, contacts) * earlier, 0.0)])
    costs = np.where(tight.edges, wished[:, : tight.edges.shape[1]], np.inf)
    costs[:, tight.needed] -= earlier * (contacts + 1) ** 2
    return costs


def _cheapest(costs: Floats) -> Ints:
    # scipy takes half a second to import: those who never route several at once do not wait for it.
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(costs)
    return np.asarray(columns, np.int64)
