"""The commands against the running service: one person's session, step by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from matcher.cli import routing_commands
from tests.cli.command import Person, lines
from tests.processes import Server

ROSTER: Sequence[Mapping[str, object]] = [
    {"id": "ana", "display_name": "Ana [red]", "interests": ["I sail along the coast."], "status": "ONLINE"},
    {"id": "ben", "display_name": "Ben", "interests": ["I bake bread.", "Half | half."], "skills": {"tax": 3}},
]


@pytest.fixture
async def person(service: Server) -> Person:
    """Return a person with a fresh site and two agents."""
    person = Person(service.target, await service.site())
    result = await person.imports(data=lines(ROSTER))
    assert result.code == 0, result.err
    return person


async def test_importing_an_export_changes_nothing(person: Person, tmp_path: Path) -> None:
    """In both formats every agent comes back unchanged, also an interest that contains the separator."""
    for name in ("agents.csv", "agents.jsonl"):
        file = str(tmp_path / name)
        assert (await person.types("agents", "export", file)).out == f"2 agents written to {file}\n"
        result = await person.types("agents", "import", file)
        assert (result.code, result.out) == (0, "2 unchanged\n")


async def test_bad_rows_are_named_and_the_good_ones_are_kept(person: Person) -> None:
    """Rows that cannot be read and rows that the service refuses are reported alike; the good rows are imported."""
    data = lines([{"id": "cy", "interests": ["I dig."]}, {"id": "Dee!", "interests": []}]) + b'{"id": "eve"\n'
    result = await person.imports(data=data)
    assert result.code == 1
    *rows, last = result.documents()
    by_line = {row["line"]: row for row in rows}
    assert by_line[1] == {"line": 1, "agent": "cy", "action": "CREATED"}
    assert {violation["field"] for violation in by_line[2]["violations"]} == {"id", "interests"}
    assert by_line[3]["violations"] == [
        {"field": "line", "description": "is not JSON: Expecting ',' delimiter (column 13)"}
    ]
    assert last == {"summary": {"created": 1, "rejected": 2}, "dry_run": False}
    listed = await person.types("agents", "list", "--json")
    assert [agent["name"].rpartition("/")[2] for agent in listed.documents()] == ["ana", "ben", "cy"]


async def test_a_dry_run_reports_every_row_and_writes_nothing(person: Person) -> None:
    """The answers are those of an import; the roster stays unchanged."""
    result = await person.types(
        "agents", "import", "-", "--dry-run", stdin=lines([{"id": "cy", "interests": ["I dig."]}])
    )
    assert (result.code, result.out) == (0, "1 created (dry run: nothing written)\n")
    assert len((await person.types("agents", "list", "--json")).documents()) == 2


async def test_pruning_removes_the_agents_that_the_file_does_not_name_unless_a_row_is_bad(person: Person) -> None:
    """A bad row may name an agent who stays: with a bad row no agent is removed."""
    result = await person.imports("--prune", data=lines(ROSTER[:1]) + b"[]\n")
    assert result.code == 1
    assert "no agent is removed: a bad row may name an agent who stays" in result.err
    assert len((await person.types("agents", "list", "--json")).documents()) == 2
    result = await person.imports("--prune", data=lines(ROSTER[:1]))
    assert result.code == 0
    assert result.documents()[-1]["summary"] == {"pruned": 1, "unchanged": 1}
    assert len((await person.types("agents", "list", "--json")).documents()) == 1


async def test_a_message_is_routed_accepted_renewed_and_completed(person: Person) -> None:
    """The life of a reservation from the command line, and the records at its end."""
    text = "We want to sail to the coast on Saturday."
    answer = (await person.types("route", text, "--contact", "c-1", "--json")).documents()[0]
    reservation = answer["reservation"]["name"]
    assert answer["reservation"]["agent"].endswith("/agents/ana")
    assert answer["reservation"]["state"] == "PENDING"
    for command, state in (("accept", "ACCEPTED"), ("renew", "ACCEPTED"), ("complete", "COMPLETED")):
        result = await person.types(command, reservation, "--json")
        assert result.documents()[0]["state"] == state, result.err
    contact = (await person.types("show", "contact", "c-1", "--json")).documents()[0]
    assert contact["state"] == "CONTACT_CLOSED"
    decision = await person.types("show", "decision", answer["decision"])
    assert decision.code == 0
    assert "I sail along the coast." in decision.out
    assert "Saturday" not in decision.out


async def test_a_route_shows_the_words_that_met_and_names_as_they_are_written(person: Person) -> None:
    """The words are cut from the typed text; markup in a name is printed as it is."""
    result = await person.types("suggest", "-", "--explain", stdin=b"We want to sail to the coast.\n")
    assert result.code == 0
    assert "Ana [red]" in result.out
    assert "We want to sail to the coast." in result.out
    assert "I sail along the coast." in result.out
    assert "ben: not ONLINE" in result.out


async def test_a_call_without_a_word_is_routed_by_what_the_customer_cares_about(person: Person) -> None:
    """The interest is shown as the caller typed it, beside the agent's that it met; `suggest` shows the same."""
    for command in ("suggest", "route"):
        result = await person.types(command, "--customer-interest", "sailing along the coast")
        assert result.code == 0, result.err
        assert routing_commands.BY_PROFILE in result.out
        assert "profile: sailing along the coast" in result.out
        assert "I sail along the coast." in result.out
    result = await person.types("route", "hi", "--customer-interest", "")
    assert "error: FIELDS_INVALID: --customer-interest 1 is empty" in result.err
    result = await person.types("route")
    assert (
        "TEXT is empty, and there are neither --customer-interest nor a --customer: give one of the three" in result.err
    )


async def test_a_message_without_a_free_agent_is_an_answer_and_no_failure(person: Person) -> None:
    """With every agent offline the command says so and shows the agents who would match."""
    assert (await person.types("agents", "set-status", "ana", "offline")).code == 0
    result = await person.types("route", "We want to sail to the coast.", "--explain")
    assert result.code == 0
    assert result.out.startswith("no agent can take the message now: nobody who may take it is ONLINE\n")
    assert "Ana [red]" in result.out


async def test_the_reason_of_a_status_is_shown_with_the_agent(person: Person) -> None:
    """Colleagues read why somebody is away, until the next status."""
    assert (await person.types("agents", "set-status", "ana", "away", "--reason", "lunch")).code == 0
    assert "lunch" in (await person.types("agents", "get", "ana")).out
    assert (await person.types("agents", "set-status", "ana", "online")).code == 0
    assert "lunch" not in (await person.types("agents", "get", "ana")).out


async def test_a_refusal_names_the_reason_and_the_fields(person: Person) -> None:
    """A refusal is one line on stderr, with exit code 1."""
    result = await person.types("route", "", "--language", "xx-no-language-at-all", "--skill", "tax:101")
    assert result.code == 1
    assert result.err.startswith("error: FIELDS_INVALID: ")
    assert "TEXT is empty" in result.err
    assert "--skill 1, level " in result.err
    assert result.err.count("\n") == 1
    result = await person.types("agents", "get", "nobody")
    assert result.code == 1
    assert result.err.startswith("error: AGENT_NOT_FOUND: ")


async def test_an_agent_is_shown_with_holds_and_removed_by_force_only(person: Person) -> None:
    """An agent with holds is not removed by accident."""
    await person.types("route", "We want to sail to the coast.")
    shown = (await person.types("agents", "get", "ana", "--json")).documents()[0]
    assert (shown["load"], len(shown["holds"])) == (1, 1)
    assert "AGENT_HAS_HOLDS" in (await person.types("agents", "delete", "ana")).err
    assert (await person.types("agents", "delete", "ana", "--force")).out == "deleted ana\n"


async def test_a_pool_is_made_changed_and_removed(person: Person) -> None:
    """--unset resets a field to its default."""
    made = (await person.types("pools", "create", "bills", "--offer", "5", "--floor", "0.5", "--json")).documents()[0]
    assert (made["offer_duration"], made["affinity_floor"]) == ("5s", 0.5)
    result = await person.types("pools", "update", "bills", "--unset", "affinity_floor", "--name", "Bills", "--json")
    changed = result.documents()[0]
    assert changed["display_name"] == "Bills"
    assert "affinity_floor" not in changed
    fallback = await person.types("pools", "update", "bills", "--when-overloaded", "fallback", "--json")
    assert fallback.documents()[0]["when_overloaded"] == "WHEN_OVERLOADED_FALLBACK"
    assert "when-overloaded" in (await person.types("pools", "get", "bills")).out
    assert "nothing to change" in (await person.types("pools", "update", "bills")).err
    ranked = await person.types("pools", "update", "bills", "--scorer", "untrained", "--json")
    assert ranked.documents()[0]["scorer"] == "untrained"
    assert "there are packaged, untrained" in (await person.types("pools", "update", "bills", "--scorer", "mine")).err
    assert (await person.types("pools", "update", "bills", "--scorer", "", "--json")).documents()[0]["scorer"] == ""
    listed = (await person.types("pools", "list", "--json")).documents()
    assert [pool["name"].rpartition("/")[2] for pool in listed] == ["bills", "default"]
    assert (await person.types("pools", "delete", "bills")).out == "deleted bills\n"


async def test_a_site_is_made_and_removed(service: Server) -> None:
    """The command line creates and removes tenants."""
    person = Person(service.target, "default")
    name = f"cli-{await service.site()}"
    assert (await person.types("sites", "create", name)).out == f"created sites/{name}\n"
    assert name in (await person.types("sites", "list")).out.splitlines()
    assert (await person.types("sites", "delete", name)).out == f"deleted {name}\n"
    assert name not in (await person.types("sites", "list")).out.splitlines()
