"""Registry of the scorers that pools may name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import Provenance, ScorerFileWrong, write
from matcher.affinity.scorer_registry import ScorerRegistry, ScorerUnknown

MODEL = "ab" * 8
OTHER_MODEL = "cd" * 8
LENIENT = Scorer(threshold=0.2)


def put(folder: Path, name: str, scorer: Scorer, model: str = MODEL) -> None:
    """Write a scorer as `matcher learn` does."""
    write(folder / f"{name}.npz", scorer, Provenance(model, ("mine",), "", "", {"mine": 0.5}))


def test_a_pool_may_name_the_packaged_the_untrained_or_a_scorer_of_the_folder(tmp_path: Path) -> None:
    """No name is the service's default; each name gives the same object at every request."""
    put(tmp_path, "night-shift", LENIENT)
    put(tmp_path, "mapped", Scorer(map=np.eye(4, dtype=np.float32)))
    scorers = ScorerRegistry("untrained", MODEL, tmp_path)
    assert scorers.names() == ["packaged", "untrained", "mapped", "night-shift"]
    assert scorers.named("") is scorers.default is scorers.named("untrained") is scorers.named("packaged")
    assert scorers.named("night-shift").fingerprint == LENIENT.fingerprint
    assert scorers.named("mapped") is scorers.named("mapped") is scorers.serving("mapped")


def test_a_scorer_that_is_added_later_can_be_named(tmp_path: Path) -> None:
    """A file is read at the first request of its name, and stays as it was read until the next start."""
    scorers = ScorerRegistry("untrained", MODEL, tmp_path)
    with pytest.raises(ScorerUnknown):
        scorers.named("new")
    put(tmp_path, "new", LENIENT)
    first = scorers.named("new")
    put(tmp_path, "new", Scorer(threshold=0.1))
    assert scorers.named("new") is first
    assert ScorerRegistry("untrained", MODEL, tmp_path).named("new").threshold == 0.1


@pytest.mark.parametrize("name", ["nights", "../night-shift", "/etc/passwd", "night-shift.npz", "Night-Shift", "\0"])
def test_an_unknown_name_is_refused_with_the_names_that_exist(tmp_path: Path, name: str) -> None:
    """Only files of the folder have names: no path leads out of it."""
    put(tmp_path, "night-shift", LENIENT)
    inner = tmp_path / "inner"
    inner.mkdir()
    put(inner, "day", LENIENT)
    with pytest.raises(ScorerUnknown, match=r"names no scorer; there are packaged, untrained, day$"):
        ScorerRegistry("untrained", MODEL, inner).named(name)
    with pytest.raises(ScorerUnknown, match=r"there are packaged, untrained$"):
        ScorerRegistry("untrained", MODEL).named("night-shift")


def test_a_file_that_cannot_serve_is_refused_by_its_name(tmp_path: Path) -> None:
    """A scorer of another model, or a file that is no scorer: the error names the file and not the folder."""
    put(tmp_path, "theirs", LENIENT, OTHER_MODEL)
    (tmp_path / "torn.npz").write_bytes(b"PK")
    scorers = ScorerRegistry("untrained", MODEL, tmp_path)
    with pytest.raises(ScorerUnknown, match=r"cannot serve: theirs\.npz was learned from the vectors of another model"):
        scorers.named("theirs")
    with pytest.raises(ScorerUnknown, match=r"cannot serve: torn\.npz is no scorer"):
        scorers.named("torn")


def test_without_its_file_the_default_ranks(tmp_path: Path) -> None:
    """A replica that was started without the file ranks with the default."""
    scorers = ScorerRegistry("untrained", MODEL, tmp_path)
    assert scorers.serving("gone") is scorers.default


def test_it_tells_which_scorer_serves_for_a_name(tmp_path: Path) -> None:
    """A file that is gone or of another model: the default by its name; a model without a learned one: untrained."""
    put(tmp_path, "night-shift", LENIENT)
    put(tmp_path, "theirs", LENIENT, OTHER_MODEL)
    names = ["", "packaged", "untrained", "night-shift", "theirs", "gone"]
    scorers = ScorerRegistry("packaged", MODEL, tmp_path)
    assert [scorers.serving_name(name) for name in names] == [*["untrained"] * 3, "night-shift", *["untrained"] * 2]
    put(tmp_path, "own", Scorer(threshold=0.1))
    scorers = ScorerRegistry(str(tmp_path / "own.npz"), MODEL, tmp_path)
    served = ["own", "untrained", "untrained", "night-shift", "own", "own"]
    assert [scorers.serving_name(name) for name in names] == served


def test_the_default_scorer_must_exist(tmp_path: Path) -> None:
    """A service whose own scorer cannot be read does not start."""
    with pytest.raises(ScorerFileWrong):
        ScorerRegistry(str(tmp_path / "none.npz"), MODEL, tmp_path)
