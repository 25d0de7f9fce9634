"""Registry of the scorers that pools may name: the packaged one, the untrained one, and the files of a folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import structlog

from matcher.affinity.kinds import Halves
from matcher.affinity.scorer import Scorer
from matcher.affinity.scorer_file import PACKAGED, UNTRAINED, ScorerFileWrong, load_scorer

log = structlog.get_logger(__name__)

SUFFIX: Final = ".npz"
DEFAULT: Final = ""


class ScorerUnknown(Exception):
    """No scorer has this name, or its file is wrong; the message completes a sentence about the field that names it."""


class ScorerRegistry:
    """Return scorers by name, for the vectors of one model.

    A file is read once, at the first request of its name. So a scorer that is learned again needs a new name, and a
    name means the same scorer to every replica and in every decision. Safe to use from several threads.
    """

    def __init__(self, setting: str, model: str, folder: Path | None = None, halves: Halves | None = None) -> None:
        """Load the default scorer.

        setting: as for `scorer_file.load_scorer`; model: the fingerprint of the model; folder: of `<name>.npz` files;
        halves: of the model's vectors, None: the model is one. Raises ScorerFileWrong.
        """
        self.default, learned = load_scorer(setting, model, halves)
        self._default_name = Path(setting).name.removesuffix(SUFFIX) if learned else UNTRAINED
        self._model = model
        self._halves = halves
        self._folder = folder
        self._by_name: dict[str, Scorer] = {DEFAULT: self.default}
        self._by_fingerprint = {self.default.fingerprint: self.default}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names that a pool may use now."""
        files = self._folder.glob(f"*{SUFFIX}") if self._folder else ()
        return [PACKAGED, UNTRAINED, *sorted(file.name.removesuffix(SUFFIX) for file in files)]

    def named(self, name: str) -> Scorer:
        """Return the scorer of a name; "": the default. Equal scorers are one object. Raises ScorerUnknown."""
        scorer = self._by_name.get(name)
        if scorer is not None:
            return scorer
        with self._lock:
            scorer = self._read(name)
            scorer = self._by_fingerprint.setdefault(scorer.fingerprint, scorer)
            self._by_name[name] = scorer
            return scorer

    def serving(self, name: str) -> Scorer:
        """Return the scorer of a name, or the default, with a warning in the log, where its file is gone.

        So a pool goes on serving without its file.
        """
        try:
            return self.named(name)
        except ScorerUnknown as why:
            log.warning("a pool's scorer is not available: the default scorer ranks instead", scorer=name, why=str(why))
            return self.default

    def serving_name(self, name: str) -> str:
        """Return the name of the scorer that `serving` returns for a name, the untrained one by its own."""
        try:
            scorer = self.named(name)
        except ScorerUnknown:
            return self._default_name
        if name == DEFAULT:
            return self._default_name
        return UNTRAINED if name == PACKAGED and scorer is self.named(UNTRAINED) else name

    def _read(self, name: str) -> Scorer:
        if name in {PACKAGED, UNTRAINED}:
            return load_scorer(name, self._model, self._halves)[0]
        names = self.names()
        if self._folder is None or name not in names:
            raise ScorerUnknown(f"names no scorer; there are {', '.join(names)}")
        try:
            return load_scorer(str(self._folder / f"{name}{SUFFIX}"), self._model, self._halves)[0]
        except ScorerFileWrong as why:
            # The caller does not learn the name of the operator's folder.
            reason = str(why).replace(f"{self._folder}/", "")
            raise ScorerUnknown(f"names a file that cannot serve: {reason}") from why
