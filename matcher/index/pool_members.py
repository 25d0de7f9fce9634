"""Members of some pools at once, and the best affinity in each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Scores
from matcher.index.agent_table import AgentTable
from matcher.index.vector_table import Rows


class PoolMembers:
    """The rows of the agents of some pools, listed again where an agent's attributes have changed."""

    def __init__(self, agents: AgentTable, pools: Sequence[str]) -> None:
        self._agents = agents
        self._pools = pools
        self._changes = -1

    def best(self, scores: Scores) -> NDArray[np.float64]:
        """Return the best affinity of each pool's members [pools]; 0 where the message meets none of them.

        scores: of a search of the agents as they are now.
        """
        if self._changes != self._agents.attribute_table.changes:
            self._list()
        best = np.zeros(len(self._pools))
        if self._filled:
            affinity = np.zeros(self._height)
            affinity[scores.agent] = scores.affinity
            best[self._filled] = np.maximum.reduceat(affinity[self._rows], self._starts)
        return best

    def _list(self) -> None:
        agents, pools = self._agents, self._pools
        self._changes = agents.attribute_table.changes
        number_of = {pool: number for number, pool in enumerate(pools)}
        members: list[list[Rows]] = [[] for _ in pools]
        rows = agents.rows_in_use()
        numbers = agents.attributes[rows]
        order = np.argsort(numbers, kind="stable")
        distinct, starts = np.unique(numbers[order], return_index=True)
        for number, alike in zip(distinct.tolist(), np.split(rows[order], starts[1:]), strict=False):
            for pool in agents.attribute_table[number].pools:
                if pool in number_of:
                    members[number_of[pool]].append(alike)
        self._filled = [number for number, of_pool in enumerate(members) if of_pool]
        self._rows: Rows = np.concatenate([np.zeros(0, np.int64), *(alike for of_pool in members for alike in of_pool)])
        sizes = [sum(map(len, members[number])) for number in self._filled]
        self._starts = np.cumsum([0, *sizes])[:-1]
        self._height = int(rows.max(initial=-1)) + 1
