"""File of a learned scorer: its numbers, the data they were learned from, and the model they belong to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from matcher.affinity.confidence import FEATURES, Calibration
from matcher.affinity.scorer import Scorer
from matcher.errors import SettingsWrong

FORMAT: Final = 1
PACKAGED: Final = "packaged"
UNTRAINED: Final = "untrained"
_NUMBERS: Final = tuple(name for name in asdict(Scorer()) if name not in {"map", "calibration"})


Halves: TypeAlias = tuple[int, int] | None
"""The numbers of components of a pair's vectors; None: vectors of one model."""


class ScorerFileWrong(SettingsWrong):
    """A file is no scorer, or belongs to another model; the sentence names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Hold the model, the data and the licence that a scorer was learned from."""

    model: str
    """The fingerprint of the model; the scorer is for vectors of this model only."""
    suites: tuple[str, ...]
    licence: str
    attribution: str
    recall: dict[str, float]
    """Recall at 1 by suite, on agents that took no part in learning."""
    margins: tuple[str, ...] = ()
    """Further suites, from which only the confidence was learned."""
    error: dict[str, float] = field(default_factory=dict)
    """Expected calibration error by suite, on agents that took no part; empty in files of older versions."""

    def as_good_as(self, other: Provenance) -> list[str]:
        """Return the suites on which this scorer is at least as good as another; none: the other is better.

        Compared are the mean recall on the suites that both learned from and, where it is equal, the mean calibration
        error on the suites that both have. Scorers of different models or without a common suite are not compared.
        """
        shared = [name for name in other.recall if name in self.recall]
        if self.model != other.model or not shared:
            return []
        mine, theirs = (sum(scorer.recall[name] for name in shared) for scorer in (self, other))
        if mine != theirs:
            return shared if mine > theirs else []
        measured = [name for name in other.error if name in self.error]
        worse = sum(self.error[name] for name in measured) > sum(other.error[name] for name in measured)
        return [] if worse else shared


def write(path: Path, scorer: Scorer, provenance: Provenance) -> None:
    """Write a scorer whole or not at all, its map at 16 bits."""
    about = {
        "format": FORMAT,
        "provenance": asdict(provenance),
        "numbers": {name: getattr(scorer, name) for name in _NUMBERS},
        "calibration": list(scorer.calibration.weights),
    }
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("wb") as file:
        about_array = np.array(json.dumps(about, indent=1))
        if scorer.map is None:
            np.savez_compressed(file, about=about_array)
        else:
            np.savez_compressed(file, about=about_array, map=scorer.map.astype(np.float16))
    unfinished.replace(path)


def read(path: Path | Traversable) -> tuple[Scorer, Provenance]:
    """Return a file's scorer and its provenance. Raises ScorerFileWrong."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            linear = arrays["map"].astype(np.float32) if "map" in arrays else None
        return _scorer(about, linear), _provenance(about["provenance"])
    except (OSError, ValueError, KeyError, TypeError, EOFError) as fault:
        raise ScorerFileWrong(f"{path} is no scorer: {type(fault).__name__}") from fault


def untrained(halves: Halves = None) -> Scorer:
    """Return the scorer that has learned nothing: by the cosine of the vectors, of a pair's of both halves together."""
    return Scorer() if halves is None else Scorer(map=np.eye(sum(halves), dtype=np.float32))


def load_scorer(setting: str, model: str, halves: Halves = None) -> tuple[Scorer, Provenance | None]:
    """Return the scorer that a setting names, for the model with this fingerprint, and its provenance.

    "packaged": the scorer that the package has for the model, else the untrained one; "untrained"; or a file that
    `matcher learn` wrote. halves: of the model's vectors. Raises ScorerFileWrong for a file that is no scorer, or one
    of another model.
    """
    if setting == UNTRAINED:
        return untrained(halves), None
    if setting == PACKAGED:
        for file in sorted((resources.files("matcher") / "maps").iterdir(), key=lambda file: file.name):
            if file.name.endswith(".npz"):
                scorer, provenance = read(file)
                if provenance.model == model:
                    return scorer, provenance
        return untrained(halves), None
    scorer, provenance = read(Path(setting).expanduser())
    if provenance.model != model:
        raise ScorerFileWrong(f"{setting} was learned from the vectors of another model ({provenance.model})")
    return scorer, provenance


def _scorer(about: dict[str, Any], linear: np.ndarray[Any, np.dtype[np.float32]] | None) -> Scorer:
    if about["format"] != FORMAT:
        raise ValueError("another format")
    if linear is not None and (linear.ndim != 2 or linear.shape[0] != linear.shape[1] or not np.isfinite(linear).all()):
        raise ValueError("the map is not square and finite")
    numbers = {name: type(getattr(Scorer(), name))(about["numbers"][name]) for name in _NUMBERS}
    weights = tuple(float(weight) for weight in about["calibration"])
    if len(weights) != FEATURES:
        raise ValueError("another number of features")
    return replace(Scorer(), map=linear, calibration=Calibration(weights), **numbers)


def _provenance(about: dict[str, Any]) -> Provenance:
    return Provenance(
        model=str(about["model"]),
        suites=tuple(about["suites"]),
        licence=str(about["licence"]),
        attribution=str(about["attribution"]),
        recall={str(name): float(value) for name, value in about["recall"].items()},
        margins=tuple(about.get("margins", ())),
        error={str(name): float(value) for name, value in about.get("error", {}).items()},
    )
