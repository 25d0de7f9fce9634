"""File of a scorer: it is read as it was written, and only for its own model."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from matcher.affinity.confidence import FEATURES, Calibration
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import Provenance, ScorerFileWrong, load_scorer, read, write

PROVENANCE = Provenance("ab" * 8, ("mine",), "CC BY 4.0", "Me", {"mine": 0.5})


@pytest.mark.parametrize("mapped", [True, False])
def test_a_scorer_is_read_as_it_was_written(tmp_path: Path, mapped: bool) -> None:
    """Numbers, weights, map and provenance are the same, and no unfinished file is left."""
    linear = np.eye(4, dtype=np.float32) * 1.5 if mapped else None
    scorer = Scorer(map=linear, threshold=0.21, ample=7, calibration=Calibration((0.5,) * FEATURES))
    write(tmp_path / "mine.npz", scorer, PROVENANCE)
    back, provenance = read(tmp_path / "mine.npz")
    assert back.fingerprint == scorer.fingerprint
    assert (replace(back, map=None), provenance) == (replace(scorer, map=None), PROVENANCE)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.npz"]


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_scorer_is_named(tmp_path: Path, content: bytes | None) -> None:
    """An empty file, another format, a missing file: the error names the file."""
    path = tmp_path / "mine.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScorerFileWrong, match=r"mine\.npz"):
        read(path)


def test_another_model_is_scored_untrained() -> None:
    """A map is of no use for vectors of another model."""
    assert load_scorer("packaged", "0" * 16)[0].fingerprint == Scorer().fingerprint


def test_the_packaged_scorer_has_its_provenance() -> None:
    """Its file names training data, licence and authors, and the recall on the suites it was learned from."""
    _, provenance = read(resources.files("matcher") / "maps" / "all-minilm-l6-v2.npz")
    assert provenance.licence == "CC BY 4.0"
    assert "PersonaChat (Zhang et al. 2018" in provenance.attribution
    assert set(provenance.recall) == set(provenance.suites) == {"persona_1utt", "persona_3utt"}
    assert load_scorer("packaged", provenance.model)[0].map is not None


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    """A scorer is for the vectors of the one model it was learned from."""
    write(tmp_path / "mine.npz", Scorer(), Provenance("0" * 16, ("mine",), "", "", {"mine": 0.5}))
    assert load_scorer(str(tmp_path / "mine.npz"), "0" * 16)[0].fingerprint == Scorer().fingerprint
    with pytest.raises(ScorerFileWrong, match="another model"):
        load_scorer(str(tmp_path / "mine.npz"), "1" * 16)


def test_the_untrained_scorer_can_be_chosen() -> None:
    """`untrained` is the plain cosine, whatever the package has."""
    assert load_scorer("untrained", "0" * 16) == (Scorer(), None)


@pytest.mark.parametrize(
    ("model", "recall", "error", "as_good_on"),
    [
        ("m", {"a": 0.5}, {"a": 0.1}, ["a"]),
        ("m", {"a": 0.4}, {"a": 0.01}, ["a"]),
        ("m", {"a": 0.6}, {"a": 0.9}, []),
        ("m", {"a": 0.5}, {"a": 0.05}, []),
        ("m", {"a": 0.5}, {}, ["a"]),
        ("m", {"a": 0.4, "b": 0.9}, {}, ["a"]),
        ("m", {"b": 0.1}, {}, []),
        ("other", {"a": 0.1}, {}, []),
    ],
)
def test_a_scorer_is_replaced_by_one_with_higher_recall_or_equal_recall_and_lower_error(
    model: str, recall: dict[str, float], error: dict[str, float], as_good_on: list[str]
) -> None:
    """Compared are the suites of both; scorers of other models or other suites are not compared."""
    present = Provenance("m", ("a",), "", "", {"a": 0.5}, (), {"a": 0.1})
    assert present.as_good_as(Provenance(model, tuple(recall), "", "", recall, (), error)) == as_good_on
