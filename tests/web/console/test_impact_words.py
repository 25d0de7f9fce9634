"""What the pages Impact and Coverage say of answers of the API, without a browser."""

from __future__ import annotations

import re

import pytest

from matcher.rpc.convert_impact import impact_report
from matcher.v1 import coverage_pb2
from matcher.v1 import impact_pb2 as pb
from matcher.web.console.pages.coverage.words import coverage_words
from matcher.web.console.pages.impact.chart import axis
from matcher.web.console.pages.impact.page import asked_of
from matcher.web.console.pages.impact.verdicts import Verdict, verdict_of
from matcher.web.console.pages.impact.words import OUTSIDE, pool_words
from tests.rpc.impact_double import four_weeks


def four_weeks_pool() -> pb.PoolImpact:
    """Return the pool of a report of four weeks with ten planted points of `resolved`."""
    (pool,) = impact_report("default", four_weeks(), with_days=True).pools
    return pool


def test_a_settled_difference_is_a_yes_in_words() -> None:
    """The answer, the means of 100 customers, the interval, and what the open outcome still needs."""
    shown = pool_words(four_weeks_pool())
    assert shown.sentence.startswith("resolved +")
    assert (shown.answer, shown.tone) == ("Yes.", Verdict.BETTER)
    assert shown.because == "Better, by more than chance explains: Concerns resolved."
    resolved, nps = shown.outcomes
    assert re.fullmatch(
        r"Of 100 customers who were routed by affinity \d\d\.\d had their concern resolved; of 100 who were not,"
        r" \d\d\.\d\. \(2,800 and 1,200 outcomes\.\)",
        resolved.means,
    )
    assert re.fullmatch(
        r"The difference is \+\d+\.\d points\. The true one lies between \+\d+\.\d and \+\d+\.\d, with 95 % certainty,"
        r" however often you look\.",
        resolved.interval,
    )
    assert nps.verdict is Verdict.OPEN
    assert re.search(r"[\d,]+ more contacts \(about \d+ \w+\) would settle it\.", nps.open_words)
    assert any(doubt.startswith("No outcome is known of 89%") for doubt in nps.doubts)
    assert resolved.planned is not None
    assert (resolved.planned.typed, resolved.planned.unit) == ("2", "points")
    assert re.fullmatch(r"[\d,]+ contacts, about \d+ (days|months|years)", resolved.planned.needs)


def test_the_path_is_drawn_within_its_box_and_names_its_ends() -> None:
    """Every point of the line lies within the band, the band within the box, and zero among the ticks."""
    resolved = pool_words(four_weeks_pool()).outcomes[0]
    assert resolved.path is not None
    assert resolved.bands_chart is not None
    chart = resolved.path
    area = [tuple(map(float, point.split(","))) for point in chart.area.split()]
    line = [tuple(map(float, point.split(","))) for point in chart.line.split()]
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in [*area, *line])
    upper, lower = area[: len(line)], area[len(line) :][::-1]
    assert all(top[1] <= point[1] <= bottom[1] for top, point, bottom in zip(upper, line, lower, strict=True))
    assert "0" in chart.ticks
    assert chart.days[0] < chart.days[1] < chart.days[2] == "2026-11-29"
    assert chart.settled is not None
    assert len(resolved.bands_chart.rows) == len(resolved.bands) == 4


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (-28.6, 50.2), (0.001, 0.0011), (-3e6, -1.0), (-0.01, 93.0), (1e-12, 1)]
)
def test_an_axis_holds_zero_and_all_values_evenly(low: float, high: float) -> None:
    """Five ticks at the same distance, the least and the greatest value between the first and the last."""
    found = axis([low, high])
    assert len(found.ticks) == 5
    assert found.low <= min(0, low)
    assert found.high >= max(0, high)
    assert 0 <= found.at(low) <= found.at(high) <= 1000


@pytest.mark.parametrize(
    ("kind", "low", "high", "verdict"),
    [
        ("resolved", 0.01, 0.05, Verdict.BETTER),
        ("resolved", -0.05, -0.01, Verdict.WORSE),
        ("returned", -0.05, -0.01, Verdict.BETTER),
        ("returned", 0.01, 0.05, Verdict.WORSE),
        ("metrics.basket", 1.0, 5.0, Verdict.DIFFERS),
        ("csat", -0.1, 0.2, Verdict.OPEN),
    ],
)
def test_fewer_who_come_back_is_better(kind: str, low: float, high: float, verdict: Verdict) -> None:
    """What is better depends on the outcome; of a number of one's own nobody but its owner knows."""
    assert verdict_of(kind, pb.Difference(low=low, high=high)) is verdict


def test_where_nothing_is_compared_the_page_says_what_to_do() -> None:
    """A pool without a control share, a pool without outcomes, and a pool with too few."""
    none = pool_words(pb.PoolImpact(pool="sites/s/pools/p", contacts=7, outside={"NO_COMPARISON": 7}))
    assert none.answer == "Not known yet."
    assert "control share" in none.next_step
    assert none.outside == ((7, OUTSIDE["NO_COMPARISON"]),)
    silent = pool_words(pb.PoolImpact(pool="sites/s/pools/p", contacts=7, compared_contacts=7))
    assert "matcher outcomes import" in silent.next_step
    few = pb.OutcomeImpact(kind="csat", difference=pb.Difference(treatment_outcomes=40, control_outcomes=3))
    early = pool_words(pb.PoolImpact(pool="sites/s/pools/p", contacts=50, compared_contacts=50, outcomes=[few]))
    assert early.because == "Each arm needs 100 outcomes before anything can be said."
    assert early.outcomes[0].interval == "40 outcomes with affinity and 3 without: each needs 100."
    assert early.outcomes[0].path is None


def test_what_cannot_be_read_is_named_and_left_out_of_the_request() -> None:
    """A day that is none and a difference that is no number; the others are asked for, points as hundredths."""
    asked = asked_of(
        {"since": "yesterday", "until": "2026-11-30", "want.resolved": "2,5", "want.csat": "much", "of": "x"}
    )
    assert asked.wrong == (
        "From: yesterday is not a day such as 2026-11-30.",
        "Satisfaction, 1 to 5: much is not a number other than 0.",
    )
    request = asked.request("shop")
    assert not request.HasField("start_time")
    assert request.end_time.ToJsonString() == "2026-11-30T00:00:00Z"
    (wanted,) = request.wanted_differences
    assert wanted.kind == "resolved"
    assert wanted.difference == pytest.approx(0.025)


def test_entries_are_sorted_by_what_can_be_done() -> None:
    """Shared by nobody, shared but not free, rising, and asked for by too few."""
    interest, theme = coverage_pb2.COVERAGE_KIND_INTEREST, coverage_pb2.COVERAGE_KIND_THEME
    entry = coverage_pb2.CoverageEntry
    shown = coverage_words(
        coverage_pb2.GetCoverageResponse(
            pool="sites/s/pools/p",
            listening=True,
            contacts=300,
            days_heard=1,
            entries=[
                entry(kind=theme, display_name="late delivery", contacts=80),
                entry(kind=interest, display_name="horses", contacts=40, rising=True, this_week=20),
                entry(kind=interest, display_name="cats", contacts=20, sharing_agents=2, nobody_free=10),
                entry(kind=interest, display_name="chess", contacts=20, sharing_agents=1),
            ],
            unasked=[
                coverage_pb2.UnaskedInterest(agent="sites/s/agents/ann", display_name=one) for one in ("go", "judo")
            ],
        )
    )
    assert shown.heard == "About 300 contacts were listened to, on one day."
    assert [one.name for one in shown.unshared] == ["horses"]
    assert [(one.name, one.nobody_free, one.sharing) for one in shown.short] == [("cats", 10, "2 agents")]
    assert [(one.name, one.week, one.before) for one in shown.rising] == [("horses", "20", "few")]
    assert [(one.width, one.group) for one in shown.entries] == [
        (1000, "theme"),
        (500, "unshared"),
        (250, "shared"),
        (250, "shared"),
    ]
    assert shown.unasked == (("ann", ("go", "judo")),)
