"""File of a learned scorer: its numbers, the data they were learned from, and the model they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import numpy as np

from matcher.affinity.confidence import FEATURES, Calibration
from matcher.affinity.kinds import Halves, Others
from matcher.affinity.scorer import Floats, Scorer, untrained
from matcher.errors import SettingsWrong

FORMAT: Final = 1
FORMAT_OF_HALVES: Final = 2
"""Of a scorer for vectors of a pair of models: with `halves` and `others`, and a map a half."""
PACKAGED: Final = "packaged"
UNTRAINED: Final = "untrained"
_OF_HALVES: Final = {"halves", "others", "whole"}
_NUMBERS: Final = tuple(name for name in asdict(Scorer()) if name not in {"map", "calibration", *_OF_HALVES})


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
    further: tuple[str, ...] = ()
    """What else it was learned from, each with its licence."""

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
    about: dict[str, Any] = {
        "format": FORMAT,
        "provenance": asdict(provenance),
        "numbers": {name: getattr(scorer, name) for name in _NUMBERS},
        "calibration": list(scorer.calibration.weights),
    }
    maps = {} if scorer.map is None else {"map": scorer.map}
    if scorer.halves is not None and scorer.others is not None:
        about |= {"format": FORMAT_OF_HALVES, "halves": list(scorer.halves), "others": asdict(scorer.others)}
        about["whole"] = scorer.whole
        if scorer.map is not None:
            first = scorer.halves[0]
            maps = {"first": scorer.map[:first, :first], "second": scorer.map[first:, first:]}
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("wb") as file:
        arrays: dict[str, Any] = {name: linear.astype(np.float16) for name, linear in maps.items()}
        np.savez_compressed(file, about=np.array(json.dumps(about, indent=1)), **arrays)
    unfinished.replace(path)


def card(scorer: Scorer, provenance: Provenance) -> str:
    """Return the page that goes with a scorer's file: from which texts it was learned, and what came of it."""
    rows = [
        f"| {name} | {f'{100 * provenance.recall[name]:.1f} %' if name in provenance.recall else ''} | {error:.3f} |"
        for name, error in provenance.error.items()
    ]
    numbers = {name: getattr(scorer, name) for name in _NUMBERS}
    if scorer.halves is not None and scorer.others is not None:
        numbers |= {**{f"others.{name}": value for name, value in asdict(scorer.others).items()}, "whole": scorer.whole}
    lines = [
        f"# Scorer {scorer.fingerprint}",
        "",
        f"For vectors of the model {provenance.model} alone. The file holds no text: a matrix at 16 bits a model,",
        "the numbers below, and eleven weights of the confidence.",
        "",
        f"- learned from the suites {', '.join(provenance.suites)}",
        *([f"- confidence learned from {', '.join(provenance.margins)} as well"] if provenance.margins else ()),
        *(f"- {text}" for text in provenance.further),
        f"- licence of the suites: {provenance.licence or 'not said'}",
        f"- attribution: {provenance.attribution or 'not said'}",
        "",
        "| suite | recall at 1, by folds over agents | error of the confidence |",
        "| --- | --- | --- |",
        *rows,
        "",
        *(f"- {name}: {value:.4g}" for name, value in numbers.items()),
    ]
    return "\n".join(lines) + "\n"


def read(path: Path | Traversable) -> tuple[Scorer, Provenance]:
    """Return a file's scorer and its provenance. Raises ScorerFileWrong."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            maps = {name: arrays[name].astype(np.float32) for name in ("map", "first", "second") if name in arrays}
        return _scorer(about, maps), _provenance(about["provenance"])
    except (OSError, ValueError, KeyError, TypeError, EOFError) as fault:
        raise ScorerFileWrong(f"{path} is no scorer: {type(fault).__name__}") from fault


def load_scorer(setting: str, model: str, halves: Halves | None = None) -> tuple[Scorer, Provenance | None]:
    """Return the scorer that a setting names, for the model with this fingerprint, and its provenance.

    halves: of the model's vectors; None: the model is one. "packaged": the scorer that the package has for the model,
    else the untrained one; "untrained"; or a file that `matcher learn` wrote. Raises ScorerFileWrong for a file that is
    no scorer, or one of another model.
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


def _scorer(about: dict[str, Any], maps: Mapping[str, Floats]) -> Scorer:
    if about["format"] not in {FORMAT, FORMAT_OF_HALVES}:
        raise ValueError("another format")
    for linear in maps.values():
        if linear.ndim != 2 or linear.shape[0] != linear.shape[1] or not np.isfinite(linear).all():
            raise ValueError("the map is not square and finite")
    numbers = {name: type(getattr(Scorer(), name))(about["numbers"][name]) for name in _NUMBERS}
    weights = tuple(float(weight) for weight in about["calibration"])
    if len(weights) != FEATURES:
        raise ValueError("another number of features")
    scorer = replace(Scorer(), calibration=Calibration(weights), **numbers)
    if about["format"] == FORMAT:
        return replace(scorer, map=maps.get("map"))
    first, second = (int(count) for count in about["halves"])
    others = Others(float(about["others"]["threshold"]), float(about["others"]["slope"]))
    of_pair = replace(scorer, halves=(first, second), others=others, map=_joined(maps, first, second))
    return replace(of_pair, whole=float(about.get("whole", 0.0)))


def _joined(maps: Mapping[str, Floats], first: int, second: int) -> Floats | None:
    if "first" not in maps and "second" not in maps:
        return None
    if len(maps["first"]) != first or len(maps["second"]) != second:
        raise ValueError("the maps are not those of the halves")
    joined = np.zeros((first + second, first + second), np.float32)
    joined[:first, :first], joined[first:, first:] = maps["first"], maps["second"]
    return joined


def _provenance(about: dict[str, Any]) -> Provenance:
    return Provenance(
        model=str(about["model"]),
        suites=tuple(about["suites"]),
        licence=str(about["licence"]),
        attribution=str(about["attribution"]),
        recall={str(name): float(value) for name, value in about["recall"].items()},
        margins=tuple(about.get("margins", ())),
        error={str(name): float(value) for name, value in about.get("error", {}).items()},
        further=tuple(map(str, about.get("further", ()))),
    )
