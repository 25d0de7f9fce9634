"""`matcher evaluate` and `matcher suggest --plot`, run as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Result, matcher
from tests.evaluation.conftest import write_suite
from tests.processes import ROOT, Server, model_cache

KEYS = ["suite", "agents", "messages", "recall_at_1", "recall_at_5", "mrr_at_10", "hit_rate_routed"]
KEYS += ["mean_affinity", "top_1_percent_share", "ece", "auroc"]
PNG = b"\x89PNG\r\n\x1a\n"


async def evaluate(*arguments: object) -> Result:
    """Run `matcher evaluate` with the compiled model of the tests."""
    environment = {"MATCHER_MODEL_CACHE": str(model_cache())}
    return await matcher("evaluate", *map(str, arguments), environment=environment)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a suite of three agents."""
    agents = {"ana": "I sail along the coast.\nI keep bees.", "ben": "I bake sourdough bread.", "cy": "I play chess."}
    messages = [("My jib tore at sea.", ["ana"]), ("The loaf came out flat.", ["ben"]), ("Rook or bishop?", ["cy"])]
    return write_suite(tmp_path / "three", agents, messages)


async def test_json_is_an_object_for_one_suite_and_a_list_for_several(suite: Path) -> None:
    """The documents have exactly the promised keys, all figures are fractions, and stdout holds nothing else."""
    one, two = await evaluate(suite, "--json"), await evaluate(suite, ROOT / "examples" / "suite", "--json")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    (document,), (documents,) = one.documents(), two.documents()
    assert list(document) == KEYS
    assert (document["suite"], document["agents"], document["messages"]) == ("three", 3, 3)
    assert all(0 <= document[key] <= 1 for key in KEYS[3:] if document[key] is not None)
    assert [evaluated["suite"] for evaluated in documents] == ["three", "suite"]
    assert documents[0] == document


async def test_a_person_sees_the_baselines_and_gets_the_files(suite: Path, tmp_path: Path) -> None:
    """The table names every method; the JSON and the diagram are written to the given paths."""
    out, plots = tmp_path / "deep" / "evaluate.json", tmp_path / "plots"
    result = await evaluate(suite, "--out", out, "--plots", plots)
    assert result.code == 0, result.err
    for method in ("this service", "random", "BM25", "one vector per profile", "evidence alone (E)"):
        assert method in result.out
    assert "three: routing: 3 of 3" in result.err
    written: dict[str, Any] = json.loads(out.read_text("utf-8"))
    assert list(written) == KEYS
    assert (plots / "reliability.png").read_bytes()[:8] == PNG
    assert sorted(path.name for path in out.parent.iterdir()) == ["evaluate.json"]


async def test_a_day_has_a_recommended_tolerance(suite: Path, tmp_path: Path) -> None:
    """Every strategy has its row, and the trade-off has its plot."""
    result = await evaluate(suite, "--day", "--json", "--plots", tmp_path)
    (day,) = result.documents()
    assert day["ways"][0]["name"] == "affinity only"
    assert [way["name"] for way in day["ways"]][-2:] == ["longest idle", "random"]
    assert day["recommended_tolerance"] in {way["tolerance"] for way in day["ways"]}
    assert (tmp_path / "trade-off.png").read_bytes()[:8] == PNG


async def test_the_share_that_falls_back_is_measured(suite: Path, tmp_path: Path) -> None:
    """--floor reads a file with one message a line."""
    file = tmp_path / "said.txt"
    file.write_text("hi\n\nare you there?\n", "utf-8")
    (checked,) = (await evaluate(suite, "--floor", file, "--json")).documents()
    assert (checked["suite"], checked["nothing_to_go_by"]) == ("three", 1.0)


async def test_a_wrong_file_is_named_by_line_and_nothing_is_measured(suite: Path) -> None:
    """The error is one line with exit code 1, and the correct suite is not measured either."""
    bad = suite.parent / "bad"
    write_suite(bad, {"ana": "I sail."}, [("Ahoy", ["zoe"])])
    wrong = f"{bad / 'messages.jsonl'} line 1: relevant_agent_ids names zoe, who is not in agents.jsonl"
    for_people = await evaluate(suite, bad)
    assert (for_people.code, for_people.out, for_people.err) == (1, "", f"error: {wrong}\n")
    as_json = await evaluate(suite, bad, "--json")
    assert (as_json.code, as_json.out) == (1, "")
    assert json.loads(as_json.err)["error"]["message"] == wrong
    none = await evaluate(suite, "--floor", bad / "none.txt")
    assert (none.code, none.err) == (1, f"error: {bad / 'none.txt'} cannot be read: No such file or directory\n")
    both = await evaluate(suite, "--day", "--gaming")
    assert (both.code, both.err.count("\n")) == (1, 1)


async def test_a_suggestion_is_drawn_among_the_interests_of_its_pool(service: Server, tmp_path: Path) -> None:
    """--plot writes the picture and does not change the answer."""
    where = ("--server", service.target, "--site", await service.site())
    roster = {"id": "ana", "display_name": "Ana", "interests": ["I sail.", "I bake $5 pies."], "status": "ONLINE"}
    await matcher("agents", "import", "-", *where, stdin=json.dumps(roster).encode())
    environment = {"MATCHER_MODEL_CACHE": str(model_cache())}
    file = tmp_path / "new" / "map.png"
    plain = await matcher("suggest", "The sail tore.", *where)
    drawn = await matcher("suggest", "The sail tore.", "--plot", str(file), *where, environment=environment)
    assert (drawn.code, drawn.out) == (0, plain.out)
    assert "2 of 2 interests" in drawn.err
    assert file.read_bytes()[:8] == PNG
