"""Outcomes: every source outranks the agent, the latest counts among the others, and repeats change nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matcher.model.outcomes import Outcome, current, facts_of, standing, without_repeats

outcomes = st.builds(
    Outcome,
    source=st.sampled_from(["agent", "survey", "crm"]),
    kind=st.sampled_from(["csat", "resolved"]),
    value=st.sampled_from([1.0, 2.0, 5.0]),
    observed_ms=st.integers(0, 9),
)


@given(st.lists(outcomes, max_size=12))
def test_the_last_source_that_is_not_the_agent_counts(history: list[Outcome]) -> None:
    """By kind: the last of another source, and only where there is none the last of the agent."""
    counted = standing(history)
    for kind in {outcome.kind for outcome in history}:
        of_kind = [outcome for outcome in history if outcome.kind == kind]
        others = [outcome for outcome in of_kind if outcome.source != "agent"]
        assert counted[kind] is (others or of_kind)[-1]


@given(st.lists(outcomes, max_size=12))
def test_a_file_that_is_imported_twice_changes_nothing(history: list[Outcome]) -> None:
    """What stands after it, and the whole history, is that of one import, whenever the values were observed."""
    once = without_repeats(history)
    last = list(current(once).values())
    again = [Outcome(one.source, one.kind, one.value, one.observed_ms + 1) for one in last]
    assert without_repeats([*once, *again]) == once
    assert standing(once) == standing(without_repeats([*once, *again]))


def test_what_goes_to_the_ledger_has_no_word_of_a_customer() -> None:
    """An entry names source, kind and value, and the place where a recommendation was seen."""
    seen = Outcome("crm", "recommended", 1.0, 7, place="forum.example.com/t/17")
    assert facts_of(seen) == "source=crm;outcome=recommended;value=1.0;place=forum.example.com/t/17;"
    assert facts_of(Outcome("crm", "metrics.minutes", 7.5, 7)) == "source=crm;outcome=metrics.minutes;value=7.5;"
