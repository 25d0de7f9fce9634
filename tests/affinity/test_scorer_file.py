"""File of a scorer: it is read as it was written, and only for its own model."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from matcher.affinity.confidence import FEATURES, Calibration
from matcher.affinity.kinds import Others
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


@pytest.mark.parametrize("mapped", [True, False])
def test_a_scorer_of_a_pair_of_models_is_read_as_it_was_written(tmp_path: Path, mapped: bool) -> None:
    """With its halves, its threshold for texts in other languages, and two maps; the file is small."""
    linear = np.diag(np.arange(1, 897) / 64).astype(np.float32) if mapped else None
    scorer = Scorer(map=linear, halves=(384, 512), others=Others(0.21, 0.75))
    write(tmp_path / "pair.npz", scorer, PROVENANCE)
    back, provenance = read(tmp_path / "pair.npz")
    assert back.fingerprint == scorer.fingerprint
    assert (replace(back, map=None), provenance) == (replace(scorer, map=None), PROVENANCE)
    assert (back.map is None) == (not mapped)
    with np.load(tmp_path / "pair.npz") as arrays:
        assert set(arrays) == ({"about", "first", "second"} if mapped else {"about"})


@pytest.mark.parametrize("missing", ["first", "second"])
def test_a_file_without_one_of_its_maps_is_no_scorer(tmp_path: Path, missing: str) -> None:
    """A scorer of two halves has two maps or none, each of the size of its half."""
    path = tmp_path / "pair.npz"
    write(path, Scorer(map=np.eye(6, dtype=np.float32), halves=(2, 4), others=Others()), PROVENANCE)
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays if name != missing}
    np.savez(path, **kept)
    with pytest.raises(ScorerFileWrong, match=r"pair\.npz"):
        read(path)


def test_vectors_of_one_model_are_scored_as_before_there_were_pairs() -> None:
    """The fingerprints of the untrained and of the packaged scorer are those that are recorded with older decisions."""
    _, provenance = read(resources.files("matcher") / "maps" / "all-minilm-l6-v2.npz")
    assert Scorer().fingerprint == "89f209a0e901dd25"
    assert load_scorer("packaged", provenance.model)[0].fingerprint == "e22aca7f6a670673"


def test_everything_about_the_halves_decides_the_fingerprint() -> None:
    """Halves, threshold and slope of the others, and each block of the map."""
    linear = np.eye(4, dtype=np.float32)
    scorer = Scorer(map=linear, halves=(2, 2), others=Others(0.3, 1.0))
    changed = [
        replace(scorer, halves=(3, 1)),
        replace(scorer, others=Others(0.31, 1.0)),
        replace(scorer, others=Others(0.3, 1.1)),
        replace(scorer, map=np.diag([1, 2, 1, 1]).astype(np.float32)),
        replace(scorer, map=np.diag([1, 1, 1, 2]).astype(np.float32)),
        Scorer(map=linear),
    ]
    assert len({scorer.fingerprint, *(other.fingerprint for other in changed)}) == 7


@pytest.mark.parametrize("setting", ["packaged", "untrained"])
def test_vectors_of_an_unknown_pair_are_scored_untrained(setting: str) -> None:
    """Both halves count alike, and texts in other languages are compared by the second."""
    scorer, _ = load_scorer(setting, "0" * 16, (384, 512))
    assert (scorer.halves, scorer.others, scorer.map) == ((384, 512), Others(), None)
