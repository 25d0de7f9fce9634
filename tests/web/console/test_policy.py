"""A pool's policy as the page shows it, and what it says of a pool's agents, without a browser."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model import PoolPolicy
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as pb
from matcher.web.console.past_decisions import replayed
from matcher.web.console.policy_fields import BY_PATH, FIELDS, Kind
from matcher.web.console.policy_form import (
    NotWritten,
    changes_of,
    milliseconds_of,
    span_text,
    values_of,
    written,
)
from matcher.web.console.pool_state import member_of, state_of, still_required, waiting_of

READ_ONLY = {
    "name",
    "effective_affinity_floor",
    "effective_affinity_tolerance",
    "etag",
    "create_time",
    "update_time",
    "scorer_serving",
    "waiting",
    "uid",
}
SPANS = {
    "offer_duration": "offer_ms",
    "accepted_duration": "accepted_ms",
    "wait_duration": "wait_ms",
    "return_within_duration": "return_within_ms",
}
NUMBERS = {"profile_weight": "profile_weight", "wait_weight": "wait_weight", "max_missed": "max_missed"}


def test_the_table_has_every_field_that_a_pool_takes() -> None:
    """A field that the proto gains fails here until it has a sentence and a default; each is of a kind that fits it."""
    outer = {field.name: field for field in people.Pool.DESCRIPTOR.fields if field.name not in READ_ONLY}
    inner = {f"wrap_up.{field.name}": field for field in people.WrapUp.DESCRIPTOR.fields}
    assert set(BY_PATH) == (set(outer) - {"wrap_up"}) | set(inner)
    assert len(BY_PATH) == len(FIELDS)
    for path, described in (outer | inner).items():
        if path != "wrap_up":
            of = described.message_type
            is_span = of is not None and of.full_name == Duration.DESCRIPTOR.full_name
            assert (BY_PATH[path].kind is Kind.SPAN) == is_span


def test_the_defaults_are_those_of_the_service() -> None:
    """The numbers that the table names are the ones by which the service routes where a field is not set."""
    policy = PoolPolicy()
    assert {path: BY_PATH[path].default for path in SPANS} == {
        path: span_text(getattr(policy, field)) for path, field in SPANS.items()
    }
    assert {path: BY_PATH[path].default for path in NUMBERS} == {
        path: f"{getattr(policy, field):g}" for path, field in NUMBERS.items()
    }


def test_a_form_comes_back_as_the_values_that_it_showed() -> None:
    """Times in words, numbers, lines, switches and choices; what is not set stays empty."""
    pool = people.Pool(
        display_name="Horses",
        offer_duration=Duration(seconds=45),
        accepted_duration=Duration(seconds=5_400),
        matching_window=Duration(nanos=250_000_000),
        affinity_floor=0.0,
        wait_weight=0.01,
        max_missed=0,
        small_talk=["la la", "hm"],
        when_overloaded=people.WHEN_OVERLOADED_FALLBACK,
        listening=True,
        wrap_up=people.WrapUp(after_cancel=Duration(seconds=7)),
        control_share=0.25,
    )
    values = values_of(pool)
    assert (values["accepted_duration"], values["matching_window"]) == ("1 h 30 min", "250 ms")
    assert (values["affinity_floor"], values["affinity_tolerance"], values["max_missed"]) == ("0", "", "0")
    again, wrong = written(values, frozenset(values))
    assert wrong == {}
    assert again == pool


def test_what_cannot_be_read_says_what_to_write() -> None:
    """Times and numbers that are none, each at its field."""
    for text in ("soon", "5 parsecs", "-3 s", "1e9 s", "9" * 12 + " d", "s"):
        with pytest.raises(NotWritten):
            milliseconds_of(text)
    assert [milliseconds_of(text) for text in ("90", "1.5 min", "1h30m", "2 days")] == [
        90_000,
        90_000,
        5_400_000,
        172_800_000,
    ]
    _, wrong = written({"affinity_floor": "high", "max_missed": "2.5", "offer_duration": "x"}, frozenset(BY_PATH))
    assert set(wrong) == {"affinity_floor", "max_missed", "offer_duration"}


def test_two_editors_are_told_apart() -> None:
    """What each changed, what both changed otherwise; who agrees with the other does not clash."""
    changes = {
        one.field.path: one
        for one in changes_of(
            {"affinity_floor": "", "max_missed": "3", "scorer": "a", "wait_weight": "0.01"},
            {"affinity_floor": "0.5", "max_missed": "3", "scorer": "b", "wait_weight": "0.01"},
            {"affinity_floor": "0.2", "max_missed": "5", "scorer": "b", "wait_weight": "0.01"},
        )
    }
    assert set(changes) == {"affinity_floor", "max_missed", "scorer"}
    assert [changes[path].clashes for path in ("affinity_floor", "max_missed", "scorer")] == [True, False, False]
    assert (changes["max_missed"].is_mine, changes["max_missed"].is_theirs) == (False, True)


def agent(
    name: str, status: people.AgentStatus.ValueType = people.ONLINE, load: int = 0, total: int = 1, why: str = ""
) -> people.Agent:
    """Return an agent for one chat at a time."""
    capacity = people.Capacity(total=total, channels=[people.ChannelCapacity(channel="chat", cost=1)])
    return people.Agent(name=f"sites/s/agents/{name}", status=status, load=load, capacity=capacity, status_reason=why)


def test_a_pool_says_in_a_sentence_why_nobody_answers() -> None:
    """No member, all away and why, all busy; and that somebody is free."""
    pool = people.Pool(name="sites/s/pools/p", waiting=2, effective_affinity_floor=0.3)
    assert state_of(pool, [], (), unread=False).verdict == "Nobody answers: no agent is in this pool."
    away = [agent("a", people.AWAY, why="missed 3 offers in a row"), agent("b", people.OFFLINE), agent("c", load=1)]
    told = state_of(pool, away, (), unread=False)
    assert told.verdict == "Nobody can take a contact now: of 3 agents 1 busy, 1 away, 1 offline. 2 contacts wait."
    assert "1 agent is away: missed 3 offers in a row." in told.advice
    told = state_of(pool, [*away, agent("d")], (), unread=False)
    assert told.verdict == "1 agent is free, and yet 2 contacts wait: see in the pool what they require."
    first = told.members[0]
    assert (first.agent, first.state, first.channels) == ("d", "free", ("chat",))
    assert member_of(agent("e", total=0)).state == "without capacity"


def test_a_contact_that_waits_says_what_it_requires() -> None:
    """With what still applies of it: a requirement whose time is over is not asked for."""
    contact = pb.Contact(
        name="sites/s/contacts/a%2Fb",
        channel="chat",
        create_time=Timestamp(seconds=1_000),
        requirements=pb.ContactRequirements(
            language="de",
            language_expires_after=Duration(seconds=60),
            required_skills=[pb.RequiredSkill(skill="law", level=50)],
        ),
        excluded_agents=["sites/s/agents/a"],
    )
    asked = still_required(contact, 1_100.0)
    assert (asked.language, [one.skill for one in asked.required_skills]) == ("", ["law"])
    assert list(asked.excluded_agents) == ["sites/s/agents/a"]
    counts = [pb.LeftOutCount(constraint=pb.CONSTRAINT_SKILL, agents=4)]
    told = waiting_of(contact, 1_100.0, counts)
    assert (told.contact, told.waited, told.kept_from) == ("a/b", "1 min", ("4 without a required skill",))
    assert told.requires == "the language de, the skill law at 50"


def test_recorded_decisions_are_counted_under_another_value() -> None:
    """Those that would have gone otherwise are named, the others counted; without a record it says so."""
    near = pb.Decision(
        name="sites/s/decisions/d",
        contact="sites/s/contacts/c",
        agent="a",
        basis=pb.AFFINITY,
        candidates=[pb.Candidate(agent="a", display_name="Ann", affinity=0.6)],
        affinity_floor=0.3,
    )
    told = replayed([near, near, near], 0.7, None)
    assert told.sentence == "3 of the newest 3 decisions would have gone otherwise."
    assert (told.counts, told.changed[0].was) == ((("falls back", 3),), "Ann")
    assert replayed([near], 0.5, 0.1).sentence == "None of the newest 1 decisions would have gone otherwise."
    assert replayed([], 0.5, None).decisions == 0
