"""`matcher decisions`, and what the command line says of a comparison."""

from __future__ import annotations

import pytest

from matcher.client.replay import NotReplayable, replayed
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import Person, lines
from tests.processes import Server

ROSTER = [
    {"id": name, "interests": ["I sail along the coast."], "status": "ONLINE"} for name in ("ana", "ben", "cy", "dan")
]
SAILS = "We want to sail to the coast."


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site and four agents who sail."""
    person = Person(service.target, await service.site())
    assert (await person.imports(data=lines(ROSTER))).code == 0
    return person


async def test_a_decision_is_made_again(person: Person) -> None:
    """The same agent is chosen of those whom the store looked at; what is not done again is said."""
    await person.types("route", SAILS, "--contact", "c-1", "--auto-accept")
    (why,) = (await person.types("why", "c-1", "--json")).documents()
    decision = why["decision"]["name"].rpartition("/")[2]
    again = await person.types("decisions", "replay", decision)
    assert again.code == 0, again.err
    assert "is chosen again: of those within" in again.out
    assert "not done again: encoding: the message is not kept" in again.out
    assert [line.split()[0] for line in again.out.splitlines() if "0 of 1" in line] == ["ana", "ben", "cy", "dan"]
    (document,) = (await person.types("decisions", "replay", decision, "--json")).documents()
    assert (document["same"], document["replayed"]) == (True, document["agent"])
    shown = await person.types("decisions", "show", decision)
    assert (shown.code, "AFFINITY" in shown.out) == (0, True)


async def test_a_comparison_is_set_and_shown(person: Person) -> None:
    """The pool, the contact and its decision say so in words; a share above a half names the option."""
    changed = await person.types("pools", "update", "default", "--control-share", "0.5", "--control-known", "forgo")
    assert "50% of new contacts are control, which forgo relationships" in changed.out
    await person.types("route", SAILS, "--contact", "c-1")
    why = await person.types("why", "c-1")
    assert "drawn with 50%" in why.out
    assert "takes part" in why.out
    assert "the other arm's choice" in why.out
    assert "--control-share" in (await person.types("pools", "update", "default", "--control-share", "0.6")).err
    kept = await person.types("pools", "update", "default", "--control-known", "keep", "--control-share", "0")
    assert kept.code == 0, kept.err
    assert "control" not in kept.out


async def test_an_assignment_says_why(person: Person) -> None:
    """Its reason stands beside the service's own choice; a person's choice is not made again."""
    done = await person.types("contacts", "assign", "c-2", "cy", "--text", SAILS, "--reason", "They know each other.")
    assert done.code == 0, done.err
    why = await person.types("why", "c-2")
    assert "They know each other." in why.out
    assert "the service's choice" in why.out
    (document,) = (await person.types("why", "c-2", "--json")).documents()
    again = await person.types("decisions", "replay", document["decision"]["name"].rpartition("/")[2])
    assert (again.code, "a person assigned the contact" in again.err) == (1, True)


def test_a_decision_that_cannot_be_made_again_says_why() -> None:
    """One of an earlier version, and one whose agent was forgotten; a joint choice says that it is not repeated."""
    with pytest.raises(NotReplayable, match="an earlier version"):
        replayed(pb.Decision(basis=pb.AFFINITY))
    seen = [pb.SeenAgent(agent="ana", total=1), pb.SeenAgent(agent="ben", total=1)]
    with pytest.raises(NotReplayable, match="ben no more"):
        replayed(pb.Decision(seen_agents=seen, candidates=[pb.Candidate(agent="ana")]))
    both = [pb.Candidate(agent=name, affinity=0.5) for name in ("ben", "ana")]
    joint = replayed(pb.Decision(seen_agents=seen[:1], candidates=both))
    assert (joint.agent, joint.not_redone[-1].startswith("the joint choice")) == ("ana", True)
