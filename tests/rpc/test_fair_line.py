"""The line of admission: sites take turns by work, also where one sends more, and no call is lost or served twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from matcher.rpc.call_cost import CallCost
from matcher.rpc.fair_line import TURN_WORK, FairLine

MOST_WORK = 70


@dataclass(frozen=True, eq=False)
class Call:
    """A call that waits."""

    cost: CallCost
    number: int = 0


@dataclass
class Line:
    """A line, and what it served."""

    line: FairLine[Call] = field(default_factory=FairLine)
    served: list[Call] = field(default_factory=list)

    def wait(self, site: str, work: int = 1, caller: str = "", size: int = 0) -> Call:
        """Put a call into the line."""
        call = Call(CallCost(work, size, site, caller), len(self.served) + len(self.line))
        self.line.add(call)
        return call

    def serve(self, *, newest: bool = False) -> Call:
        """Serve the next call."""
        call = self.line.next(newest=newest)
        self.line.remove(call, served=True)
        self.served.append(call)
        return call


CALLS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x", "y"]), st.integers(1, MOST_WORK)), max_size=60
)


@given(CALLS, st.booleans())
def test_every_call_is_served_once(calls: list[tuple[str, str, int]], newest: bool) -> None:
    """Whatever waits, and in whatever order calls of a caller are taken, the line ends empty."""
    line = Line()
    waiting = [line.wait(site, work, caller, size=work) for site, caller, work in calls]
    assert line.line.size == sum(call.cost.size for call in waiting)
    while line.line:
        line.serve(newest=newest)
    assert Counter(map(id, line.served)) == Counter(map(id, waiting))
    assert line.line.size == 0


@given(CALLS)
def test_calls_of_one_caller_keep_their_order(calls: list[tuple[str, str, int]]) -> None:
    """With oldest first, no call overtakes another one of its own caller."""
    line = Line()
    waiting = [line.wait(site, work, caller) for site, caller, work in calls]
    while line.line:
        line.serve()
    for site, caller, _ in calls:
        own = [call for call in waiting if (call.cost.site, call.cost.caller) == (site, caller)]
        assert [call for call in line.served if call in own] == own


@given(st.lists(st.tuples(st.integers(1, MOST_WORK), st.integers(1, MOST_WORK)), min_size=40, max_size=40))
def test_two_sites_that_always_wait_get_the_same_work(works: list[tuple[int, int]]) -> None:
    """However large their calls are: one is never ahead by more than a turn and the largest call of each."""
    line, done = Line(), Counter[str]()
    for ones, others in works:
        line.wait("one", ones)
        line.wait("other", others)
    left = Counter(call.cost.site for call in line.line)
    while min(left["one"], left["other"]):
        call = line.serve()
        done[call.cost.site] += call.cost.work
        left[call.cost.site] -= 1
        assert abs(done["one"] - done["other"]) <= TURN_WORK + 2 * MOST_WORK


def test_a_site_with_one_call_waits_one_turn_of_each_other_site() -> None:
    """A thousand calls of a busy site are before it, and it is served after a turn."""
    line = Line()
    for _ in range(1_000):
        line.wait("busy")
    line.serve()
    quiet = line.wait("quiet")
    while line.serve() is not quiet:
        pass
    assert len(line.served) <= 2 * TURN_WORK + 2


def test_callers_of_a_site_take_turns_within_the_share_of_the_site() -> None:
    """A site gets no more for having many callers, and each of them gets the same."""
    line = Line()
    for number in range(400):
        line.wait("many", caller=str(number % 4))
        line.wait("one")
    done = Counter[tuple[str, str]]()
    for _ in range(320):
        call = line.serve()
        done[call.cost.site, call.cost.caller] += 1
    assert done["one", ""] == 160
    assert [done["many", str(number)] for number in range(4)] == [40] * 4


def test_a_refusal_meets_the_site_with_the_most_work() -> None:
    """Few large calls weigh more than many small ones; of that site the oldest is named."""
    line = Line()
    for _ in range(20):
        line.wait("small")
    large = [line.wait("large", MOST_WORK) for _ in range(2)]
    assert line.line.oldest_of_heaviest() is large[0]
    line.line.remove(large[0])
    line.line.remove(large[1])
    assert line.line.oldest_of_heaviest().cost.site == "small"


def test_a_refused_call_costs_its_site_no_turn() -> None:
    """Only work that is done is paid for."""
    line = Line()
    refused = [line.wait("a", MOST_WORK) for _ in range(5)]
    for _ in range(10):
        line.wait("b")
        line.wait("a")
    for call in refused:
        line.line.remove(call)
    first = Counter(line.serve().cost.site for _ in range(20))
    assert first == {"a": 10, "b": 10}
