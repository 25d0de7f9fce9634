"""The index's search against brute force: its results, and its time by the number of free agents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchmarks.alone import run_alone, say
from benchmarks.material import (
    Roster,
    encode,
    make_roster,
    open_packaged_encoder,
    read_material,
    serving_scorer,
)
from benchmarks.sizes import Sizes
from benchmarks.slices import Figures, a_a, estimate, ratio
from matcher.affinity.lexicon import Lexicon, stems
from matcher.affinity.projection import projected, similarities
from matcher.affinity.scorer import Evidence, Scorer
from matcher.affinity.sentences import split
from matcher.encoder import halves_of
from matcher.index import Query, SiteIndex
from matcher.model import Requirements
from matcher.model.lifecycle import AgentStatus

SHARES: Final = (0.001, 0.01, 0.1, 1.0)
NAMES: Final = {0.001: "01pct", 0.01: "1pct", 0.1: "10pct", 1.0: "100pct"}
BATCH: Final = 32
SAME: Final = 1e-6
ANYONE: Final = Requirements()
_CHUNK: Final = 8192


@dataclass(slots=True)
class Checks:
    """The comparisons of the index with brute force."""

    same: list[bool] = field(default_factory=list)
    """For each query, whether the best agent and its affinity were the same."""
    rows_right: list[bool] = field(default_factory=list)
    """For each query, whether exactly the rows of the free agents were scored."""


async def measure(sizes: Sizes) -> Figures:
    """Measure the index for every size of the roster and every share of free agents."""
    material = read_material(sizes.suite)
    encoder = await open_packaged_encoder()
    try:
        vectors = await encode(encoder, material.lines)
        queries = []
        for text in material.messages[: sizes.search_messages]:
            units = split(text).texts(text)
            queries.append(Query(await encoder.encode(units), [*map(stems, units)]))
        scorer = serving_scorer(encoder)
        halves = halves_of(encoder)
    finally:
        await encoder.close()
    checks = Checks()
    figures: Figures = {}
    for agents in sizes.search_agents:
        figures |= _one_roster(sizes, make_roster(material, vectors, agents, halves=halves), scorer, queries, checks)
    return {
        "search_same_agent": sum(checks.same) / len(checks.same),
        "search_checks": len(checks.same),
        "search_rows_right": sum(checks.rows_right) / len(checks.rows_right),
        **figures,
    }


def _one_roster(sizes: Sizes, roster: Roster, scorer: Scorer, queries: Sequence[Query], checks: Checks) -> Figures:
    agents = len(roster)
    say(f"search: {agents} agents")
    index = SiteIndex(scorer, roster.vectors.shape[2])
    start = time.perf_counter()
    for number in range(agents):
        index.put(roster.agent(number, online=True), roster.vectors[number])
    name = f"{agents // 1000}k" if agents >= 1000 else str(agents)
    figures: Figures = {f"search_load_seconds_{name}": time.perf_counter() - start}
    brute = _BruteForce(roster, scorer)
    order = np.random.default_rng(3).permutation(agents)
    free = agents
    times: dict[float, list[float]] = {share: [] for share in SHARES}
    again: dict[float, list[float]] = {share: [] for share in SHARES}
    whole: dict[float, list[float]] = {share: [] for share in SHARES}
    batched: list[float] = []
    units = np.concatenate([query.units for query in queries])
    repeated = Query(np.resize(units, (BATCH, units.shape[1])), [()] * BATCH)
    down = [share for share in reversed(SHARES) if agents * share >= 1]
    for step, share in enumerate([*down, *reversed(down)]):
        wanted = round(agents * share)
        change_start = time.perf_counter()
        for number in order[min(wanted, free) : max(wanted, free)].tolist():
            index.put_status(roster.ids[number], _status(wanted > free), 1 + number)
        if wanted != free:
            per_change = 1e6 * (time.perf_counter() - change_start) / abs(wanted - free)
            figures[f"search_status_change_usec_{name}"] = per_change
        free = wanted
        if step < len(down):
            _check(index, brute, queries, order[:free], checks)
        for target in (times, again):
            target[share] += [_seconds(index, Query(query.units[:1], query.stems[:1])) for query in queries]
        whole[share] += [_seconds(index, query) for query in queries]
        if share == 0.1:
            batched += [_seconds(index, repeated) / BATCH for _ in queries]
    for share in down:
        figures[f"search_ms_{name}_{NAMES[share]}"] = 1000 * estimate(times[share]).median
        figures[f"search_message_ms_{name}_{NAMES[share]}"] = 1000 * estimate(whole[share]).median
    figures[f"search_ms_{name}_10pct_batched"] = 1000 * estimate(batched).median
    if agents == max(sizes.search_agents):
        figures |= ratio(times[0.01], times[1.0]).figures("search_ratio_1pct_over_100pct")
        figures |= a_a("search", times[1.0], again[1.0])
    return figures


def _status(free: bool) -> AgentStatus:
    return AgentStatus.ONLINE if free else AgentStatus.OFFLINE


def _seconds(index: SiteIndex, query: Query) -> float:
    """Return the CPU seconds of a search, which runs in this thread only."""
    start = time.thread_time()
    index.find(query, ANYONE)
    return time.thread_time() - start


def _check(
    index: SiteIndex, brute: _BruteForce, queries: Sequence[Query], free: np.typing.NDArray[np.int64], checks: Checks
) -> None:
    for query in queries:
        before = index.rows_scored
        result = index.find(query, ANYONE)
        rows = len(free) * brute.interests
        checks.rows_right.append(index.rows_scored - before == result.rows == rows)
        expected = brute.best(query, free)
        if not expected:
            checks.same.append(not len(result.scores.agent))
            continue
        at = int(np.argmax(result.scores.affinity)) if len(result.scores.agent) else -1
        checks.same.append(
            at >= 0
            and str(result.agents[at].id) in expected
            and abs(result.scores.affinity[at] - next(iter(expected.values()))) <= SAME
        )


class _BruteForce:
    """Scores every interest of every free agent with numpy, and finds the best agents by the service's scorer."""

    def __init__(self, roster: Roster, scorer: Scorer) -> None:
        self._roster = roster
        self._scorer = scorer
        self.interests = roster.vectors.shape[1]
        self._lexicon = Lexicon()
        handles = [[self._lexicon.add(stems(line)) for line in lines] for lines in roster.lines]
        self._handles = np.array(handles, np.int64)

    def best(self, query: Query, free: np.typing.NDArray[np.int64]) -> dict[str, float]:
        """Return the affinity of each best agent by id; several agents if they are equal, none without a match."""
        scorer = self._scorer
        units = projected(scorer, query.units)
        parts = []
        for at in range(0, len(free), _CHUNK):
            block = free[at : at + _CHUNK]
            rows = projected(scorer, self._roster.vectors[block].reshape(-1, query.units.shape[1]))
            flat, both_english = similarities(units, rows)
            both = np.ones(flat.shape, np.bool_) if both_english is None else both_english
            shape = (len(flat), len(block), self.interests)
            cosines = scorer.values(flat, both).reshape(shape)
            unit, agent, interest = np.nonzero(cosines > scorer.threshold)
            stemmed = both.reshape(shape)[unit, agent, interest]
            parts.append((unit, block[agent], interest, cosines[unit, agent, interest], stemmed))
        unit, agent, interest, cosine, stemmed = (np.concatenate(column) for column in zip(*parts, strict=True))
        lexical = self._lexicon.shared(query.stems, unit, self._handles[agent, interest]) * stemmed
        scores = scorer.score(Evidence(unit, agent, interest, cosine, lexical, np.full(len(unit), self.interests)))
        if not len(scores.agent):
            return {}
        best = scores.affinity.max()
        best_agents = np.flatnonzero(scores.affinity >= best - SAME)
        return {self._roster.ids[scores.agent[at]]: float(scores.affinity[at]) for at in best_agents.tolist()}


if __name__ == "__main__":
    run_alone(measure)
