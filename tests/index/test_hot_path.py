"""Costs of a route in the index: counted, not timed."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable

import faiss
import numpy as np
import pytest

from matcher import kernels
from matcher.affinity.sentences import split
from matcher.index import Query, SiteIndex, filters, search, site_index
from matcher.index.attributes import AttributeTable
from matcher.index.deadlines import Deadlines
from matcher.index.view import View
from matcher.model import Hold, LeftOut, Requirements
from matcher.ranking.policy import RankingTerms, rank
from tests.index.rosters import crowd, vectors

ANYONE = Requirements()
TEXT = "My card does not work. I was on my way to the boats."
UNITS = split(TEXT)


class Counted:
    """Counts the calls of functions, which do the same as before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.calls: Counter[str] = Counter()

    def __call__(self, owner: object, name: str) -> None:
        """Count the calls of a function from now on."""
        whole = getattr(owner, name)

        def counted(*given: object, **named: object) -> object:
            self.calls[name] += 1
            return whole(*given, **named)

        self._patch.setattr(owner, name, counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Give a counter of calls."""
    return Counted(monkeypatch)


def route(index: SiteIndex, number: int, floor: float = 0.0) -> None:
    """Do what a route and its end do in the index; the hold and its release arrive twice."""
    result = index.find(Query(vectors(number % 7, 2), [("jazz",), ()]), ANYONE, floor=floor)
    ranking = rank(result, UNITS, RankingTerms(floor, 0.03), left_out=index.left_out(ANYONE))
    agent = ranking.candidates[0].agent
    hold = Hold(f"r{number}", "chat", 2, 10_000)
    for _ in range(2):
        index.hold(agent, hold)
    for _ in range(2):
        index.free(agent, hold.reservation, None)


@pytest.mark.parametrize("by_faiss", [True, False])
def test_a_search_scans_once_however_many_units_there_are(
    counted: Counted, monkeypatch: pytest.MonkeyPatch, by_faiss: bool
) -> None:
    """One scan a message, by FAISS or by the compiled kernel; none where no agent is free."""
    compiled = kernels.compiled
    index, _ = crowd(60, online=50)
    if by_faiss or compiled is None or not compiled.SCANS:
        monkeypatch.setattr(kernels, "compiled", None)
        scan = "range_search_c"
        counted(faiss.IndexIVF, scan)
    else:
        scan = "above"
        counted(compiled, scan)
    for units in (1, 2, 32):
        index.find(Query(vectors(1, units), [()] * units), ANYONE)
    assert counted.calls[scan] == 3
    index.find(Query(vectors(1, 2), [(), ()]), Requirements(channel="fax"))
    assert counted.calls[scan] == 3


def test_excluded_agents_are_counted_without_a_look_at_every_agent(counted: Counted) -> None:
    """After the first request, counts that holds and statuses update give the answer, until a profile changes."""
    index, agents = crowd(300, online=200)
    required = [ANYONE, Requirements(channel="fax"), Requirements(excluded=frozenset({"a0001", "a0299", "nobody"}))]
    before = [index.left_out(one) for one in required]
    counted(site_index, "first_unmet")
    counted(AttributeTable, "column")
    for number in range(20):
        route(index, number)
        index.put_status(agents[number].id, agents[299].status, 5)
        index.put_status(agents[number].id, agents[0].status, 5)
    assert [index.left_out(one) for one in required] == before
    assert counted.calls == {}
    index.put(agents[5], vectors(500, 3))
    index.remove(agents[6].id)
    assert index.left_out(ANYONE) != LeftOut({})
    assert counted.calls["first_unmet"] == 0 < counted.calls["column"]


def test_the_least_utilized_are_searched_only_below_the_floor(counted: Counted) -> None:
    """Where the best affinity reaches the floor, no agent is chosen by idle time, so no agents are sorted by it."""
    index, _ = crowd(50, online=50)
    counted(search, "least_utilized")
    close = Query(vectors(5, 1), [()])
    assert index.find(close, ANYONE, floor=0.5).least_utilized == ()
    assert counted.calls["least_utilized"] == 0
    assert len(index.find(close, ANYONE, floor=1.0).least_utilized) == 8
    assert len(index.find(close, ANYONE).least_utilized) == 8
    assert counted.calls["least_utilized"] == 2


def test_an_event_that_arrives_twice_is_applied_once(counted: Counted) -> None:
    """A hold of this process arrives again as an event, and so does its release: one hold is one change of the view."""
    index, _ = crowd(50, online=50)
    route(index, 0)
    for owner, name in ((View, "add"), (View, "drop"), (Deadlines, "push")):
        counted(owner, name)
    route(index, 1)
    assert counted.calls == {"drop": 1, "add": 1, "push": 1}


def test_a_route_leaves_nothing_behind() -> None:
    """After hundreds of routes as many blocks of memory are in use as before."""
    index, _ = crowd(200, online=100)
    for number in range(200):
        route(index, number)

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks()
    for number in range(300):
        route(index, number)
    # Stale deadlines are bounded, and so is this difference.
    assert blocks() - before < 300


@pytest.mark.parametrize("ask", [SiteIndex.left_out, SiteIndex.find], ids=["left out", "find"])
def test_memory_of_a_route_follows_the_free_agents_not_the_roster(ask: Callable[..., object]) -> None:
    """With twenty of thousands free, a route takes as much memory at its peak as with twenty of a hundred."""

    def peak(agents: int) -> int:
        index, _ = crowd(agents, online=20)
        given = (ANYONE,) if ask is SiteIndex.left_out else (Query(vectors(1, 2), [(), ()]), ANYONE)
        ask(index, *given)
        tracemalloc.start()
        ask(index, *given)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(3000) == pytest.approx(peak(100), rel=0.2)


def test_kept_counts_agree_with_a_look_at_every_agent() -> None:
    """The kept counts are those of a check of every agent, for all kinds of requirements at once."""
    index, agents = crowd(120, online=60)
    for number in range(0, 60, 7):
        index.hold(agents[number].id, Hold("r", "chat", 2, 10))
    required = Requirements(language="de", skills={"billing": 1}, excluded=frozenset({"a0003", "a0118"}))
    for one in (ANYONE, required, Requirements(excluded=required.excluded), Requirements(pool="elsewhere")):
        rows, unmet = filters.first_unmet(index._agents, one)
        counts = np.bincount(unmet, minlength=len(filters.ORDER))[: len(filters.ORDER)]
        assert [index.left_out(one).counts.get(constraint, 0) for constraint in filters.ORDER] == counts.tolist()
        assert len(rows) == 120
