"""What the page People makes of agents and forms, without a browser."""

from __future__ import annotations

from matcher.v1.coverage_pb2 import COVERAGE_KIND_INTEREST as INTEREST
from matcher.v1.coverage_pb2 import CoverageEntry, GetCoverageResponse, UnaskedInterest
from matcher.v1.roster_pb2 import SMALL_TALK, Agent, Capacity, ChannelCapacity, SilentInterest, Skill
from matcher.v1.routing_pb2 import Candidate, Decision, MatchReason, SuggestAgentsResponse
from matcher.web.console.pages.people.interests import asked_of, told, tried
from matcher.web.console.pages.people.listing import best, named
from matcher.web.console.pages.people.profile import agent_of, changed, field_of, in_words, mask_of, merged, values_of

ANN = Agent(
    name="sites/s/agents/ann",
    display_name="Ann",
    interests=["chess", "old maps"],
    skills=[Skill(skill="billing", level=4)],
    languages=["de"],
    pools=["sites/s/pools/sales"],
    capacity=Capacity(total=100, channels=[ChannelCapacity(channel="chat", cost=30, max=3)]),
)


def test_what_the_form_shows_is_read_back_as_the_same_agent() -> None:
    """Nothing changes where nobody changes anything."""
    values = values_of(ANN)
    agent, wrong = agent_of(values, "sites/s")
    agent.name = ANN.name
    assert (agent, wrong) == (ANN, {})
    assert changed(values, {**values, "interests": "chess\r\nold maps\r\n"}) == []


def test_lines_that_are_no_skill_and_no_channel_are_named_by_their_field() -> None:
    """The service never sees them."""
    values = values_of(ANN)
    _, wrong = agent_of({**values, "skills": "billing", "channels": "chat:x", "total": "many"}, "sites/s")
    assert set(wrong) == {"skills", "channels", "total"}
    assert agent_of({**values, "total": "١٢"}, "sites/s")[1] != {}
    assert mask_of(["total", "channels", "interests"]) == ["capacity", "interests"]


def test_two_editors_lose_nothing_of_each_other() -> None:
    """The one adds maps of the sea, the other removes chess and changes the name: all of it holds."""
    base = values_of(ANN)
    mine = {**base, "interests": "chess\nold maps\nmaps of the sea"}
    theirs = {**base, "interests": "old maps\nsailing", "display_name": "Ann Lee"}
    values, seen = merged(base, mine, theirs)
    assert values["interests"].split("\n") == ["old maps", "maps of the sea", "sailing"]
    assert values["display_name"] == "Ann Lee"
    assert {(one.label, one.gone, one.come, one.both) for one in seen} == {
        ("Interests", ("chess",), ("sailing",), True),
        ("Name", ("Ann",), ("Ann Lee",), False),
    }
    assert merged(base, {**base, "display_name": "A."}, theirs)[0]["display_name"] == "A."


def test_what_the_service_says_of_a_field_stands_at_the_field_of_the_form() -> None:
    """An entry of a list is named by its line."""
    paths = ("agent.interests[2]", "agent.capacity.channels[0].cost", "agent.capacity.total", "agent_id", "etag")
    assert [field_of(path) for path in paths] == ["interests", "channels", "total", "agent_id", ""]
    assert in_words("agent.interests[2]", "is empty") == "line 3: is empty"


def test_names_are_found_without_accents_and_by_id() -> None:
    """Every word has to be there."""
    jose = Agent(name="sites/s/agents/j-1", display_name="José Núñez")
    assert [named([ANN, jose], text) for text in ("jose nun", "J-1", "ann jose")] == [[jose], [jose], []]


def test_a_search_by_meaning_shows_each_agent_once_and_only_who_met_something() -> None:
    """Of two pools the better match counts."""
    reason = MatchReason(interest="chess")
    weak, good = (Candidate(agent="sites/s/agents/ann", affinity=of, reasons=[reason]) for of in (0.2, 0.9))
    assert best([[weak, Candidate(agent="sites/s/agents/bob", affinity=0.5)], [good]]) == [good]


def test_interests_are_told_as_silent_met_or_neither() -> None:
    """Met are those that led to a conversation of now, by strong reasons alone."""
    agent = Agent(
        name="sites/s/agents/ann",
        interests=["hello", "chess", "maps"],
        silent_interests=[SilentInterest(interest="hello", reason=SMALL_TALK)],
    )
    reasons = [MatchReason(interest="chess"), MatchReason(interest="maps", weak=True)]
    decision = Decision(candidates=[Candidate(agent=agent.name, reasons=reasons)])
    facts = told(agent, [decision])
    assert [(one.text, bool(one.silent), one.met) for one in facts] == [
        ("hello", True, 0),
        ("chess", False, 1),
        ("maps", False, 0),
    ]


def test_coverage_says_what_is_never_asked_for_and_what_nobody_shares() -> None:
    """The unasked are this agent's alone."""
    answer = GetCoverageResponse(
        pool="sites/s/pools/sales",
        listening=True,
        entries=[CoverageEntry(kind=INTEREST, display_name="cats", contacts=40)],
        unasked=[
            UnaskedInterest(agent=ANN.name, display_name="chess"),
            UnaskedInterest(agent="sites/s/agents/bob", display_name="go"),
        ],
    )
    asked = asked_of(ANN.name, answer)
    assert (asked.pool, asked.unasked, asked.short) == ("sales", ("chess",), (("cats", 40),))


def test_an_interest_on_trial_is_told_how_to_become_better() -> None:
    """Too general, too many things, shared by many, and nothing to mend."""
    others = [Candidate(agent=f"sites/s/agents/a{n}", reasons=[MatchReason(interest="sports")]) for n in range(6)]
    general = tried("sports", ANN.name, (), "", SuggestAgentsResponse(candidates=others, units=1))
    assert len(general.hints) == 2
    assert len(general.others) == 6
    two = tried("I sail old boats. I bake rye bread.", ANN.name, (), "", SuggestAgentsResponse(units=2))
    assert "2 things" in two.hints[0]
    good = tried("I restore old wooden boats with my father", ANN.name, (), "", SuggestAgentsResponse(units=1))
    assert good.good
    assert not tried("hello", ANN.name, [SilentInterest(reason=SMALL_TALK)], "", None).good
