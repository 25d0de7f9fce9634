"""The scorers that pools may name: the packaged one, the untrained one, and those in a folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import structlog

from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import PACKAGED, UNTRAINED, ScorerFileWrong, load_scorer

log = structlog.get_logger(__name__)

SUFFIX: Final = ".npz"
DEFAULT: Final = ""


class ScorerUnknown(Exception):
    """No scorer can be had by a name: what is wrong, as a sentence about the field that names it."""


class ScorerRegistry:
    """Give scorers by name, for the vectors of one model.

    A file is read once, when its name is first asked for: a scorer that was learned anew takes a new name, so that
    every replica and every decision means the same by it. Safe to use from several threads.
    """

    def __init__(self, setting: str, model: str, folder: Path | None = None) -> None:
        """Read the default one, as `scorer_file.chosen` takes the setting.

        model: the fingerprint of the model; folder: where `<name>.npz` lies. Raises ScorerFileWrong.
        """
        self.default = load_scorer(setting, model)[0]
        self._model = model
        self._folder = folder
        self._known: dict[str, Scorer] = {DEFAULT: self.default}
        self._by_fingerprint = {self.default.fingerprint: self.default}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names that can be asked for now."""
        files = self._folder.glob(f"*{SUFFIX}") if self._folder else ()
        return [PACKAGED, UNTRAINED, *sorted(file.name.removesuffix(SUFFIX) for file in files)]

    def named(self, name: str) -> Scorer:
        """Return a scorer; "": the default. Equal ones are one object. Raises ScorerUnknown."""
        scorer = self._known.get(name)
        if scorer is not None:
            return scorer
        with self._lock:
            scorer = self._read(name)
            scorer = self._by_fingerprint.setdefault(scorer.fingerprint, scorer)
            self._known[name] = scorer
            return scorer

    def serving(self, name: str) -> Scorer:
        """Return a scorer, or the default where there is none by the name any more: a pool's contacts are not left.

        The log says so.
        """
        try:
            return self.named(name)
        except ScorerUnknown as why:
            log.warning("a pool's scorer cannot be had: the default ranks in its place", scorer=name, why=str(why))
            return self.default

    def _read(self, name: str) -> Scorer:
        if name in {PACKAGED, UNTRAINED}:
            return load_scorer(name, self._model)[0]
        names = self.names()
        if self._folder is None or name not in names:
            raise ScorerUnknown(f"names no scorer; there are {', '.join(names)}")
        try:
            return load_scorer(str(self._folder / f"{name}{SUFFIX}"), self._model)[0]
        except ScorerFileWrong as why:
            # The folder is the operator's to know.
            said = str(why).replace(f"{self._folder}/", "")
            raise ScorerUnknown(f"names a file that cannot serve: {said}") from why
