"""`matcher route-many`: a file of messages decided together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.cli.command import Said, matcher
from tests.processes import Server

ROSTER: Sequence[Mapping[str, object]] = [
    {"id": "ana", "display_name": "Ana", "interests": ["I sail along the coast."], "status": "ONLINE"},
    {"id": "ben", "display_name": "Ben", "interests": ["I bake bread."], "status": "ONLINE"},
]
SAIL = "We want to sail to the coast."


def lines(*records: Mapping[str, object]) -> bytes:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


async def routed(service: Server, data: bytes, *options: str) -> Said:
    """Route a file at a fresh site of two agents."""
    where = ("--server", service.target, "--site", await service.site())
    imported = await matcher("agents", "import", "-", *where, stdin=lines(*ROSTER))
    assert imported.code == 0, imported.err
    return await matcher("route-many", "-", *options, *where, stdin=data)


async def test_a_file_is_decided_together_and_shown_by_contact(service: Server) -> None:
    """One would do with either, one sails, one is nobody's: each line says who, by what, or why not."""
    said = await routed(
        service,
        lines(
            {"text": f"{SAIL} And bread is what we bake.", "contact_id": "either"},
            {"text": SAIL, "contact_id": "sailor"},
            {"text": "One more about sails.", "contact_id": "third"},
        ),
    )
    assert said.code == 0, said.err
    rows = {row.split()[0]: row for row in said.out.splitlines()[1:]}
    assert "ben" in rows["either"]
    assert "AFFINITY" in rows["either"]
    assert "ana" in rows["sailor"]
    assert SAIL in rows["sailor"]
    assert "nobody can take it now: capacity left nobody" in rows["third"]


async def test_json_holds_every_result_and_a_bad_item_ends_with_one(service: Server) -> None:
    """An empty text fails by itself; the contact without an id got one; the command says that something failed."""
    said = await routed(service, lines({"text": SAIL}, {"text": " ", "contact_id": "empty"}), "--json")
    assert said.code == 1
    (document,) = said.documents()
    good, bad = document["results"]
    assert good["response"]["reservation"]["agent"].endswith("/agents/ana")
    assert good["contact_id"].startswith("line-1-")
    assert (bad["contact_id"], bad["status"]["code"]) == ("empty", 3)
    said = await routed(service, lines({"text": " ", "contact_id": "empty"}))
    assert (said.code, "failed: FIELDS_INVALID: message.text is empty" in said.out) == (1, True)


async def test_more_than_are_decided_at_once_go_in_several_batches(service: Server) -> None:
    """Of 260 messages all are answered, in two batches; two found an agent."""
    data = lines(*({"text": SAIL, "contact_id": f"c{number}"} for number in range(260)))
    said = await routed(service, data, "--json")
    assert said.code == 0, said.err
    first, second = said.documents()
    assert (len(first["results"]), len(second["results"])) == (256, 4)
    held = [one for one in first["results"] + second["results"] if "reservation" in one["response"]]
    assert len(held) == 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "has no message"),
        (b'{"text": "x"\n', "line 1: line is not JSON"),
        (lines({"text": "x"}) + b"[]\n", "line 2: line is not a JSON object"),
        (lines({"text": "x", "colour": "red"}), "line 1: "),
        (lines({"text": "x", "auto_accept": "perhaps"}), "line 1: "),
    ],
    ids=["an empty file", "no JSON", "no object", "an unknown field", "a field of another type"],
)
async def test_a_line_that_is_no_message_is_named_before_anything_is_routed(data: bytes, told: str) -> None:
    """Nothing answers at the address, and nothing was asked."""
    said = await matcher("route-many", "-", "--server", "127.0.0.1:1", stdin=data)
    assert said.code == 1
    assert told in said.err
    assert "nothing answers" not in said.err
