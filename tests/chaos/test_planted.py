"""The planted bugs of chaos: each changes a text that is there, and has a scene; `make chaos-bugs` plays them."""

from __future__ import annotations

import pytest

from benchmarks.chaos.planted import BUGS
from benchmarks.chaos.processes import ROOT
from benchmarks.chaos.scenes import SCENES


@pytest.mark.parametrize("name", BUGS)
def test_the_text_that_a_planted_bug_changes_is_in_the_service_once(name: str) -> None:
    """A reworded service fails here, and not after an attack in which nothing was planted."""
    bug = BUGS[name]
    assert bug.scene in SCENES
    assert bug.laws
    for edit in bug.edits:
        assert (ROOT / edit.file).read_text("utf-8").count(edit.old) == 1
        assert edit.new != edit.old


def test_there_are_enough_planted_bugs() -> None:
    """At least twenty-five, and each scene belongs to one."""
    assert len(BUGS) >= 25
    assert {bug.scene for bug in BUGS.values()} == set(SCENES)
