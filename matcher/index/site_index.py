"""Index of a site: its agents and their interests in memory, and the exact search of them, under one lock."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon, interest_stems
from matcher.affinity.scorer import Scorer, Scores
from matcher.affinity.search_result import SearchResult, top_k
from matcher.index.agent_table import AgentTable
from matcher.index.attributes import Attribute, Attributes
from matcher.index.deadlines import Deadlines
from matcher.index.exclusion_counts import ExclusionCounts
from matcher.index.filters import ORDER, admitted, count_admitted, first_unmet, unmet_by
from matcher.index.pool_members import PoolMembers
from matcher.index.pool_scorers import PoolScorers
from matcher.index.search import Query, SearchSpace, least_utilized, messages_at_once, scores_of_all, search
from matcher.index.vector_table import Floats, VectorTable
from matcher.index.view_cache import EVERYBODY, ViewCache, ViewKey
from matcher.model import Agent, Constraint, Hold, LeftOut, Requirements
from matcher.model.lifecycle import AgentStatus

MAX_FREE: Final = 8
"""Least utilized agents that a search names, unless the caller wants another number."""

_PREPARED: Final = 1_024
"""Rows prepared for a scorer before the lock is released for a moment."""


class SiteIndex:
    """Keep every agent of a site, and find exactly the agents that a message meets among those that requirements admit.

    Every public method holds the index's lock, so a search may run in a worker thread.
    """

    def __init__(self, scorer: Scorer, dimension: int, *, language: str = "english") -> None:
        """Begin without agents.

        scorer: of every pool that has no scorer of its own; dimension: of the vectors, before a scorer's map; language:
        of the stemmer for interests in Latin script.
        """
        self.scorer = scorer
        self.dimension = dimension
        self.language = language
        self.rows_scored = 0
        """Interests compared by all searches so far."""
        self.changes = 0
        """Profiles added or replaced so far."""
        self._lexicon = Lexicon()
        self._agents = AgentTable()
        self._vectors = VectorTable(dimension)
        self._scorers = PoolScorers(scorer, self._vectors)
        self._exclusion_counts = ExclusionCounts(self._agents)
        self._deadlines = Deadlines(self._agents.holds)
        self._views = ViewCache(self._agents, dimension)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._agents)

    def __contains__(self, agent: str) -> bool:
        return agent in self._agents.row_of

    def scorer_of(self, pool: str) -> Scorer:
        """Return the scorer that ranks a pool's contacts."""
        return self._scorers.of(pool).scorer

    @contextmanager
    def prepared(self, pool: str, scorer: Scorer) -> Iterator[None]:
        """Prepare the rows of a pool's agents for a scorer, so that no search waits for it after `set_scorer`.

        What was prepared is kept until the block ends: call `set_scorer` inside it. Enter the block in a worker thread:
        the lock is released after every 1,024 rows.
        """
        with self._lock:
            vectors = self._vectors.projected(scorer.map, scorer.halves)
            agents = self._agents.rows_in_use()
            agents = agents[self._agents.values(agents, Attribute.POOL, pool) > 0]
            interests = [self._agents.interests[row] for row in agents.tolist()]
        rows = np.concatenate(interests) if interests else np.zeros(0, np.int64)
        for at in range(0, len(rows), _PREPARED):
            with self._lock:
                vectors.prepare(rows[at : at + _PREPARED])
        yield  # this frame refers to `vectors`, to which the table itself refers only weakly

    def set_scorer(self, pool: str, scorer: Scorer | None) -> None:
        """Set the scorer that ranks a pool's contacts; None: the scorer of all pools that have none of their own.

        No text is encoded: vectors are kept as they were before any map.
        """
        with self._lock:
            if self._scorers.set(pool, scorer):
                self._views.evict_pool(pool)

    def ids(self) -> list[str]:
        """Return the ids of all agents, ascending."""
        with self._lock:
            return sorted(self._agents.row_of)

    def agent(self, agent: str) -> Agent | None:
        """Return an agent with the holds that have not expired here; None: there is no such agent."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            return None if row is None else self._agents.current(row)

    def interests(self, agent: str) -> tuple[tuple[str, ...], Floats]:
        """Return an agent's interests and their vectors [interests, dimension]; none where there is no such agent."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is None:
                return (), np.zeros((0, self.dimension), np.float32)
            texts = self._agents.agent[row].profile.interests
            return texts, self._vectors.stored(self._agents.interests[row]).astype(np.float32)

    def managed_by(self, manager: str) -> list[Agent]:
        """Return the agents whom somebody manages, as they were last written."""
        with self._lock:
            agents: list[Agent] = [self._agents.agent[row] for row in self._agents.row_of.values()]
        return [agent for agent in agents if agent.profile.manager == manager]

    def put(self, agent: Agent, vectors: Floats) -> None:
        """Add an agent, or replace one whole.

        vectors: [interests, dimension], unit vectors before the scorer's map, in the order of the interests. They are
        kept at 16 bits, as the store keeps them, so that every replica compares the same numbers.
        Raises ValueError for another shape.
        """
        expected = (len(agent.profile.interests), self.dimension)
        if vectors.shape != expected:
            raise ValueError(f"vectors have shape {vectors.shape}, not {expected}")
        half = vectors.astype(np.float16)
        with self._lock:
            self.changes += 1
            row = self._agents.row_of.get(agent.id)
            if row is None:
                row = self._agents.add(agent)
                self._write_interests(row, agent.profile.interests, half)
                self._views.register(row)
            else:
                self._replace(row, agent, half)
            for hold in agent.holds:
                self._deadlines.push(row, hold, self._agents.live_holds)

    def put_status(self, agent: str, status: AgentStatus, idle_since_ms: int, version: int | None = None) -> None:
        """Set an agent's status; an unknown agent is ignored; version None: unchanged."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is not None:
                self._agents.set_status(row, status)
                if version is not None:
                    self._agents.agent[row] = replace(self._agents.agent[row], version=version)
                self._agents.idle_since[row] = idle_since_ms
                self._views.refresh(row)

    def remove(self, agent: str) -> None:
        """Remove an agent; an unknown agent is ignored."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is not None:
                self._views.unregister(row)
                self._drop_interests(row)
                self._agents.remove(row)

    def hold(self, agent: str, hold: Hold) -> None:
        """Add a hold to an agent; a hold of the same reservation is replaced, an unknown agent is ignored."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is not None and not self._agents.has_hold(row, hold):
                self._agents.add_hold(row, hold)
                self._deadlines.push(row, hold, self._agents.live_holds)
                self._views.refresh(row)

    def holds(self, agent: str, reservation: str) -> bool:
        """Tell whether a reservation holds capacity of an agent."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            return row is not None and reservation in self._agents.holds.get(row, ())

    def free(self, agent: str, reservation: str, idle_since_ms: int | None) -> None:
        """Remove the hold of a reservation, if the agent has it; idle_since_ms None: unchanged."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is not None:
                if idle_since_ms is not None:
                    self._agents.idle_since[row] = idle_since_ms
                if self._agents.remove_hold(row, reservation):
                    self._views.refresh(row)

    def lapse(self, now_ms: int) -> int:
        """Remove the holds whose deadline is `now_ms` or earlier, and return their number."""
        lapsed = 0
        with self._lock:
            for row, reservation in self._deadlines.pop_passed(now_ms):
                self._agents.remove_hold(row, reservation)
                self._views.refresh(row)
                lapsed += 1
        return lapsed

    def next_deadline(self) -> int | None:
        """Return the earliest deadline of a hold."""
        with self._lock:
            return self._deadlines.next()

    def find(
        self,
        query: Query,
        requirements: Requirements,
        *,
        ignore_availability: bool = False,
        max_free: int = MAX_FREE,
        floor: float = math.inf,
    ) -> SearchResult:
        """Return the agents that meet the requirements and that a message meets, scored by the pool's scorer.

        ignore_availability: also agents who are away or full. max_free: how many of the least utilized to name,
        where no affinity reaches `floor`.
        """
        return self.find_each(
            [query], requirements, ignore_availability=ignore_availability, max_free=max_free, floor=floor
        )[0]

    def find_each(
        self,
        queries: Sequence[Query],
        requirements: Requirements,
        *,
        ignore_availability: bool = False,
        max_free: int = MAX_FREE,
        floor: float = math.inf,
    ) -> list[SearchResult]:
        """Return for each of some messages what `find` returns for it alone, at less cost."""
        with self._lock:
            key = ViewKey(requirements.pool, requirements.channel, ignore_availability)
            return self._find(key, queries, requirements, max_free, floor)

    def rows(self, requirements: Requirements, *, ignore_availability: bool = False) -> int:
        """Return how many interests a search's view has, those of agents that the requirements exclude among them."""
        with self._lock:
            key = ViewKey(requirements.pool, requirements.channel, ignore_availability)
            return len(self._views.get(key, self._scorers.of(requirements.pool).vectors).owners)

    def best_affinities(self, queries: Sequence[Query], pool: str) -> NDArray[np.float64]:
        """Return each message's best affinity [messages] with any agent of a pool, available or not.

        For a worker thread: the lock is released between some messages and the next.
        """
        best: list[float] = []
        whole_pool = ViewKey(pool, None, all_agents=True)
        self._score_in_turns(queries, whole_pool, lambda scores: best.append(scores.affinity.max(initial=0.0)))
        return np.array(best)

    def best_affinities_by_pool(self, queries: Sequence[Query], pools: Sequence[str]) -> NDArray[np.float64]:
        """Return each message's best affinity [messages, pools] by the default scorer with any agent of each pool.

        All agents are searched once, however many pools there are. For a worker thread, as `best_affinities`.
        """
        best: list[NDArray[np.float64]] = []
        members = PoolMembers(self._agents, pools)
        self._score_in_turns(queries, EVERYBODY, lambda scores: best.append(members.best(scores)))
        return np.array(best).reshape(len(queries), len(pools))

    def _score_in_turns(self, queries: Sequence[Query], key: ViewKey, note: Callable[[Scores], None]) -> None:
        """Score every member of a view, which is not kept; `note` gets the scores of each message under the lock."""
        at = 0
        while at < len(queries):
            with self._lock:
                serving = self._scorers.of(key.pool)
                view = self._views.get(key, serving.vectors)
                space = SearchSpace(self._agents, self._lexicon, view, serving)
                turn = queries[at : at + messages_at_once(view)]
                for scores in scores_of_all(space, turn):
                    note(scores)
                at += len(turn)
        with self._lock:
            self._views.evict(key)

    def least_utilized(self, requirements: Requirements, most: int) -> list[str]:
        """Return the ids of at most `most` available agents, the least utilized first."""
        with self._lock:
            key = ViewKey(requirements.pool, requirements.channel, all_agents=False)
            view = self._views.get(key, self._scorers.of(requirements.pool).vectors)
            members, _ = admitted(self._agents, view, requirements)
            return [free.agent.id for free in least_utilized(self._agents, members, most)]

    def eligible_but_full(self, requirements: Requirements, most: int | None = None) -> list[str]:
        """Return, in order, the ids of agents that meet every constraint but have no free capacity; most None: all."""
        with self._lock:
            rows, unmet = first_unmet(self._agents, requirements)
            full = rows[unmet == ORDER.index(Constraint.CAPACITY)]
            if most is not None and len(full):
                full = full[top_k(self._agents.id_parts(full), most)]
            return sorted(agent.id for agent in self._agents.agent[full])[:most]

    def unmet(self, agent: str, requirements: Requirements) -> list[Constraint] | None:
        """Return the constraints that one agent does not meet, in their order; None: there is no such agent."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            return None if row is None else unmet_by(self._agents, row, requirements)

    def may_take(self, agent: str, requirements: Requirements) -> bool:
        """Return whether only the agent's other contacts keep the agent from one more contact, if anything does."""
        with self._lock:
            row = self._agents.row_of.get(agent)
            if row is None or set(unmet_by(self._agents, row, requirements)) - {Constraint.CAPACITY}:
                return False
            attributes = self._agents.attribute_table[int(self._agents.attributes[row])]
            return attributes.channels[requirements.channel].cost <= attributes.total

    def anyone_online(self, requirements: Requirements) -> bool:
        """Return whether an agent who meets the requirements is ONLINE, busy or not."""
        with self._lock:
            return self._exclusion_counts.online(requirements) > 0

    def left_out(self, requirements: Requirements, *, name_agents: int = 0) -> LeftOut:
        """Count the excluded agents by the first constraint that each does not meet; of `only` that agent alone.

        name_agents: how many to name, those that meet the most constraints in their order first, then by id.
        """
        with self._lock:
            if requirements.only:
                row = self._agents.row_of.get(requirements.only)
                first = [] if row is None else unmet_by(self._agents, row, requirements)[:1]
                return LeftOut(dict.fromkeys(first, 1), tuple((requirements.only, why) for why in first[:name_agents]))
            if not name_agents:
                key = ViewKey(requirements.pool, requirements.channel, all_agents=False)
                view = self._views.get(key, self._scorers.of(requirements.pool).vectors)
                return self._exclusion_counts.of(requirements, count_admitted(self._agents, view, requirements))
            rows, unmet = first_unmet(self._agents, requirements)
            counts = np.bincount(unmet, minlength=len(ORDER) + 1)
            named: list[tuple[str, Constraint]] = []
            for number in range(len(ORDER) - 1, -1, -1):
                if len(named) < name_agents and counts[number]:
                    ids = sorted(agent.id for agent in self._agents.agent[rows[unmet == number]])
                    named += [(agent, ORDER[number]) for agent in ids[: name_agents - len(named)]]
        return LeftOut(
            {constraint: int(counts[number]) for number, constraint in enumerate(ORDER) if counts[number]},
            tuple(named),
        )

    def unmet_skills(self, requirements: Requirements) -> dict[str, int]:
        """Return the required skills that none of the agents who meet the constraints before has at its level.

        Where each of these skills is had by somebody, and all of them by nobody, return all.
        """
        with self._lock:
            rows, unmet = first_unmet(self._agents, requirements)
            numbers = self._agents.attributes[rows[unmet == ORDER.index(Constraint.SKILL)]]
            lacking = self._agents.attribute_table.skills_of_none(np.unique(numbers), requirements.skills)
        return lacking or dict(requirements.skills)

    def _find(
        self,
        key: ViewKey,
        queries: Sequence[Query],
        requirements: Requirements,
        max_free: int,
        floor: float,
    ) -> list[SearchResult]:
        serving = self._scorers.of(key.pool)
        space = SearchSpace(self._agents, self._lexicon, self._views.get(key, serving.vectors), serving)
        results = search(space, queries, requirements, max_free=max_free, floor=floor)
        self.rows_scored += sum(result.rows for result in results)
        return results

    def _replace(self, row: int, agent: Agent, half: NDArray[np.float16]) -> None:
        """Replace an agent; unchanged interests and views stay as they are."""
        before: Agent = self._agents.agent[row]
        same_interests = before.profile.interests == agent.profile.interests
        same_interests = same_interests and np.array_equal(self._vectors.stored(self._agents.interests[row]), half)
        if same_interests and Attributes.of(before.profile).key() == Attributes.of(agent.profile).key():
            self._agents.change(row, agent)
            self._views.refresh(row)
            return
        self._views.unregister(row)
        self._agents.change(row, agent)
        if not same_interests:
            self._drop_interests(row)
            self._write_interests(row, agent.profile.interests, half)
        self._views.register(row)

    def _write_interests(self, row: int, interests: Sequence[str], half: NDArray[np.float16]) -> None:
        handles = [self._lexicon.add(interest_stems(interest, self.language)) for interest in interests]
        self._agents.interests[row] = self._vectors.add(row, half, handles)

    def _drop_interests(self, row: int) -> None:
        rows = self._agents.interests[row]
        for handle in self._vectors.handle[rows].tolist():
            self._lexicon.remove(handle)
        self._vectors.remove(rows)
