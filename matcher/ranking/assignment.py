"""Assignment of several contacts to the jointly best agents. Pure.

What is best, in this order:
1. as many contacts as possible get an agent: one more served customer is worth more than any affinity;
2. among those assignments, the sum of the values is greatest;
3. where values are equal, the first contacts are served, by the agents with the lowest load, then the longest idle,
   then the lowest id. Among equal agents everyone gets one contact before anyone gets two.

The assignment problem is solved by scipy's linear_sum_assignment (Crouse 2016, IEEE TAES 52(4)). An agent with free
capacity for k contacts stands for k columns. With several channels under one total capacity this is a knapsack problem,
which is approximated: each agent stands for as many columns as the cheapest channel of the batch allows; an agent with
more contacts than fit keeps those of the greatest value, and the others are assigned again among the free capacity that
is left. So no agent is ever over capacity, and the result is never below that of assigning one by one.
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
"""Differences below this share of the range of all values come from rounding."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An agent's free capacity, and what decides between equal agents."""

    agent: str
    total: int
    load: int
    idle_since_ms: int
    channels: Mapping[str, tuple[int, int]]
    """Of each channel that the agent serves: the cost of a contact, and how many more contacts the channel allows."""

    @classmethod
    def of(cls, agent: Agent) -> Opening:
        """Return the free capacity beside the known holds; the hold of an idle conversation counts nothing."""
        capacity = agent.profile.capacity
        held = [hold.channel for hold in agent.holds if hold.cost]
        load = sum(hold.cost for hold in agent.holds)
        channels = {
            channel: (terms.cost, max(0, terms.max - held.count(channel)) if terms.max else capacity.total)
            for channel, terms in capacity.channels.items()
        }
        return cls(agent.id, capacity.total, load, agent.idle_since_ms, channels)

    @property
    def used(self) -> float:
        """Return the share of the total capacity that is held; 1 where the total is 0."""
        return self.load / self.total if self.total else 1.0

    def free_for(self, channel: str) -> int:
        """Return how many contacts of a channel fit, if all contacts are of this channel."""
        cost, most = self.channels.get(channel, (1, 0))
        return max(0, min((self.total - self.load) // max(1, cost), most))

    def with_contact(self, channel: str) -> Opening:
        """Return the free capacity that one more contact of a channel leaves."""
        cost, most = self.channels[channel]
        left = {**self.channels, channel: (cost, most - 1)}
        return Opening(self.agent, self.total, self.load + cost, self.idle_since_ms, left)


def assign(values: Floats, channels: Sequence[str], openings: Sequence[Opening]) -> Assigned:
    """Return each contact's agent, as a column of `values`; None: no agent that may have the contact is left.

    values: [contacts, agents], -inf for a pair that is not allowed, else finite; of equal contacts the first is served
    first. channels: [contacts]. openings: [agents].
    Raises ValueError where the shapes do not fit or a value is neither finite nor -inf.
    """
    contacts, agents = values.shape
    if len(channels) != contacts or len(openings) != agents:
        raise ValueError(f"{values.shape} values, {len(channels)} channels and {len(openings)} openings do not fit")
    if np.isnan(values).any() or np.isposinf(values).any():
        raise ValueError("a value is neither finite nor -inf")
    if not values.size:
        return [None] * contacts
    kinds = sorted(set(channels))
    free = np.array([[opening.free_for(kind) for opening in openings] for kind in kinds], np.int64)
    kind_of_contact = np.array([kinds.index(channel) for channel in channels], np.int64)
    values = np.where(free[kind_of_contact] > 0, values, -np.inf)
    if len(kinds) == 1:
        return _Batch(values, openings, channels).best(free[0])
    return max(
        (_assign_mixed(values, openings, channels), assign_one_by_one(values, channels, openings)),
        key=lambda assigned: _worth(values, assigned),
    )


def assign_one_by_one(values: Floats, channels: Sequence[str], openings: Sequence[Opening]) -> Assigned:
    """Return the assignment where each contact in its order gets the best agent with free capacity."""
    left, assigned = list(openings), []
    for contact, channel in enumerate(channels):
        allowed = np.flatnonzero(np.isfinite(values[contact])).tolist()
        able = [agent for agent in allowed if left[agent].free_for(channel)]
        best = max(able, key=lambda agent: float(values[contact, agent]), default=None)
        if best is not None:
            left[best] = left[best].with_contact(channel)
        assigned.append(best)
    return assigned


def _worth(values: Floats, assigned: Assigned) -> tuple[int, float]:
    served = [float(values[contact, agent]) for contact, agent in enumerate(assigned) if agent is not None]
    return len(served), sum(served)


def _assign_mixed(values: Floats, openings: Sequence[Opening], channels: Sequence[str]) -> Assigned:
    """Assign contacts of several channels: each round fills the free capacity that the rounds before have left."""
    left = list(openings)
    assigned: Assigned = [None] * len(channels)
    waiting = list(range(len(channels)))
    while waiting:
        kinds = {channels[contact] for contact in waiting}
        free = {kind: np.array([opening.free_for(kind) for opening in left], np.int64) for kind in kinds}
        now = np.stack([np.where(free[channels[contact]] > 0, values[contact], -np.inf) for contact in waiting])
        most = np.max(list(free.values()), axis=0)
        batch = _Batch(now, left, [channels[contact] for contact in waiting])
        best = zip(waiting, batch.best(most), strict=True)
        pairs = [(contact, agent) for contact, agent in best if agent is not None]
        if not pairs:
            break
        # The pairs of the greatest value come first and keep their agent; the first pair of an agent always fits.
        for contact, agent in sorted(pairs, key=lambda pair: (-values[pair], pair)):
            if left[agent].free_for(channels[contact]):
                left[agent] = left[agent].with_contact(channels[contact])
                assigned[contact] = agent
        waiting = [contact for contact in waiting if assigned[contact] is None]
    return assigned


class _Batch:
    """Contacts, and the agents that may serve them, each as one column for each contact that fits."""

    def __init__(self, values: Floats, openings: Sequence[Opening], channels: Sequence[str]) -> None:
        self._values = values
        self._openings = openings
        self._channels = channels

    def best(self, most: Ints) -> Assigned:
        """Return each contact's agent; most: how many contacts each agent gets at most [agents]."""
        contacts = len(self._values)
        assigned: Assigned = [None] * contacts
        able = np.flatnonzero(np.isfinite(self._values).any(axis=1))
        if not len(able):
            return assigned
        columns, order = self._columns(np.minimum(most, contacts))
        values = self._values[np.ix_(able, columns)]
        kept = _needed_columns(values, order, len(able))
        kept = kept[np.argsort(order[kept])]  # so that the order of the agents in the list decides nothing
        solved = _solve(values[:, kept], order[kept], columns[kept])
        for contact, column in zip(able.tolist(), solved, strict=True):
            if column is not None:
                assigned[contact] = int(columns[kept[column]])
        return assigned

    def _columns(self, most: Ints) -> tuple[Ints, Ints]:
        """Return the agent of each column, and the column's place among equals [columns]."""
        usual = max(sorted(self._channels), key=self._channels.count)
        columns = []
        for agent in np.flatnonzero(most > 0).tolist():
            opening = self._openings[agent]
            cost = opening.channels.get(usual, (1, 0))[0]
            for number in range(int(most[agent])):
                load = (opening.load + number * cost) / max(1, opening.total)
                columns.append((number, load, opening.idle_since_ms, opening.agent, agent))
        by_load = sorted(range(len(columns)), key=lambda at: (columns[at][1], columns[at][0], *columns[at][2:]))
        places = np.empty(len(columns), np.int64)
        places[np.array(by_load, np.int64)] = np.arange(len(columns))
        return np.array([column[-1] for column in columns], np.int64), places


def _needed_columns(values: Floats, order: Ints, most: int) -> Ints:
    """Return the columns that are among the best `most` of a contact: for `most` contacts no other column is needed."""
    columns = values.shape[1]
    if columns <= 2 * most:
        return np.arange(columns)
    kept = np.zeros(columns, np.bool_)
    for value in values:
        last = np.partition(value, columns - most)[columns - most]
        kept |= value > last
        tied = np.flatnonzero((value == last) & np.isfinite(value))
        kept[tied[np.argsort(order[tied])[:most]]] = True
    return np.flatnonzero(kept)


def _solve(values: Floats, order: Ints, agents: Ints) -> Assigned:
    """Return each contact's column [contacts]; values: [contacts, columns]; order, agents: of the columns [columns]."""
    contacts, columns = values.shape
    allowed = np.isfinite(values)
    least, greatest = values[allowed].min(), values[allowed].max()
    costs = (least - values) / max(greatest - least, np.finfo(np.float64).tiny)
    for_all = columns >= contacts and bool(allowed.all())
    if not for_all:
        # Each contact has a column of its own that means "no agent". It costs more than all values together can save.
        costs = np.hstack([costs, _own_columns(np.full(contacts, contacts + 1.0), np.inf)])
    chosen = _cheapest(costs)
    if _has_equals(values, agents) or (chosen >= columns).any():
        tight = _tight(costs, chosen)
        if np.count_nonzero(tight.edges) > contacts:
            chosen = _cheapest(_tie_costs(tight, order))
    return [column if column < columns else None for column in chosen.tolist()]


def _own_columns(costs: Floats, otherwise: float) -> Floats:
    """Return the costs [contacts, contacts] of columns of which each belongs to one contact."""
    own = np.full((len(costs), len(costs)), otherwise)
    np.fill_diagonal(own, costs)
    return own


def _has_equals(values: Floats, agents: Ints) -> bool:
    """Tell whether two agents have the same value for a contact."""
    _, first = np.unique(agents, return_index=True)
    ordered = np.sort(values[:, first], axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & np.isfinite(ordered[:, 1:])).any())


@dataclass(frozen=True, slots=True)
class _Tight:
    """The pairs of which all cheapest assignments consist [contacts, columns], and the columns that all of them use."""

    edges: Flags
    needed: Flags


def _tight(costs: Floats, chosen: Ints) -> _Tight:
    """Return what all cheapest assignments have in common with the given one.

    The prices of the columns are shortest paths over the chosen pairs; a pair is part of a cheapest assignment only if
    it costs what its row and column are worth (complementary slackness).
    """
    rows = np.arange(len(costs))
    matched = costs[rows, chosen]
    further = costs[:, chosen] - matched[:, None]
    price = np.zeros(len(rows))
    for _ in rows:
        lower = np.minimum(price, (price[:, None] + further).min(axis=0))
        if (price - lower).max(initial=0.0) <= EQUAL / len(rows):
            break
        price = lower
    prices = np.zeros(costs.shape[1])
    prices[chosen] = price
    edges = costs - (matched - price)[:, None] - prices <= EQUAL
    edges[rows, chosen] = True
    return _Tight(edges, prices < -EQUAL)


def _tie_costs(tight: _Tight, order: Ints) -> Floats:
    """Return costs [contacts, columns] by which the first contacts are served first, and by the first columns.

    All costs are whole numbers below 2^53, so that the order of columns never outweighs the order of contacts.
    """
    contacts, columns = len(tight.edges), len(order)
    earlier = float(contacts * columns + 1)
    by_order = np.broadcast_to(order.astype(np.float64), (contacts, columns))
    wished = np.hstack([by_order, _own_columns(np.linspace(contacts, 1, contacts) * earlier, 0.0)])
    costs = np.where(tight.edges, wished[:, : tight.edges.shape[1]], np.inf)
    costs[:, tight.needed] -= earlier * (contacts + 1) ** 2
    return costs


def prepare() -> None:
    """Import the solver, which takes half a second, so that no contact waits for it."""
    import scipy.optimize  # noqa: F401


def _cheapest(costs: Floats) -> Ints:
    # Not at the top: a command at the terminal that ranks for one message does not wait for it.
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(costs)
    return np.asarray(columns, np.int64)
