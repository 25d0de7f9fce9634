"""`matcher outcomes` and `matcher praise`: a survey's file comes in twice, and a week's praise goes out as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.command import Person
from tests.people import hire, person
from tests.processes import Server

SURVEY = """contact,observed,resolved,csat,nps,metrics_minutes,praise,praise_agreed
c-1,2020-01-01,yes,5,10,7.5,,
c-2,,no,1,0,,,
c-3,,yes,5,,,She was kind.,yes
c-4,,,5,,,She was kind.,
nobody-s,,yes,5,,,,
"""


async def served(service: Server, *contacts: str) -> Person:
    """Let an agent with a manager serve contacts; return a person at a terminal of that site."""
    site = await service.site()
    async with service.client(site) as client:
        bea = person("I sail wooden boats.", most=9, display_name="Bea Lind")
        bea.manager = "dana"
        await hire(client, {"bea": bea})
        for contact in contacts:
            answer = await client.route("My boat leaks.", contact_id=contact, auto_accept=True)
            await client.complete(answer.reservation.name)
    return Person(service.target, site)


async def test_a_survey_s_file_is_recorded_once_and_its_bad_rows_are_named(service: Server, tmp_path: Path) -> None:
    """A dry run writes nothing; the second import changes nothing; who is unknown is named by line."""
    user = await served(service, "c-1", "c-2", "c-3", "c-4")
    file = tmp_path / "survey.csv"
    file.write_text(SURVEY.replace(",2020-01-01", ","), "utf-8")
    command = ("outcomes", "import", str(file), "--source", "survey")
    dry = await user.types(*command, "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (1, "3 recorded, 2 rejected (dry run: nothing written)")
    assert "0 outcomes recorded of c-1" in (await user.types("outcomes", "show", "c-1")).out
    first = await user.types(*command)
    assert (first.code, first.out.splitlines()[-1]) == (1, "3 recorded, 2 rejected")
    assert "line 5 (c-4): praise_agreed is not true" in first.err
    assert "line 6 (nobody-s): contact cannot be recorded: there is no" in first.err
    assert "kind" not in first.err, "no word of the customer"
    again = await user.types(*command, "--json")
    rows = [json.loads(line) for line in again.out.splitlines()]
    assert [row["action"] for row in rows[:-1]] == ["REJECTED", "REJECTED", "UNCHANGED", "UNCHANGED", "UNCHANGED"] or [
        row["action"] for row in rows[:-1]
    ] == ["UNCHANGED", "UNCHANGED", "UNCHANGED", "REJECTED", "REJECTED"]
    assert rows[-1]["summary"] == {"recorded": 0, "unchanged": 3, "rejected": 2}
    shown = await user.types("outcomes", "show", "c-1")
    assert "4 outcomes recorded of c-1" in shown.out
    assert "metrics.minutes" in shown.out


async def test_an_outcome_before_the_contact_began_is_of_nobody(service: Server, tmp_path: Path) -> None:
    """The id may have had another life then, and neither the store nor the ledger knows one."""
    user = await served(service, "c-1")
    file = tmp_path / "survey.csv"
    file.write_text("\n".join(SURVEY.splitlines()[:2]) + "\n", "utf-8")
    early = await user.types("outcomes", "import", str(file), "--source", "survey")
    assert (early.code, early.out.splitlines()[-1]) == (1, "1 rejected")
    assert "line 2 (c-1): contact" in early.err


async def test_one_outcome_is_recorded_and_corrected_by_hand(service: Server) -> None:
    """The answer says what is new and what was known; a number of one's own is NAME=NUMBER."""
    user = await served(service, "c-1")
    record = ("outcomes", "record", "c-1", "--source", "qa")
    first = await user.types(*record, "--csat", "4", "--unresolved", "--metric", "minutes=7.5")
    assert first.out.strip() == "recorded resolved, recorded csat, recorded metrics.minutes"
    second = await user.types(*record, "--csat", "5", "--unresolved")
    assert second.out.strip() == "recorded csat, resolved unchanged"
    seen = await user.types(*record, "--recommended", "promoted", "--place", "forum.example.com")
    assert seen.out.strip() == "recorded recommended"
    wrong = await user.types(*record, "--nps", "11")
    assert (wrong.code, "--nps is 11; it must be 0 to 10" in wrong.err) == (1, True)
    silent = await user.types(*record, "--praise", "She was kind.")
    assert (silent.code, "--agreed" in silent.err) == (2, True)


async def test_a_week_s_praise_is_a_text_by_agent(service: Server) -> None:
    """List, watch and digest show the same words; somebody else's are not among them."""
    user = await served(service, "c-1", "c-2")
    for contact, words in (("c-1", "She was kind."), ("c-2", "She knew\nher ropes.")):
        told = await user.types("outcomes", "record", contact, "--source", "qa", "--praise", words, "--agreed")
        assert told.out.strip() == "recorded praise, praise of bea"
    listed = await user.types("praise", "list", "--agent", "bea")
    assert [line.split("  ", 1)[1] for line in listed.out.splitlines()[:2]] == [
        "bea  She knew her ropes.",
        "bea  She was kind.",
    ]
    began = datetime.now(UTC)
    digest = (await user.types("praise", "digest", "--manager", "dana")).out.splitlines()
    assert digest[0] in {
        f"What customers praised, {until - timedelta(days=6):%d %B} to {until:%d %B %Y}"
        for until in (began, datetime.now(UTC))
    }
    assert digest[1:] == ["", "Bea Lind (2)", "  - She was kind.", "  - She knew her ropes."]
    nobody = await user.types("praise", "digest", "--manager", "kim")
    assert "Nothing was passed on in this time." in nobody.out
    both = await user.types("praise", "list", "--agent", "bea", "--manager", "dana")
    assert both.code == 2
