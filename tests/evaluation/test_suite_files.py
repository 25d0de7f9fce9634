"""The files of a suite: their reading, and the errors that name file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matcher.evaluation.suite import SuiteAgent, SuiteWrong, read_suite, with_roster
from tests.evaluation.conftest import write_suite

GOOD = {"ana": "I sail.\n\n  I bake. \nI sail.", "ben": ""}


def test_interests_are_read_as_the_service_accepts_them(tmp_path: Path) -> None:
    """A line is an interest, each is kept once and none is empty; the suite has its folder's name."""
    suite = read_suite(write_suite(tmp_path / "mine", GOOD, [("Ahoy", ["ana"]), ("Nothing", [])]))
    assert suite.name == "mine"
    assert suite.agents == (SuiteAgent("ana", "Ana", ("I sail.", "I bake.")), SuiteAgent("ben", "Ben", ()))
    assert [(message.text, message.relevant) for message in suite.messages] == [
        ("Ahoy", frozenset({"ana"})),
        ("Nothing", set()),
    ]


def test_the_groups_of_agents_are_never_read(tmp_path: Path) -> None:
    """Two suites that differ only in their groups are equal."""
    messages = [("Ahoy", ["ana"])]
    suites = [read_suite(write_suite(tmp_path / str(group) / "s", GOOD, messages, group=group)) for group in ("a", 7)]
    assert suites[0] == suites[1]


def test_a_byte_order_mark_windows_lines_and_empty_lines_are_accepted(tmp_path: Path) -> None:
    """Many tools write such files."""
    folder = write_suite(tmp_path, {"ana": "I sail."}, [("Ahoy", ["ana"])])
    agents = folder / "agents.jsonl"
    agents.write_bytes(b"\xef\xbb\xbf\r\n" + agents.read_bytes().replace(b"\n", b"\r\n"))
    assert [agent.id for agent in read_suite(folder).agents] == ["ana"]


ANA = {"id": "ana", "interests": "I sail."}
AHOY = {"id": "m1", "text": "Ahoy", "relevant_agent_ids": ["ana"]}


@pytest.mark.parametrize(
    ("file", "second", "error"),
    [
        ("agents.jsonl", '{"id": "b"', "not JSON"),
        ("agents.jsonl", "[]", "must be a JSON object"),
        ("agents.jsonl", '{"interests": "x"}', "id is missing"),
        ("agents.jsonl", '{"id": "", "interests": "x"}', "id is empty"),
        ("agents.jsonl", '{"id": "ana", "interests": "x"}', "id ana is already used on an earlier line"),
        ("agents.jsonl", '{"id": "b"}', "interests is missing"),
        ("agents.jsonl", '{"id": "b", "interests": ["x"]}', "interests must be a text"),
        ("agents.jsonl", '{"id": "b", "interests": "x", "display_name": 3}', "display_name must be a text"),
        ("agents.jsonl", '{"id": "b", "interests": "\\ud800"}', "interests holds half a surrogate pair"),
        ("agents.jsonl", "[" * 100_000, "not JSON"),
        ("messages.jsonl", '{"id": "m2", "relevant_agent_ids": []}', "text is missing"),
        (
            "messages.jsonl",
            '{"id": "m1", "text": "x", "relevant_agent_ids": []}',
            "id m1 is already used on an earlier line",
        ),
        ("messages.jsonl", '{"id": "m2", "text": "x"}', "relevant_agent_ids is missing"),
        ("messages.jsonl", '{"id": "m2", "text": "x", "relevant_agent_ids": "ana"}', "must be a list of agents' ids"),
        ("messages.jsonl", '{"id": "m2", "text": "x", "relevant_agent_ids": ["zoe"]}', "names zoe, who is not in"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(tmp_path: Path, file: str, second: str, error: str) -> None:
    """The error names file, line and field, so that its reader can correct it at once."""
    for name, first in (("agents.jsonl", ANA), ("messages.jsonl", AHOY)):
        text = json.dumps(first) + "\n" + (second + "\n" if name == file else "")
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(SuiteWrong) as wrong:
        read_suite(tmp_path)
    assert str(wrong.value).startswith(f"{tmp_path / file} line 2: ")
    assert error in str(wrong.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    """The error is about a missing folder, a missing file, an empty file, or a file that is not UTF-8."""
    with pytest.raises(SuiteWrong, match="none is not a folder"):
        read_suite(tmp_path / "none")
    folder = write_suite(tmp_path / "s", {"ana": "I sail."}, [("Ahoy", ["ana"])])
    (folder / "messages.jsonl").write_bytes(b'{"id": "Ren\xe9"}\n')
    with pytest.raises(SuiteWrong, match=r"messages\.jsonl line 1: not UTF-8 \(byte 11\)"):
        read_suite(folder)
    (folder / "messages.jsonl").write_bytes(b"\n")
    with pytest.raises(SuiteWrong, match=r"messages\.jsonl has no message"):
        read_suite(folder)
    (folder / "agents.jsonl").unlink()
    with pytest.raises(SuiteWrong, match=r"agents\.jsonl cannot be read: No such file"):
        read_suite(folder)


def test_the_same_people_in_other_words_are_the_roster_of_a_suite(tmp_path: Path) -> None:
    """Only the agents of the file are in the roster, with its interests; messages of nobody among them are left out."""
    messages = [("Ahoy", ["ana", "ben"]), ("Bread", ["ben"])]
    suite = read_suite(write_suite(tmp_path / "mine", GOOD, messages))
    other = tmp_path / "said-again" / "agents.jsonl"
    other.parent.mkdir()
    other.write_text('{"id": "ana", "interests": "Out on the water.\\nFlour and yeast."}\n', "utf-8")
    restated = with_roster(suite, other)
    assert restated.name == "mine, said-again"
    assert restated.agents == (SuiteAgent("ana", "Ana", ("Out on the water.", "Flour and yeast.")),)
    assert [(message.text, message.relevant) for message in restated.messages] == [("Ahoy", frozenset({"ana"}))]
    other.write_text('{"id": "zoe", "interests": "Out on the water."}\n', "utf-8")
    with pytest.raises(SuiteWrong, match=r"agents.jsonl line 1: id zoe is no agent of mine"):
        with_roster(suite, other)
    other.write_text('{"id": "ana", "interests": "Out on the water."}\n', "utf-8")
    with pytest.raises(SuiteWrong, match="no agent who is right for a message of mine"):
        with_roster(read_suite(write_suite(tmp_path / "mine2" / "mine", GOOD, [("Bread", ["ben"])])), other)


def test_the_restated_profiles_are_330_of_different_people() -> None:
    """The packaged file has no profile twice, and none without a line."""
    file = Path(__file__).parents[2] / "examples" / "restated" / "agents.jsonl"
    profiles = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len({profile["id"] for profile in profiles}) == len(profiles) == 330
    assert all(profile["interests"].strip() for profile in profiles)
