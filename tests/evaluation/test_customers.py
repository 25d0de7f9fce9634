"""The suite of what customers write: its counts, and its sealed half, which stays out unless it is asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from matcher.evaluation.suite import SuiteWrong, read_suite, read_texts
from tests.cli.command import matcher
from tests.evaluation.conftest import write_suite
from tests.processes import ROOT, model_cache

CUSTOMERS = ROOT / "examples" / "customers"
IN_EACH_HALF = {"en": 42, "de": 18, "fr": 18, "es": 18, "pt": 18, "it": 18}
IN_EACH_HALF |= {"nl": 14, "pl": 14, "ru": 14, "tr": 14, "ja": 14, "zh": 14}


def records(name: str) -> list[dict[str, Any]]:
    """Return the objects of a file of the suite."""
    return [json.loads(line) for line in (CUSTOMERS / name).read_text("utf-8").splitlines()]


def test_the_halves_are_alike_and_share_no_topic() -> None:
    """216 messages each, of the same languages; every agent is right in both, and no topic is in both."""
    halves = {part: [m for m in records("messages.jsonl") if m["part"] == part] for part in ("choosing", "sealed")}
    agents = {agent["id"] for agent in records("agents.jsonl")}
    assert len(agents) == 132
    for messages in halves.values():
        assert len(messages) == 216
        assert Counter(message["language"] for message in messages) == IN_EACH_HALF
        assert {message["agent"] for message in messages} == agents
        assert all(message["agent"] in message["relevant_agent_ids"] for message in messages)
    topics = [{(message["agent"], message["seed"]) for message in messages} for messages in halves.values()]
    assert topics[0].isdisjoint(topics[1])
    businesses = Counter(message["business"] for messages in halves.values() for message in messages)
    assert len([business for business, count in businesses.items() if count >= 10]) == 18


def test_every_topic_is_one_of_the_agent_from_whom_profile_and_messages_were_written() -> None:
    """The seeds name the agents of the roster in its order; each message's topic is one of its agent's."""
    seeds = [line.split("\t") for line in (CUSTOMERS / "seeds.tsv").read_text("utf-8").splitlines()]
    assert [seed[0] for seed in seeds] == [agent["id"] for agent in records("agents.jsonl")]
    assert Counter(seed[1] for seed in seeds) == {"en": 72, "de": 12, "fr": 12, "es": 12, "pt": 12, "it": 12}
    topics = {agent: set(own.split("; ")) for agent, _, _, own in seeds}
    assert all(message["seed"] in topics[message["agent"]] for message in records("messages.jsonl"))


def test_a_hundred_messages_have_nothing_personal() -> None:
    """They are read as the option --floor reads them, in the languages of the suite."""
    assert len(read_texts(CUSTOMERS / "nothing_personal.jsonl")) == 100
    assert {message["language"] for message in records("nothing_personal.jsonl")} == set(IN_EACH_HALF)


def test_sealed_messages_are_left_out_unless_asked_for() -> None:
    """Without being asked, a reader of the suite gets the choosing half; asked, the sealed half and nothing else."""
    parts = {message["id"]: message["part"] for message in records("messages.jsonl")}
    choosing, sealed = read_suite(CUSTOMERS), read_suite(CUSTOMERS, sealed=True)
    assert {parts[message.id] for message in choosing.messages} == {"choosing"}
    assert {parts[message.id] for message in sealed.messages} == {"sealed"}
    assert (choosing.name, sealed.name) == ("customers", "customers (sealed)")
    assert choosing.agents == sealed.agents


def test_a_suite_without_sealed_messages_says_so(tmp_path: Path) -> None:
    """Asked for sealed messages, a suite that has none is an error, and so is one that has nothing else."""
    folder = write_suite(tmp_path, {"ana": "I sail."}, [("Ahoy", ["ana"])])
    with pytest.raises(SuiteWrong, match=r"messages\.jsonl has no message that is sealed$"):
        read_suite(folder, sealed=True)
    messages = folder / "messages.jsonl"
    messages.write_text(json.dumps(json.loads(messages.read_text("utf-8")) | {"part": "sealed"}), "utf-8")
    with pytest.raises(SuiteWrong, match=r"messages\.jsonl has no message that is not sealed$"):
        read_suite(folder)


async def test_the_command_measures_the_sealed_messages_only_with_its_option(tmp_path: Path) -> None:
    """`matcher evaluate` counts two messages without --sealed, and one with it."""
    folder = write_suite(tmp_path / "s", {"ana": "I sail."}, [("A jib", ["ana"]), ("A sail", ["ana"]), ("Sea", [])])
    lines = [json.loads(line) for line in (folder / "messages.jsonl").read_text("utf-8").splitlines()]
    lines[1]["part"] = "sealed"
    (folder / "messages.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    environment = {"MATCHER_MODEL_CACHE": str(model_cache())}
    for options, expected in ((), ("s", 2)), (("--sealed",), ("s (sealed)", 1)):
        result = await matcher("evaluate", str(folder), "--json", *options, environment=environment)
        assert result.code == 0, result.err
        (document,) = result.documents()
        assert (document["suite"], document["messages"]) == expected
