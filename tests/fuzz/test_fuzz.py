"""No input ends in a fault: random requests, texts, tokens, files and sealed records, and all that was found before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from benchmarks.fuzz.within import EXPECTED, run, targets
from matcher.errors import FieldsInvalid
from matcher.files.customer_file import read_customers
from matcher.files.outcome_file import read_outcomes
from matcher.files.roster_file import Form, read_roster
from tests.rpc.test_bounded_reads import CHECKS

CORPUS = [
    json.loads(line)
    for file in sorted((Path(__file__).parent / "corpus").glob("*.jsonl"))
    for line in file.read_text("utf-8").splitlines()
]
TARGETS = targets(CHECKS)
SEEDS = 120
"""Of each target here; `make fuzz` runs a million."""
READERS: dict[str, Any] = {
    "roster": lambda data, form: read_roster(data, form, "default"),
    "outcomes": read_outcomes,
    "customers": read_customers,
}


@pytest.mark.parametrize("target", TARGETS)
def test_random_input_is_read_or_refused(target: str) -> None:
    """Whatever comes is read, or refused with a reason; nothing else is raised."""
    assert run(target, TARGETS[target], iter(range(SEEDS)), EXPECTED) == []


@pytest.mark.parametrize("found", [one for one in CORPUS if "request" in one], ids=lambda one: one["found"])
def test_a_request_that_once_ended_in_a_fault_is_refused_by_its_field(found: dict[str, Any]) -> None:
    """The answer names the field that is wrong."""
    kind = next(kind for kind in CHECKS if kind.DESCRIPTOR.name == found["request"])
    request = json_format.ParseDict(found["fields"], kind())
    with pytest.raises(FieldsInvalid) as refused:
        CHECKS[kind](request)
    assert found["field"] in {violation.field for violation in refused.value.violations}


@pytest.mark.parametrize("found", [one for one in CORPUS if "file" in one], ids=lambda one: one["found"])
def test_a_file_that_once_ended_in_a_fault_has_its_bad_rows_named(found: dict[str, Any]) -> None:
    """The rows that cannot be read are named, and the command goes on."""
    read = READERS[found["file"]](found["data"].encode(), Form(found["form"]))
    assert read.bad
