"""The index of a site: what a replica knows of its agents, searched exactly."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon, stems
from matcher.affinity.scorer import Scorer
from matcher.affinity.search_result import SearchResult, top_k
from matcher.index.agent_table import AgentTable
from matcher.index.attributes import Attribute, Attributes
from matcher.index.deadlines import Deadlines
from matcher.index.exclusion_counts import ExclusionCounts
from matcher.index.filters import ORDER, admitted, first_unmet, how_many_admitted
from matcher.index.pool_scorers import PoolScorers
from matcher.index.search import Query, longest_idle, search
from matcher.index.vector_table import Floats, VectorTable
from matcher.index.view_cache import ViewCache, ViewKey
from matcher.model import Agent, Constraint, Hold, LeftOut, Requirements
from matcher.model.lifecycle import AgentStatus

MOST_RESTING: Final = 8

_PREPARED: Final = 1_024
"""Rows made ready for a scorer before the lock is given back for a moment."""


class SiteIndex:
    """Know every agent of a site, and find exactly those whom a message meets among who can take it.

    Every public method holds the index's own lock, so a search may run in a worker thread.
    """

    def __init__(self, scorer: Scorer, dimension: int, *, language: str = "english") -> None:
        """Begin empty.

        scorer: of every pool that has none of its own; dimension: of the vectors, before a scorer's map; language: the
        stemmer of lines in Latin script.
        """
        self.scorer = scorer
        self.dimension = dimension
        self.language = language
        self.rows_scored = 0
        self.changes = 0
        """Profiles that came, went or were replaced since the beginning."""
        self._lexicon = Lexicon()
        self._people = AgentTable()
        self._lines = VectorTable(dimension)
        self._scorers = PoolScorers(scorer, self._lines)
        self._left_out = ExclusionCounts(self._people)
        self._deadlines = Deadlines(self._people.holds)
        self._views = ViewCache(self._people, dimension)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, agent: str) -> bool:
        return agent in self._people.slots

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
            lines = self._lines.under(scorer.map)
            slots = self._people.present()
            slots = slots[self._people.answers(slots, Attribute.POOL, pool) > 0]
            rows_of = [self._people.rows[slot] for slot in slots.tolist()]
        rows = np.concatenate(rows_of) if rows_of else np.zeros(0, np.int64)
        for at in range(0, len(rows), _PREPARED):
            with self._lock:
                lines.prepare(rows[at : at + _PREPARED])
        yield  # this frame refers to `lines`, to which the table itself refers only weakly

    def set_scorer(self, pool: str, scorer: Scorer | None) -> None:
        """Let a scorer rank a pool's contacts from now on; None: the one of all pools that have none of their own.

        No text is encoded: vectors are kept as they were before any map.
        """
        with self._lock:
            if self._scorers.set(pool, scorer):
                self._views.give_up_pool(pool)

    def ids(self) -> list[str]:
        """Return the ids of all agents, ascending."""
        with self._lock:
            return sorted(self._people.slots)

    def agent(self, agent: str) -> Agent | None:
        """Return an agent as known here, with live and not yet lapsed holds."""
        with self._lock:
            slot = self._people.slots.get(agent)
            return None if slot is None else self._people.known(slot)

    def put(self, agent: Agent, vectors: Floats) -> None:
        """Take an agent in whole, in the place of what was known.

        vectors: [interests, dimension], unit vectors before the scorer's map, one an interest in their order.
        They are kept at 16 bits, as the store keeps them, so that every replica compares the same numbers.
        Raises ValueError where the shape is another.
        """
        expected = (len(agent.profile.interests), self.dimension)
        if vectors.shape != expected:
            raise ValueError(f"vectors have shape {vectors.shape}, not {expected}")
        half = vectors.astype(np.float16)
        with self._lock:
            self.changes += 1
            slot = self._people.slots.get(agent.id)
            if slot is None:
                slot = self._people.add(agent)
                self._write_lines(slot, agent.profile.interests, half)
                self._views.register(slot)
            else:
                self._replace(slot, agent, half)
            for hold in agent.holds:
                self._deadlines.push(slot, hold, self._people.live)

    def put_status(self, agent: str, status: AgentStatus, idle_since_ms: int, version: int | None = None) -> None:
        """Set what an agent says; an unknown agent is passed over; version None: as it was."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                self._people.declare(slot, status)
                if version is not None:
                    self._people.agent[slot] = replace(self._people.agent[slot], version=version)
                self._people.idle_since[slot] = idle_since_ms
                self._views.refresh(slot)

    def remove(self, agent: str) -> None:
        """Forget an agent; an unknown one is passed over."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                self._views.unregister(slot)
                self._drop_lines(slot)
                self._people.remove(slot)

    def hold(self, agent: str, hold: Hold) -> None:
        """Take a slot of an agent; a hold of the same reservation is replaced, an unknown agent passed over."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None and not self._people.holds_already(slot, hold):
                self._people.take(slot, hold)
                self._deadlines.push(slot, hold, self._people.live)
                self._views.refresh(slot)

    def holds(self, agent: str, reservation: str) -> bool:
        """Tell whether a slot is taken by a reservation."""
        with self._lock:
            slot = self._people.slots.get(agent)
            return slot is not None and reservation in self._people.holds.get(slot, ())

    def free(self, agent: str, reservation: str, idle_since_ms: int | None) -> None:
        """Give a slot back, if it was taken; idle_since_ms None: as it was."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                if idle_since_ms is not None:
                    self._people.idle_since[slot] = idle_since_ms
                if self._people.release(slot, reservation):
                    self._views.refresh(slot)

    def lapse(self, now_ms: int) -> int:
        """Give back the slots of holds whose deadline is `now_ms` or earlier, and count them."""
        lapsed = 0
        with self._lock:
            for slot, reservation in self._deadlines.passed(now_ms):
                self._people.release(slot, reservation)
                self._views.refresh(slot)
                lapsed += 1
        return lapsed

    def next_deadline(self) -> int | None:
        """Return when the next hold lapses."""
        with self._lock:
            return self._deadlines.next()

    def find(
        self,
        units: Floats,
        unit_stems: Sequence[Sequence[str]],
        requirements: Requirements,
        *,
        ignore_availability: bool = False,
        resting: int = MOST_RESTING,
        floor: float = math.inf,
    ) -> SearchResult:
        """Find everyone whom a message meets among the agents that meet the requirements.

        They are ranked by the scorer of the pool. units: [units, dimension], unit vectors before its map; unit_stems:
        the stems of each unit. ignore_availability: status and capacity are not asked about. resting: how many of the
        longest idle to name, where nobody's affinity reaches `floor`: else nobody asks for them.
        """
        query = Query(units, unit_stems)
        return self.find_each(
            [query], requirements, ignore_availability=ignore_availability, resting=resting, floor=floor
        )[0]

    def find_each(
        self,
        queries: Sequence[Query],
        requirements: Requirements,
        *,
        ignore_availability: bool = False,
        resting: int = MOST_RESTING,
        floor: float = math.inf,
    ) -> list[SearchResult]:
        """Find for each of some messages what `find` finds for it alone, at less cost."""
        with self._lock:
            shown = ViewKey(requirements.pool, requirements.channel, ignore_availability)
            return self._find(shown, queries, requirements, resting, floor)

    def rows(self, requirements: Requirements, *, ignore_availability: bool = False) -> int:
        """Count the interests that a search compares with a message, those of agents it excludes among them."""
        with self._lock:
            shown = ViewKey(requirements.pool, requirements.channel, ignore_availability)
            return len(self._views.get(shown, self._scorers.of(requirements.pool).lines).owners)

    def best_affinities(self, queries: Sequence[Query], pool: str) -> NDArray[np.float64]:
        """Return each message's best affinity [messages] with any agent of a pool, available or not.

        For a worker thread: the lock is given back between messages.
        """
        best = np.zeros(len(queries))
        anywhere = ViewKey(pool, None, everybody=True)
        anyone = Requirements(pool=pool)
        for number, query in enumerate(queries):
            with self._lock:
                (found,) = self._find(anywhere, [query], anyone, 0, 0.0)
            best[number] = found.scores.affinity.max(initial=0.0)
        with self._lock:
            self._views.give_up(anywhere)
        return best

    def longest_idle(self, requirements: Requirements, most: int) -> list[str]:
        """Name the agents who can take a contact now, the longest idle first."""
        with self._lock:
            shown = ViewKey(requirements.pool, requirements.channel, everybody=False)
            view = self._views.get(shown, self._scorers.of(requirements.pool).lines)
            members, _ = admitted(self._people, view, requirements)
            return [resting.agent.id for resting in longest_idle(self._people, members, most)]

    def eligible_but_full(self, requirements: Requirements, most: int | None = None) -> list[str]:
        """Name, in order of their ids, those who meet every constraint but have no room; most None: all of them."""
        with self._lock:
            slots, unmet = first_unmet(self._people, requirements)
            full = slots[unmet == ORDER.index(Constraint.CAPACITY)]
            if most is not None and len(full):
                full = full[top_k(self._people.id_parts(full), most)]
            return sorted(agent.id for agent in self._people.agent[full])[:most]

    def left_out(self, requirements: Requirements, *, name_agents: int = 0) -> LeftOut:
        """Count who is left out by the first constraint they do not meet.

        name_agents: how many to name, those who came furthest through the constraints first, then by id.
        """
        with self._lock:
            if not name_agents and not requirements.only:
                shown = ViewKey(requirements.pool, requirements.channel, everybody=False)
                view = self._views.get(shown, self._scorers.of(requirements.pool).lines)
                return self._left_out.of(requirements, how_many_admitted(self._people, view, requirements))
            slots, unmet = first_unmet(self._people, requirements)
            counts = np.bincount(unmet, minlength=len(ORDER) + 1)
            named: list[tuple[str, Constraint]] = []
            for number in range(len(ORDER) - 1, -1, -1):
                if len(named) < name_agents and counts[number]:
                    ids = sorted(agent.id for agent in self._people.agent[slots[unmet == number]])
                    named += [(agent, ORDER[number]) for agent in ids[: name_agents - len(named)]]
        return LeftOut(
            {constraint: int(counts[number]) for number, constraint in enumerate(ORDER) if counts[number]},
            tuple(named),
        )

    def _find(
        self,
        shown: ViewKey,
        queries: Sequence[Query],
        requirements: Requirements,
        resting: int,
        floor: float,
    ) -> list[SearchResult]:
        serving = self._scorers.of(shown.pool)
        view = self._views.get(shown, serving.lines)
        found = search(
            self._people,
            self._lexicon,
            view,
            serving,
            queries,
            requirements,
            resting=resting,
            floor=floor,
        )
        self.rows_scored += sum(one.rows for one in found)
        return found

    def _replace(self, slot: int, agent: Agent, half: NDArray[np.float16]) -> None:
        """Write an agent over what was known; what stays the same is left in its place."""
        people = self._people
        before: Agent = people.agent[slot]
        rows = people.rows[slot]
        same_lines = before.profile.interests == agent.profile.interests
        same_lines = same_lines and np.array_equal(self._lines.stored(rows), half)
        if same_lines and Attributes.of(before.profile).key() == Attributes.of(agent.profile).key():
            people.change(slot, agent)
            self._views.refresh(slot)
            return
        self._views.unregister(slot)
        people.change(slot, agent)
        if not same_lines:
            self._drop_lines(slot)
            self._write_lines(slot, agent.profile.interests, half)
        self._views.register(slot)

    def _write_lines(self, slot: int, interests: Sequence[str], half: NDArray[np.float16]) -> None:
        handles = [self._lexicon.add(stems(interest, self.language)) for interest in interests]
        self._people.rows[slot] = self._lines.add(slot, half, handles)

    def _drop_lines(self, slot: int) -> None:
        rows = self._people.rows[slot]
        for handle in self._lines.handle[rows].tolist():
            self._lexicon.remove(handle)
        self._lines.remove(rows)
