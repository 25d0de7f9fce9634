"""The index of a site: what a replica knows of its agents, searched exactly."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.found import Found, Resting
from matcher.index.deadlines import Deadlines
from matcher.index.lines import Floats, LineTable, Rows
from matcher.index.people import People
from matcher.index.traits import NOT_TAKEN, Question, Traits
from matcher.index.view import View
from matcher.lexicon import Lexicon, stems
from matcher.lifecycle import AgentStatus
from matcher.model import Agent, Constraint, Hold, LeftOut, Requirements
from matcher.scorer import Evidence, Scorer

MOST_VIEWS: Final = 256
"""Views kept; the one used longest ago is given up first, and built anew when it is asked for."""

MOST_RESTING: Final = 8


class _Key(NamedTuple):
    """What a view shows: who has room for a channel of a pool, or everybody who takes it (None: any)."""

    pool: str
    channel: str | None
    everybody: bool


class SiteIndex:
    """Know every agent of a site, and find exactly those whom a message meets among who can take it.

    Every public method holds the index's own lock, so a search may run in a worker thread.
    """

    def __init__(self, scorer: Scorer, dimension: int, *, language: str = "english") -> None:
        """Begin empty.

        dimension: of the vectors, before the scorer's map; language: the stemmer of lines in Latin script.
        """
        self.scorer = scorer
        self.dimension = dimension
        self.language = language
        self.rows_scored = 0
        self._lexicon = Lexicon()
        self._people = People()
        self._lines = LineTable(dimension, scorer.map)
        self._deadlines = Deadlines(self._people.holds)
        self._views: OrderedDict[_Key, View] = OrderedDict()
        self._takers: Counter[tuple[str, str]] = Counter()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, agent: str) -> bool:
        return agent in self._people.slots

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
            slot = self._people.slots.get(agent.id)
            if slot is None:
                slot = self._people.add(agent)
                self._write_lines(slot, agent.profile.interests, half)
            else:
                self._replace(slot, agent, half)
            self._count_takers(slot, 1)
            for hold in agent.holds:
                self._deadlines.push(slot, hold, self._people.live)
            self._refresh(slot)

    def put_status(self, agent: str, status: AgentStatus, idle_since_ms: int, version: int | None = None) -> None:
        """Set what an agent says; an unknown agent is passed over; version None: as it was."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                self._people.declare(slot, status)
                if version is not None:
                    self._people.agent[slot] = replace(self._people.agent[slot], version=version)
                self._people.idle_since[slot] = idle_since_ms
                self._refresh(slot)

    def remove(self, agent: str) -> None:
        """Forget an agent; an unknown one is passed over."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                self._withdraw(slot)
                self._count_takers(slot, -1)
                self._drop_lines(slot)
                self._people.remove(slot)

    def hold(self, agent: str, hold: Hold) -> None:
        """Take a slot of an agent; a hold of the same reservation is replaced, an unknown agent passed over."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                self._people.take(slot, hold)
                self._deadlines.push(slot, hold, self._people.live)
                self._refresh(slot)

    def free(self, agent: str, reservation: str, idle_since_ms: int | None) -> None:
        """Give a slot back, if it was taken; idle_since_ms None: as it was."""
        with self._lock:
            slot = self._people.slots.get(agent)
            if slot is not None:
                if idle_since_ms is not None:
                    self._people.idle_since[slot] = idle_since_ms
                if self._people.release(slot, reservation):
                    self._refresh(slot)

    def lapse(self, now_ms: int) -> int:
        """Give back the slots of holds whose deadline is `now_ms` or earlier, and count them."""
        lapsed = 0
        with self._lock:
            for slot, reservation in self._deadlines.passed(now_ms):
                self._people.release(slot, reservation)
                self._refresh(slot)
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
    ) -> Found:
        """Find everyone whom a message meets among the agents that meet the requirements.

        units: [units, dimension], unit vectors before the map; unit_stems: the stems of each unit.
        ignore_availability: status and capacity are not asked about. resting: how many of the longest idle to name.
        """
        with self._lock:
            view = self._view(_Key(requirements.pool, requirements.channel, ignore_availability))
            return self._find(view, units, unit_stems, requirements, resting)

    def best_affinities(
        self, messages: Sequence[tuple[Floats, Sequence[Sequence[str]]]], pool: str
    ) -> NDArray[np.float64]:
        """Return each message's best affinity [messages] with any agent of a pool, available or not.

        For a worker thread: the lock is given back between messages.
        """
        best = np.zeros(len(messages))
        key = _Key(pool, None, everybody=True)
        anyone = Requirements(pool=pool)
        for number, (units, unit_stems) in enumerate(messages):
            with self._lock:
                found = self._find(self._view(key), units, unit_stems, anyone, 0)
            best[number] = found.scores.affinity.max(initial=0.0)
        with self._lock:
            self._views.pop(key, None)
        return best

    def longest_idle(self, requirements: Requirements, most: int) -> list[str]:
        """Name the agents who can take a contact now, the longest idle first."""
        with self._lock:
            view = self._view(_Key(requirements.pool, requirements.channel, everybody=False))
            members, _ = self._admitted(view, requirements)
            return [resting.agent.id for resting in self._resting(members, most)]

    def eligible_but_full(self, requirements: Requirements) -> list[str]:
        """Name, in order of their ids, those who meet every constraint but have no room."""
        with self._lock:
            slots, unmet = self._first_unmet(requirements)
            full = slots[unmet == _ORDER.index(Constraint.CAPACITY)]
            return sorted(agent.id for agent in self._people.agent[full])

    def left_out(self, requirements: Requirements, *, name_agents: int = 0) -> LeftOut:
        """Count who is left out by the first constraint they do not meet.

        name_agents: how many to name, those who came furthest through the constraints first, then by id.
        """
        with self._lock:
            slots, unmet = self._first_unmet(requirements)
            counts = np.bincount(unmet, minlength=len(_ORDER) + 1)
            named: list[tuple[str, Constraint]] = []
            for number in range(len(_ORDER) - 1, -1, -1):
                if len(named) < name_agents and counts[number]:
                    ids = sorted(agent.id for agent in self._people.agent[slots[unmet == number]])
                    named += [(agent, _ORDER[number]) for agent in ids[: name_agents - len(named)]]
        return LeftOut(
            {constraint: int(counts[number]) for number, constraint in enumerate(_ORDER) if counts[number]},
            tuple(named),
        )

    def _find(
        self,
        view: View,
        units: Floats,
        unit_stems: Sequence[Sequence[str]],
        requirements: Requirements,
        resting: int,
    ) -> Found:
        members, admitted = self._admitted(view, requirements)
        compared = len(view.owners) if admitted is None else int(np.count_nonzero(admitted))
        self.rows_scored += compared
        toward = self._lines.toward(self.scorer.project(np.ascontiguousarray(units, np.float32)))
        unit, row, cosine = view.above(toward, self.scorer.threshold, admitted)
        evidence = Evidence(
            unit=unit,
            agent=self._lines.slot[row],
            interest=self._lines.interest[row],
            cosine=cosine,
            lexical=self._lexicon.shared(unit_stems, unit, self._lines.handle[row]),
        )
        scores = self.scorer.score(evidence)
        return Found(
            evidence=evidence,
            scores=scores,
            agents=self._people.agent[scores.agent],
            utilization=self._people.utilization(scores.agent),
            idle_since_ms=self._people.idle_since[scores.agent],
            resting=self._resting(members, resting),
            eligible=len(members),
            rows=compared,
        )

    def _admitted(self, view: View, requirements: Requirements) -> tuple[Rows, NDArray[np.bool_] | None]:
        """Return the members who meet what the view does not see to, and which positions are theirs (None: all)."""
        met = self._people.traits.meets(requirements.language, requirements.skills)
        slots = self._people.slots
        excluded = [slot for slot in map(slots.get, requirements.excluded) if slot is not None and slot in view]
        if met is None and not excluded:
            return view.members.copy(), None
        members, owners = view.members, view.owners
        if met is None:
            admitted = np.ones(len(owners), np.bool_)
            kept = np.ones(len(members), np.bool_)
        else:
            admitted, kept = met[self._people.trait[owners]], met[self._people.trait[members]]
        if excluded:
            kept &= ~np.isin(members, excluded)
            for slot in excluded:
                admitted[view.rows_of(slot)] = False
        return members[kept], admitted

    def _resting(self, slots: Rows, most: int) -> tuple[Resting, ...]:
        if not most or not len(slots):
            return ()
        idle = self._people.idle_since[slots]
        if len(slots) > most:
            near = idle <= np.partition(idle, most - 1)[most - 1]
            slots, idle = slots[near], idle[near]
        utilization = self._people.utilization(slots)
        agents: list[Agent] = self._people.agent[slots].tolist()
        ordered = sorted(range(len(slots)), key=lambda number: (idle[number], utilization[number], agents[number].id))
        return tuple(
            Resting(int(slots[number]), agents[number], float(utilization[number]), int(idle[number]))
            for number in ordered[:most]
        )

    def _first_unmet(self, requirements: Requirements) -> tuple[Rows, NDArray[np.intp]]:
        """Return the slots and, for each, the number of the first constraint not met (their count: all met)."""
        people, traits = self._people, self._people.traits
        slots = people.present()
        excluded = [slot for slot in map(people.slots.get, requirements.excluded) if slot is not None]
        trait = people.trait[slots]
        met = {
            Constraint.POOL: people.answers(slots, Question.POOL, requirements.pool) > 0,
            Constraint.EXCLUDED: ~np.isin(slots, excluded),
            Constraint.CHANNEL: people.answers(slots, Question.COST, requirements.channel) != NOT_TAKEN,
            Constraint.LANGUAGE: traits.speaks(requirements.language)[trait],
            Constraint.SKILL: traits.has_skills(requirements.skills)[trait],
            Constraint.STATUS: people.online(slots),
            Constraint.CAPACITY: people.have_room(slots, requirements.channel),
        }
        table = np.vstack([*(met[constraint] for constraint in _ORDER), np.zeros(len(slots), np.bool_)])
        return slots, np.argmin(table, axis=0)

    def _view(self, key: _Key) -> View:
        view = self._views.get(key)
        if view is not None:
            self._views.move_to_end(key)
            return view
        view = View(self._lines, self.dimension)
        if key.channel is not None and not self._takers[key.pool, key.channel]:
            return view  # nobody ever takes it: not kept, so that callers cannot push out the others
        slots = self._people.present()
        if len(slots):
            shown = self._people.answers(slots, Question.POOL, key.pool) > 0
            if key.channel is not None:
                shown &= self._people.answers(slots, Question.COST, key.channel) != NOT_TAKEN
                if not key.everybody:
                    shown &= self._people.online(slots) & self._people.have_room(slots, key.channel)
            slots = slots[shown]
        view.fill(slots, [self._people.rows[slot] for slot in slots.tolist()])
        self._views[key] = view
        if len(self._views) > MOST_VIEWS:
            self._views.popitem(last=False)
        return view

    def _keys(self, slot: int) -> Iterator[_Key]:
        """Name every view that an agent can be in."""
        traits = self._people.traits[int(self._people.trait[slot])]
        for pool in traits.pools:
            yield _Key(pool, None, everybody=True)
            for channel in traits.channels:
                yield _Key(pool, channel, everybody=False)
                yield _Key(pool, channel, everybody=True)

    def _refresh(self, slot: int) -> None:
        """Bring the views up to date with an agent."""
        for key in self._keys(slot):
            view = self._views.get(key)
            if view is None:
                continue
            shown = key.everybody or (key.channel is not None and self._people.takes(slot, key.channel))
            if shown and slot not in view:
                view.add(slot, self._people.rows[slot])
            elif not shown and slot in view:
                view.drop(slot)

    def _withdraw(self, slot: int) -> None:
        for key in self._keys(slot):
            view = self._views.get(key)
            if view is not None and slot in view:
                view.drop(slot)

    def _count_takers(self, slot: int, change: int) -> None:
        traits: Traits = self._people.traits[int(self._people.trait[slot])]
        for pool in traits.pools:
            for channel in traits.channels:
                self._takers[pool, channel] += change
                if not self._takers[pool, channel]:
                    del self._takers[pool, channel]

    def _replace(self, slot: int, agent: Agent, half: NDArray[np.float16]) -> None:
        """Write an agent over what was known; what stays the same is left in its place."""
        people = self._people
        before: Agent = people.agent[slot]
        same_lines = before.profile.interests == agent.profile.interests and np.array_equal(
            self._lines.stored(people.rows[slot]), half
        )
        if not same_lines or Traits.of(before.profile).key() != Traits.of(agent.profile).key():
            self._withdraw(slot)
        self._count_takers(slot, -1)
        people.change(slot, agent)
        if not same_lines:
            self._drop_lines(slot)
            self._write_lines(slot, agent.profile.interests, half)

    def _write_lines(self, slot: int, interests: Sequence[str], half: NDArray[np.float16]) -> None:
        handles = [self._lexicon.add(stems(interest, self.language)) for interest in interests]
        self._people.rows[slot] = self._lines.add(slot, half, handles)

    def _drop_lines(self, slot: int) -> None:
        rows = self._people.rows[slot]
        for handle in self._lines.handle[rows].tolist():
            self._lexicon.remove(handle)
        self._lines.remove(rows)


_ORDER: Final = tuple(Constraint)
