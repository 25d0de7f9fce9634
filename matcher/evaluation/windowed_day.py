"""A day with a matching window: those who come within it are decided together, as a pool with one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from matcher.affinity.search_result import IdleAgent
from matcher.evaluation.day_ledger import Arrivals, Books, Played, Terms
from matcher.evaluation.strategies import Affinity, Met, Staff
from matcher.evaluation.suite import Suite
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch, most_listed

MOST_AT_ONCE: Final = 256
CHANNEL: Final = "chat"


class _Arrival(NamedTuple):
    at: float
    minutes: float
    message: int


@dataclass(frozen=True, slots=True)
class Window:
    """A window in seconds; whoever is alone in it is chosen for by affinity within the tolerance."""

    seconds: float
    alone: Affinity

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"{self.alone.name}, window {self.seconds:g} s"

    def gather(self, came: Arrivals) -> Iterator[tuple[float, list[_Arrival]]]:
        """Yield who is decided together, and the minute of it: the first one's arrival and the window."""
        gathered: list[_Arrival] = []
        ends = 0.0
        for one in map(
            _Arrival._make, zip(came.at.tolist(), came.minutes.tolist(), came.message.tolist(), strict=True)
        ):
            if gathered and (one.at > ends or len(gathered) == MOST_AT_ONCE):
                yield min(ends, one.at), gathered
                gathered = []
            if not gathered:
                ends = one.at + self.seconds / 60
            gathered.append(one)
        if gathered:
            yield ends, gathered


class _Crew:
    """Choose for several at once among a staff."""

    def __init__(self, staff: Staff, alone: Affinity) -> None:
        self._staff = staff
        self._alone = alone
        known = (Agent(one, Profile("", ()), AgentStatus.ONLINE, 1, 1, 0, 0, 0) for one in staff.ids)
        self._agents = tuple(known)

    def choose(self, met: Sequence[Met]) -> list[int | None]:
        """Return each message's agent, as a position in the roster; None: nobody has room."""
        staff = self._staff
        if not staff.anybody_free():
            return [None] * len(met)
        if len(met) == 1:
            return [self._alone.choose(met[0], staff)]
        most = most_listed(len(met))
        idle, alone = self._resting(most), self._alone
        contestants = [
            BatchEntry(replace(one.among(staff), longest_idle=idle), alone.floor, CHANNEL, alone.tolerance)
            for one in met
        ]
        listed = {agent for one in contestants for agent in one.shortlist(most)}
        openings = {agent: self._opening(staff.position[agent]) for agent in listed}
        return [None if agent is None else staff.position[agent] for agent in assign_batch(contestants, openings)]

    def _opening(self, agent: int) -> Opening:
        staff, load = self._staff, int(self._staff.load[agent])
        room = {CHANNEL: (1, staff.capacity)}
        return Opening(staff.ids[agent], staff.capacity, load, int(staff.idle_since_ms[agent]), room)

    def _resting(self, most: int) -> tuple[IdleAgent, ...]:
        """Return the free agents idle longest, as the index names them."""
        staff = self._staff
        free = np.flatnonzero(staff.free)
        longest = free[np.lexsort((staff.load[free], staff.idle_since_ms[free]))][:most].tolist()
        return tuple(
            IdleAgent(one, self._agents[one], staff.load[one] / staff.capacity, int(staff.idle_since_ms[one]))
            for one in longest
        )


def play_windowed(
    suite: Suite, met: Sequence[Met], came: Arrivals, terms: Terms, window: Window, step: Callable[[], None]
) -> Played:
    """Play one day; who is decided for at a window's end and finds nobody free is turned away."""
    books = Books(suite, Staff.rested(suite, terms.capacity))
    crew = _Crew(books.staff, window.alone)
    for minute, gathered in window.gather(came):
        books.until(minute)
        chosen = crew.choose([met[one.message] for one in gathered])
        for one, agent in zip(gathered, chosen, strict=True):
            step()
            if agent is not None:
                books.take(agent, met[one.message], one.message, minute, one.minutes, waited=minute - one.at)
    return books.played(window.name, None, len(came.at))
