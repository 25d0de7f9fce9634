"""The words of the command line: options and errors share them, ids that nobody has are named, free agents listed."""

from __future__ import annotations

from importlib import metadata

import pytest

from matcher.cli.free_capacity import in_words, more_contacts
from matcher.cli.tables import reservation_line
from matcher.v1 import roster_pb2 as pb
from matcher.v1 import routing_pb2 as routing
from tests.cli.command import Person, lines, matcher
from tests.processes import Server

ROSTER = [
    {"id": "ana", "interests": ["I sail along the coast."], "status": "ONLINE"},
    {"id": "ben", "interests": ["I bake bread."], "status": "ONLINE", "pools": ["bakers"]},
    {"id": "cy", "interests": ["I keep bees."], "status": "OFFLINE", "pools": ["bakers"]},
]


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site, two pools and three agents."""
    person = Person(service.target, await service.site())
    assert (await person.types("pools", "create", "bakers")).code == 0
    assert (await person.imports(data=lines(ROSTER))).code == 0
    return person


async def test_the_version_is_printed() -> None:
    """It is the version of the installed package."""
    result = await matcher("--version")
    assert (result.code, result.out) == (0, f"matcher {metadata.version('affinity-matcher')}\n")


async def test_an_option_is_unset_by_its_own_name(person: Person) -> None:
    """--floor is unset by `--unset floor`, and the errors name the options as they are typed."""
    await person.types("pools", "update", "bakers", "--floor", "0.5", "--wrap-up", "9")
    assert "wrap-up            9 s" in (await person.types("pools", "get", "bakers")).out
    await person.types(
        "pools",
        "update",
        "bakers",
        "--wrap-up-transfer",
        "0",
        "--wrap-up-cancel",
        "4",
        "--max-declined",
        "5",
        "--return-within",
        "60",
    )
    assert (
        "wrap-up            9 s; after transfer 0 s; after cancel 4 s"
        in (await person.types("pools", "get", "bakers")).out
    )
    result = await person.types("pools", "update", "bakers", "--wrap-up-cancel", "-1")
    assert "--wrap-up-cancel" in result.err
    await person.types("pools", "update", "bakers", "--unset", "wrap-up-transfer", "--unset", "wrap-up-cancel")
    await person.types("pools", "update", "bakers", "--second-complete", "ENDS_WRAP_UP")
    assert "wrap-up            9 s; ended by a second complete" in (await person.types("pools", "get", "bakers")).out
    await person.types("pools", "update", "bakers", "--second-complete", "changes_nothing")
    for option in ("floor", "--wrap-up", "affinity_tolerance"):
        result = await person.types("pools", "update", "bakers", "--unset", option, "--json")
        assert result.code == 0, result.err
    assert "affinity_floor" not in result.documents()[0]
    assert result.documents()[0]["wrap_up_duration"] == "0s"
    assert (
        "--unset floors: it is none of name, "
        in (await person.types("pools", "update", "bakers", "--unset", "floors")).err
    )
    both = await person.types("pools", "update", "bakers", "--floor", "0.1", "--unset", "floor")
    assert "--floor cannot be set and unset in one call" in both.err
    assert "nothing to change; the options are --name, " in (await person.types("pools", "update", "bakers")).err


async def test_ids_that_nobody_has_are_errors_where_they_select_and_notes_where_they_change_nothing(
    person: Person,
) -> None:
    """A list of no agent's reservations is a typing error; an exclusion of nobody excludes nobody."""
    for command, reason in (
        (("agents", "list", "--pool", "bankers"), "POOL_NOT_FOUND: there is no "),
        (("contacts", "list", "--pool", "bankers"), "POOL_NOT_FOUND: there is no "),
        (("reservations", "--agent", "bob"), "AGENT_NOT_FOUND: there is no "),
    ):
        result = await person.types(*command)
        assert result.code == 1
        assert reason in result.err
    assert (await person.types("reservations", "--agent", "ben")).code == 0
    for verb in ("route", "suggest"):
        result = await person.types(verb, "We want to sail.", "--exclude", "bob", "--exclude", "ben")
        assert result.code == 0
        assert result.err == "--exclude bob: there is no such agent\n"


async def test_the_list_of_agents_says_who_is_free_for_what(person: Person) -> None:
    """Ana holds her one chat, Ben is free for one, Cy is not there."""
    await person.types("route", "We want to sail to the coast.")
    listed = await person.types("agents", "list")
    rows = [line.split()[:3] for line in listed.out.splitlines()[1:-1]]
    assert rows == [["ana", "ONLINE", "busy"], ["ben", "ONLINE", "chat"], ["cy", "OFFLINE", "0"]]
    assert listed.out.endswith("3 agents, 1 of them free\n")
    free = (await person.types("agents", "list", "--free", "--json")).documents()
    assert [agent["name"].rpartition("/")[2] for agent in free] == ["ben"]


async def test_the_status_of_many_agents_is_set_by_one_command(person: Person) -> None:
    """By name or by pool; an id that nobody has costs the others nothing."""
    result = await person.types("agents", "set-status", "ana", "bob", "ben", "draining")
    assert (result.code, result.out) == (1, "ana is DRAINING\nben is DRAINING\n2 agents set to DRAINING, 1 failed\n")
    assert "bob: AGENT_NOT_FOUND" in result.err
    result = await person.types("agents", "set-status", "--pool", "bakers", "AWAY")
    assert (result.code, result.out) == (0, "ben is AWAY\ncy is AWAY\n2 agents set to AWAY\n")
    for wrong in (("ana",), ("ana", "--pool", "bakers", "AWAY"), ("AWAY",)):
        assert (await person.types("agents", "set-status", *wrong)).code == 2
    assert (await person.types("agents", "set-status", "--pool", "bankers", "AWAY")).code == 1


def test_a_reservation_says_that_the_customer_has_still_to_be_answered() -> None:
    """In the line of a desk; without the demand of its pool it says nothing of that."""
    record = routing.Reservation(name="r", contact="c", channel="chat", state=routing.ACCEPTED)
    assert "first answer" not in reservation_line(record)
    record.first_response_due = True
    assert reservation_line(record).endswith(" first answer due")


async def test_why_tells_the_steps_of_a_contact_and_why_its_agent_was_chosen(person: Person) -> None:
    """One command; before an agent was chosen it says so."""
    await person.types("route", "We want to sail to the coast.", "--contact", "c-1")
    result = await person.types("why", "c-1")
    assert result.code == 0, result.err
    assert "RESERVED offered ana" in result.out
    assert "ana was chosen: the message meets the agent's interests" in result.out
    assert "I sail along the coast." in result.out
    document = (await person.types("why", "c-1", "--json")).documents()[0]
    assert [step["state"] for step in document["steps"]] == ["CONTACT_RESERVED"]
    assert document["decision"]["agent"].endswith("/agents/ana")
    await person.types("route", "We want to sail.", "--contact", "c-2", "--wait")
    result = await person.types("why", "c-2")
    assert "QUEUED" in result.out
    assert "no agent was chosen yet" in result.out
    assert "CONTACT_NOT_FOUND" in (await person.types("why", "c-3")).err


def test_free_capacity_counts_total_and_channel() -> None:
    """A chat costs 30 of 100, and two at once are the most; an idle conversation costs nothing and does not count."""
    agent = pb.Agent(
        status=pb.ONLINE,
        capacity=pb.Capacity(
            total=100,
            channels=[
                pb.ChannelCapacity(channel="chat", cost=30, max=2),
                pb.ChannelCapacity(channel="mail", cost=20),
                pb.ChannelCapacity(channel="voice", cost=101),
            ],
        ),
    )
    assert in_words(agent) == "chat 2, mail 5"
    agent.holds.add(channel="chat", cost=30)
    agent.holds.add(channel="chat", cost=0)
    agent.load = 30
    assert more_contacts(agent) == {"chat": 1, "mail": 3}
    agent.load = 95
    assert in_words(agent) == "busy"
    agent.status = pb.DRAINING
    assert in_words(agent) == ""


async def test_a_transfer_without_a_text_does_what_its_options_ask(person: Person) -> None:
    """An exclusion alone counts, an agent cannot be named and excluded, and no option is taken twice in silence."""
    await person.types("route", "We want to sail to the coast.", "--contact", "c-1", "--auto-accept")
    excluded = await person.types("transfer", "c-1", "--pool", "bakers", "--exclude", "ben")
    assert "1 excluded" in excluded.out
    both = await person.types("transfer", "c-1", "--agent", "ben", "--exclude", "ben")
    assert (both.code, both.err) == (1, "error: FIELDS_INVALID: --agent is excluded by --exclude 1\n")
    lacking = await person.types("transfer", "c-1", "--pool", "bakers", "--skill", "law:2")
    assert "skill" in lacking.out
    twice = await person.types("transfer", "c-1", "--skill", "law:2", "--skill", "law:3")
    assert (twice.code, twice.err) == (
        1,
        "error: --skill law:3: the skill law is required by another --skill already\n",
    )
    done = await person.types("transfer", "c-1", "--pool", "bakers", "--prefer", "ben")
    assert "the request prefers the agent" in done.out


async def test_a_contact_is_assigned_by_hand(person: Person) -> None:
    """The agent who is full gets it only above the capacity; who did it, and against what, is shown."""
    await person.types("route", "We want to sail to the coast.", "--contact", "c-1", "--auto-accept")
    full = await person.types("contacts", "assign", "c-2", "ana")
    assert (full.code, "AGENT_FULL" in full.err) == (1, True)
    away = await person.types("contacts", "assign", "c-2", "cy", "--pool", "bakers")
    assert "CONSTRAINTS_UNMET" in away.err
    assert "does not meet STATUS" in away.err
    over = await person.types("contacts", "assign", "c-2", "ana", "--over-capacity", "--actor", "Eva", "--accepted")
    assert over.code == 0, over.err
    assert "assigned to this agent by hand" in over.out
    assert "Eva" in over.out
    listed = await person.types("agents", "list")
    assert [line.split()[:3] for line in listed.out.splitlines()[1:2]] == [["ana", "ONLINE", "busy"]]
    ignored = await person.types("contacts", "assign", "c-3", "cy", "--pool", "bakers", "--ignore", "status")
    assert ignored.code == 0, ignored.err
    why = await person.types("why", "c-3")
    assert "cy was chosen: assigned to this agent by hand" in why.out
    assert "ignored" in why.out
    assert "status" in why.out
    shown = await person.types("contacts", "show", "c-3")
    assert [line.split() for line in shown.out.splitlines() if line.startswith("agent")] == [["agent", "cy"]]


async def test_an_error_names_what_was_typed_in_both_halves_of_its_sentence(person: Person) -> None:
    """No error speaks of a field of the API that has another name on the command line."""
    await person.types("route", "We want to sail to the coast.", "--contact", "c-1", "--auto-accept")
    said = {
        ("contacts", "assign", "", "ana"): "CONTACT is missing",
        ("renew", "nobody", "--for", "0"): "--for must be",
        ("beat", "ana", "--for", "9999"): "--for must be",
        ("events", "--resume", "foo"): "--resume is not",
        ("route", "Hello", "--prefer", "ben", "--exclude", "ben"): "--prefer 1 is excluded by --exclude 1",
        ("transfer", "c-1", "--agent", "ben", "hello"): "[TEXT] chooses an agent, and --agent names one",
        ("contacts", "assign", "c-2", "cy", "--pool", "bakers"): "--ignore assigns the contact all the same",
    }
    for typed, words in said.items():
        result = await person.types(*typed)
        assert (result.code, words in result.err) == (1, True), (typed, result.err)


async def test_a_reservation_that_has_ended_expires_no_more(person: Person) -> None:
    """Its deadline is of no use then; in a wrap-up it is the end of the wrap-up."""
    await person.types("pools", "update", "default", "--wrap-up", "60")
    routed = await person.types("route", "We want to sail to the coast.", "--auto-accept", "--json")
    name = routed.documents()[0]["reservation"]["name"].rpartition("/")[2]
    assert "\nexpires " in (await person.types("show", "reservation", name)).out
    wrapping = (await person.types("complete", name)).out
    assert "\nwrap-up until " in wrapping
    assert "ends as COMPLETED" in " ".join(wrapping.split())
    assert "\nexpires " not in wrapping
    ended = (await person.types("end-wrap-up", name)).out
    assert "COMPLETED" in ended
    assert "\nexpires " not in ended
    assert "until" not in ended


async def test_a_contact_without_a_text_was_not_compared(person: Person) -> None:
    """A transfer without a text has no message that could have met an interest."""
    await person.types("route", "We want to sail to the coast.", "--contact", "c-1", "--auto-accept")
    moved = await person.types("transfer", "c-1", "--pool", "bakers")
    assert "there was no text to compare" in moved.out
    assert "there was no text to compare" in (await person.types("why", "c-1")).out


async def test_a_heartbeat_of_an_agent_who_is_away_tells_the_way_back(person: Person) -> None:
    """A heartbeat alone does not set the agent ONLINE."""
    await person.types("agents", "set-status", "ana", "AWAY")
    beaten = await person.types("beat", "ana")
    assert beaten.code == 0, beaten.err
    assert "does not bring ana back: `matcher agents set-status ana ONLINE` does" in beaten.out
