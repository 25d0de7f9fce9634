"""The demo as `make demo` runs it: it starts, uses and stops the service, here with small rosters."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cli.command import Result, matcher
from tests.processes import server_environment

SAILS = {"id": "ana", "display_name": "Ana", "interests": ["I sail along the coast."], "status": "OFFLINE"}
ROWS = {"id": "ben", "display_name": "Ben", "interests": ["I row in a boat on the river."], "status": "ONLINE"}
TEXT = "We sail along the coast on Saturday, and the rope is torn."


def write(path: Path, records: Sequence[Mapping[str, object]]) -> str:
    """Write records as JSON lines, and return the file's name."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


async def demo(folder: Path, *arguments: str) -> Result:
    """Run the demo with the compiled model of the other tests and a temporary folder; fails if a file is left there."""
    models = server_environment(folder, {})["MATCHER_MODEL_CACHE"]
    temporary = folder / "t"
    temporary.mkdir()
    result = await matcher("demo", *arguments, environment={"MATCHER_MODEL_CACHE": models, "TMPDIR": str(temporary)})
    assert list(temporary.iterdir()) == [], "the demo left something behind"
    return result


async def test_the_demo_shows_the_reserved_agent_and_the_better_one_who_was_not_available(folder: Path) -> None:
    """The sailor is offline: the rower is reserved, and the row names the sailor; a greeting falls back."""
    place = folder / "examples"
    place.mkdir()
    roster = write(
        place / "agents.jsonl", [SAILS, ROWS | {"capacity": {"total": 3, "channels": [{"channel": "chat", "cost": 1}]}}]
    )
    call = {"customer_interests": ["rowing on the river"]}
    messages = write(place / "messages.jsonl", [call, {"text": TEXT}, {"text": "hi"}, {"text": TEXT}])
    result = await demo(place, "--roster", roster, "--messages", messages)
    assert result.code == 0, result.err
    assert "Ana, offline" in result.out
    assert "(a call, without a word)" in result.out
    assert "profile: rowing on the river" in result.out
    last = result.out.splitlines()[-1]
    assert last.startswith("4 messages: ")
    assert "1 unmatched" in last
    assert "p50" in last
    assert "p99" in last


async def test_a_suite_counts_who_got_the_right_agent(folder: Path) -> None:
    """Reservations are cancelled at once, so the same agent gets the second message too; a sealed one is left out."""
    suite = folder / "suite"
    suite.mkdir()
    write(suite / "agents.jsonl", [{"id": "ana", "display_name": "Ana", "interests": "I sail.\nI sail.", "group": "g"}])
    write(
        suite / "messages.jsonl",
        [
            {"id": "1", "text": TEXT, "relevant_agent_ids": ["ana"]},
            {"id": "2", "text": TEXT, "relevant_agent_ids": []},
            {"id": "3", "text": TEXT, "relevant_agent_ids": ["ana"], "part": "sealed"},
        ],
    )
    result = await demo(suite, "--suite", str(suite), "--json")
    assert result.code == 0, result.err
    summary = result.documents()[-1]
    assert (summary["messages"], summary["right"], summary["share"]) == (2, 1, 0.5)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--roster", "nowhere.jsonl"), "error: nowhere.jsonl cannot be read: No such file or directory"),
        (("--suite", "nowhere"), "error: nowhere/agents.jsonl cannot be read: No such file or directory"),
    ],
)
async def test_a_missing_file_is_named_before_the_service_is_started(arguments: tuple[str, ...], line: str) -> None:
    """A misspelt path is reported at once, not after the start of the service."""
    result = await matcher("demo", *arguments)
    assert (result.code, result.err) == (1, f"{line}\n")


async def test_a_service_that_cannot_start_is_quoted(folder: Path) -> None:
    """The error quotes the service's last log lines, and the demo ends."""
    place = folder / "broken"
    place.mkdir()
    roster, messages = write(place / "a.jsonl", [ROWS]), write(place / "m.jsonl", [{"text": "hi"}])
    result = await matcher(
        "demo", "--roster", roster, "--messages", messages, environment={"MATCHER_ENCODER_RUNTIME": "abacus"}
    )
    assert result.code == 1
    assert "MATCHER_ENCODER_RUNTIME" in result.err
