"""The planted bugs: each brings one kind of fault back, and the checker must find it in its scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.chaos.patches import Bug
from benchmarks.chaos.planted_errands import OF_ERRANDS
from benchmarks.chaos.planted_service import OF_SERVICE
from benchmarks.chaos.planted_verbs import OF_VERBS

BUGS: Final[Mapping[str, Bug]] = {**OF_VERBS, **OF_SERVICE, **OF_ERRANDS}
"""Each bug by what a person would see of it."""
