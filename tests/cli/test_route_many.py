"""`matcher route-many`: the messages of a file are decided jointly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.cli.command import Result, matcher
from tests.processes import Server

ROSTER: Sequence[Mapping[str, object]] = [
    {"id": "ana", "display_name": "Ana", "interests": ["I sail along the coast."], "status": "ONLINE"},
    {"id": "ben", "display_name": "Ben", "interests": ["I bake bread."], "status": "ONLINE"},
]
SAIL = "We want to sail to the coast."


def lines(*records: Mapping[str, object]) -> bytes:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


async def routed(service: Server, data: bytes, *options: str) -> Result:
    """Route a file in a fresh site of two agents."""
    where = ("--server", service.target, "--site", await service.site())
    imported = await matcher("agents", "import", "-", *where, stdin=lines(*ROSTER))
    assert imported.code == 0, imported.err
    return await matcher("route-many", "-", *options, *where, stdin=data)


async def test_a_file_is_decided_together_and_shown_by_contact(service: Server) -> None:
    """Each row names its contact's agent and the basis, or says why there is none."""
    result = await routed(
        service,
        lines(
            {"text": f"{SAIL} And bread is what we bake.", "contact_id": "either"},
            {"text": SAIL, "contact_id": "sailor"},
            {"text": "One more about sails.", "contact_id": "third"},
        ),
    )
    assert result.code == 0, result.err
    rows = {row.split()[0]: row for row in result.out.splitlines()[1:]}
    assert "ben" in rows["either"]
    assert "AFFINITY" in rows["either"]
    assert "ana" in rows["sailor"]
    assert SAIL in rows["sailor"]
    assert "no agent can take the message now: nobody who may take it has free capacity" in rows["third"]


async def test_json_holds_every_result_and_a_bad_item_makes_the_exit_code_1(service: Server) -> None:
    """Only the empty text fails; the contact without an id gets an id; the exit code says that a message failed."""
    result = await routed(service, lines({"text": SAIL}, {"text": " ", "contact_id": "empty"}), "--json")
    assert result.code == 1
    (document,) = result.documents()
    good, bad = document["results"]
    assert good["response"]["reservation"]["agent"].endswith("/agents/ana")
    assert good["contact_id"].startswith("line-1-")
    assert (bad["contact_id"], bad["status"]["code"]) == ("empty", 3)
    result = await routed(service, lines({"text": " ", "contact_id": "empty"}))
    assert (result.code, "failed: FIELDS_INVALID: message.text is empty" in result.out) == (1, True)


async def test_a_large_file_is_decided_in_several_batches(service: Server) -> None:
    """All 260 messages are answered, in two batches, and two of them find an agent."""
    data = lines(*({"text": SAIL, "contact_id": f"c{number}"} for number in range(260)))
    result = await routed(service, data, "--json")
    assert result.code == 0, result.err
    first, second = result.documents()
    assert (len(first["results"]), len(second["results"])) == (256, 4)
    held = [item for item in first["results"] + second["results"] if "reservation" in item["response"]]
    assert len(held) == 2


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "has no message"),
        (b'{"text": "x"\n', "line 1: line is not JSON"),
        (lines({"text": "x"}) + b"[]\n", "line 2: line is not a JSON object"),
        (lines({"text": "x", "colour": "red"}), "line 1: "),
        (lines({"text": "x", "auto_accept": "perhaps"}), "line 1: "),
    ],
    ids=["an empty file", "no JSON", "no object", "an unknown field", "a field of another type"],
)
async def test_a_line_that_is_not_a_message_is_named_before_any_is_routed(data: bytes, error: str) -> None:
    """No service runs at the address, and the error does not mention it: no call was made."""
    result = await matcher("route-many", "-", "--server", "127.0.0.1:1", stdin=data)
    assert result.code == 1
    assert error in result.err
    assert "no service answers" not in result.err
