"""The simulation of a day with a matching window: decides the arrivals of a window jointly, as a pool does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from matcher.affinity.search_result import FreeAgent
from matcher.evaluation.day_ledger import Arrivals, DayLedger, DayResult, Terms
from matcher.evaluation.strategies import Affinity, Matches, Staff
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
    """A matching window in seconds, and the strategy for an arrival that is alone in it."""

    seconds: float
    alone: Affinity

    @property
    def name(self) -> str:
        """The strategy's name."""
        return f"{self.alone.name}, window {self.seconds:g} s"

    def batches(self, arrivals: Arrivals) -> Iterator[tuple[float, list[_Arrival]]]:
        """Yield the minute of each joint decision and its arrivals; a window starts with its first arrival."""
        batch: list[_Arrival] = []
        end = 0.0
        for arrival in map(
            _Arrival._make, zip(arrivals.at.tolist(), arrivals.minutes.tolist(), arrivals.message.tolist(), strict=True)
        ):
            if batch and (arrival.at > end or len(batch) == MOST_AT_ONCE):
                yield min(end, arrival.at), batch
                batch = []
            if not batch:
                end = arrival.at + self.seconds / 60
            batch.append(arrival)
        if batch:
            yield end, batch


class _JointStrategy:
    """Chooses agents for several messages jointly."""

    def __init__(self, staff: Staff, alone: Affinity) -> None:
        self._staff = staff
        self._alone = alone
        self._agents = tuple(
            Agent(agent_id, Profile("", ()), AgentStatus.ONLINE, 1, 1, 0, 0, 0) for agent_id in staff.ids
        )

    def choose(self, matches: Sequence[Matches]) -> list[int | None]:
        """Return each message's agent, as a position in the roster; None: no agent has free capacity."""
        staff = self._staff
        if not staff.has_free_agent():
            return [None] * len(matches)
        if len(matches) == 1:
            return [self._alone.choose(matches[0], staff)]
        most = most_listed(len(matches))
        free, alone = self._least_utilized(most), self._alone
        entries = [
            BatchEntry(replace(match.among(staff), least_utilized=free), match.floor, CHANNEL, alone.tolerance)
            for match in matches
        ]
        listed = {agent for entry in entries for agent in entry.shortlist(most)}
        openings = {agent: self._opening(staff.position[agent]) for agent in listed}
        return [None if agent is None else staff.position[agent] for agent in assign_batch(entries, openings)]

    def _opening(self, agent: int) -> Opening:
        staff, load = self._staff, int(self._staff.load[agent])
        by_channel = {CHANNEL: (1, staff.capacity)}
        return Opening(staff.ids[agent], staff.capacity, load, int(staff.idle_since_ms[agent]), by_channel)

    def _least_utilized(self, most: int) -> tuple[FreeAgent, ...]:
        """Return the least utilized free agents, of equals the longest idle, in the form of the index's results."""
        staff = self._staff
        free = np.flatnonzero(staff.free)
        first = free[np.lexsort((staff.idle_since_ms[free], staff.load[free]))][:most].tolist()
        return tuple(
            FreeAgent(agent, self._agents[agent], staff.load[agent] / staff.capacity, int(staff.idle_since_ms[agent]))
            for agent in first
        )


def simulate_windowed(
    suite: Suite,
    matches: Sequence[Matches],
    arrivals: Arrivals,
    terms: Terms,
    window: Window,
    step: Callable[[], None],
) -> DayResult:
    """Simulate one day; an arrival that finds no free agent at the end of its window is turned away."""
    ledger = DayLedger(suite, Staff.at_start(suite, terms.capacity))
    strategy = _JointStrategy(ledger.staff, window.alone)
    for minute, batch in window.batches(arrivals):
        ledger.until(minute)
        chosen = strategy.choose([matches[arrival.message] for arrival in batch])
        for arrival, agent in zip(batch, chosen, strict=True):
            step()
            if agent is not None:
                match = matches[arrival.message]
                ledger.start(agent, match, arrival.message, minute, arrival.minutes, waited=minute - arrival.at)
    return ledger.result(window.name, None, len(arrivals.at))
