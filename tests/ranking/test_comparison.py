"""Tests of the comparison's arms: who is drawn, what each arm's decision says, and the choice that is made again."""

from __future__ import annotations

from collections import Counter

import pytest

from matcher.model import (
    Arm,
    Basis,
    Comparison,
    Degraded,
    Draw,
    Part,
    Preferred,
    SeenAgent,
    WouldBe,
    unpacked_seen,
)
from matcher.model.choice import choose
from matcher.ranking.comparison import compare, draw_arm, offered_first, outside
from matcher.ranking.policy import RankingTerms, basis_of, by_load, rank, rank_with
from tests.ranking.search_results import UNITS, found_of

SALT = b"salt of a site"
TERMS = RankingTerms(floor=0.3, tolerance=0.05)
CONTROL, TREATMENT = Draw(Arm.CONTROL, 0.1), Draw(Arm.TREATMENT, 0.1)
# Agent 0 is close and busy, agent 1 is far and idle.
FOUND = found_of([([(0, 0, 90)], 0.5, 0), ([], 0.0, 0)])


def test_a_tenth_is_control_and_whoever_is_stays_control_at_a_greater_share() -> None:
    """The draw is of the salt and the id alone; of 20,000 ids 1,875 to 2,125 lie within three deviations of a tenth."""
    ids = [f"c-{number}" for number in range(20_000)]
    tenth = {one for one in ids if draw_arm(SALT, one, 0.1).arm is Arm.CONTROL}
    assert 1_875 <= len(tenth) <= 2_125
    assert tenth == {one for one in ids if draw_arm(SALT, one, 0.1).arm is Arm.CONTROL}
    assert tenth < {one for one in ids if draw_arm(SALT, one, 0.5).arm is Arm.CONTROL}
    elsewhere = {one for one in ids if draw_arm(b"salt of another", one, 0.1).arm is Arm.CONTROL}
    assert 120 <= len(tenth & elsewhere) <= 280
    assert not any(draw_arm(SALT, one, 0.0).arm is Arm.CONTROL for one in ids)
    assert (CONTROL.probability, TREATMENT.probability) == (0.1, 0.9)


def test_each_arm_says_what_the_other_would_choose() -> None:
    """The basis without a comparison is the same for both; without an arm nothing is said."""
    ranking, free = rank(FOUND, UNITS, TERMS), by_load(FOUND, UNITS)
    close, idle = (free[1], free[0])
    control, treatment = compare(ranking, free, CONTROL), compare(ranking, free, TREATMENT)
    assert (control.basis, control.candidates) == (Basis.CONTROL, (idle, close))
    assert control.compared == Comparison(CONTROL, Part.TOOK_PART, WouldBe(close.agent, Basis.AFFINITY, close.affinity))
    assert (treatment.basis, treatment.candidates) == (Basis.AFFINITY, ranking.candidates)
    assert treatment.compared == Comparison(TREATMENT, Part.TOOK_PART, WouldBe(idle.agent, Basis.AFFINITY, 0.0))
    assert compare(ranking, free, None) is ranking


def test_where_nothing_is_said_both_arms_choose_the_same_agent() -> None:
    """Below the floor the basis without a comparison is FALLBACK, for control too."""
    nothing = found_of([([], 0.5, 0), ([], 0.0, 0)])
    ranking, free = rank(nothing, UNITS, TERMS), by_load(nothing, UNITS)
    for draw in (CONTROL, TREATMENT):
        compared = compare(ranking, free, draw)
        assert compared.candidates[0] == free[0]
        assert compared.compared is not None
        assert compared.compared.would_be == WouldBe(free[0].agent, Basis.FALLBACK, 0.0)


def test_beside_others_a_treatment_contact_keeps_the_basis_it_would_have_had_alone() -> None:
    """A contact with the far agent of a joint choice is compared with control contacts that had somebody close."""
    far = FOUND.least_utilized[0].agent.id
    ranking = rank_with(FOUND, UNITS, TERMS, far)
    assert ranking.basis is Basis.FALLBACK
    compared = compare(ranking, by_load(FOUND, UNITS), TREATMENT, alone=basis_of(FOUND, TERMS))
    assert (compared.basis, compared.candidates) == (ranking.basis, ranking.candidates)
    assert compared.compared is not None
    assert compared.compared.would_be == WouldBe(far, Basis.AFFINITY, 0.0)


def test_what_another_rule_chose_stands_outside() -> None:
    """The candidates stay, and the reason is named; a message that was not compared is DEGRADED in both arms."""
    ranking, free = rank(FOUND, UNITS, RankingTerms(0.3, 0.05, degraded=Degraded.ENCODER_FULL)), by_load(FOUND, UNITS)
    compared = compare(ranking, free, CONTROL)
    assert (compared.candidates, compared.compared) == (ranking.candidates, Comparison(CONTROL, Part.DEGRADED))
    assert outside(ranking, None) is ranking


def test_control_forgoes_who_knows_the_customer_only_where_its_pool_says_so() -> None:
    """An agent whom the request prefers stays in every arm."""
    known, asked = Preferred("ana", Basis.RELATIONSHIP), Preferred("ben", Basis.PREFERRED)
    assert offered_first([asked, known], CONTROL, forgoes_relationships=True) == [asked]
    for draw, forgoes in ((CONTROL, False), (TREATMENT, True), (None, True)):
        assert offered_first([asked, known], draw, forgoes_relationships=forgoes) == [asked, known]


@pytest.mark.parametrize(
    "said",
    [
        Comparison(CONTROL, Part.TOOK_PART, WouldBe("ana", Basis.AFFINITY, 0.5)),
        Comparison(TREATMENT, Part.TOOK_PART, WouldBe("", Basis.FALLBACK, 0.0)),
        Comparison(CONTROL, Part.PREFERRED),
        Comparison(None, Part.ASSIGNED, WouldBe("ana", Basis.CONTROL, 0.25)),
    ],
)
def test_what_a_decision_says_is_read_as_it_was_written(said: Comparison) -> None:
    """Packed into one field of a record and back."""
    assert Comparison.unpacked(said.packed) == said


def test_a_choice_is_made_again_by_the_rule_that_made_it() -> None:
    """Within the tolerance of the best that was free: the least utilized, then the longest idle, then the first."""
    stored = "ana|CAPACITY;ben|1|2|30;cy|1|4|20;dan|2|8|10;eva|0|1|0;fay|GONE"
    seen = unpacked_seen(stored)
    assert seen[0] == SeenAgent("ana", refused="CAPACITY")
    affinities = {"ana": 0.9, "ben": 0.7, "cy": 0.68, "dan": 0.66, "eva": 0.5, "fay": 0.9}
    assert choose(seen, affinities, 0.05) == "dan"
    assert choose(seen, affinities, 0.03) == "cy"
    assert choose(seen, affinities, 0.0) == "ben"
    assert choose(seen, affinities, -1.0) == "eva"
    assert choose(seen[:1], affinities, 0.0) is None
    assert Counter(one.refused for one in seen)[""] == 4
